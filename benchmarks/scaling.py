"""Time to build and read corpora of several sizes, to build on several cores, and to train in two processes.

    python benchmarks/scaling.py

Every size is built and read in its own process, so that its peak memory is known. The photos are a few hundred drawn
photos with many names.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.build import write_photos

ROOT = Path(__file__).parents[1]
BUILD = """
import sys, time
from pathlib import Path
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare
import tensorflow
start = time.perf_counter()
prepare(Folder(), Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]), overwrite=True)
seconds = time.perf_counter() - start
"""
READ = """
import sys, time
from pathlib import Path
from tfaffect.config import Config
from tfaffect.records.batches import training_batches
from tfaffect.records.prepared import open_corpus
corpus = open_corpus(Path(sys.argv[1]), "folder")
config = Config(corpora=("folder",), image_size=64, batch_size=64, epochs=1)
start = time.perf_counter()
count = sum(len(pictures) for pictures, _, _ in training_batches([corpus], config))
seconds = (time.perf_counter() - start) * corpus.report["splits"]["train"]["annotated"] / count
"""
MEASURED = """
import resource
print("measured", seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main(
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000),
    cores_at: int = 100_000,
    side: int = 64,
    processes: bool = True,
) -> None:
    """Measure and print.

    Args:
        sizes: Number of photos in a corpus, each with one face.
        cores_at: The size that is also built on fewer cores, from one core on; the others use all cores.
        side: Side of the photos in pixels.
        processes: Also train in one and in two processes with JAX.
    """
    with tempfile.TemporaryDirectory() as place:
        for size in sizes:
            raw, records = Path(place, f"raw{size}"), Path(place, f"records{size}")
            write_photos(raw, size, side)
            cores = os.cpu_count() or 1
            for workers in range(1, cores + 1) if size == cores_at else [cores]:
                report(f"build {size:>9,} photos, {workers} cores", size, BUILD, raw, records, workers)
            report(f"read  {size:>9,} photos", size, READ, records)
        if processes:
            print(f"training in two processes: {two_over_one(Path(place)):.2f} of the time of one")


def report(name: str, size: int, code: str, *arguments: object) -> None:
    """Run code; print speed and memory. Workers are left out: Linux adds their parent's memory to theirs."""
    seconds, memory = measured(code + MEASURED, *arguments)
    print(f"{name:<36} {1e6 * seconds / size:7,.0f} us each  {memory:6,.0f} MB", flush=True)


def measured(code: str, *arguments: object) -> list[float]:
    """Run code in its own process, and return the numbers that it prints after "measured"."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("measured")]
    return [float(word) for word in line.split()[1:]]


def two_over_one(place: Path) -> float:
    """Return the time of an epoch in two processes of one device each, divided by that in one process, with JAX."""
    subprocess.run(
        [sys.executable, "-m", "tfrecords_builders", "synthetic", "--records", place, "--pictures", "20"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return epoch_seconds(place, 2) / epoch_seconds(place, 1)


def epoch_seconds(place: Path, processes: int) -> float:
    """Return the seconds of an epoch, from the difference between runs of three epochs and one: without the start."""
    seconds = []
    for epochs in (1, 3):
        start = time.perf_counter()
        running = [train(place, processes, number, epochs) for number in range(processes)]
        for process in running:
            if process.communicate()[1] and process.returncode:
                sys.exit(str(process.args))
        seconds.append(time.perf_counter() - start)
    return (seconds[1] - seconds[0]) / 2


def train(place: Path, processes: int, number: int, epochs: int) -> subprocess.Popen:
    """Start one of the processes that train together."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    if processes > 1:
        environment |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"localhost:{12340 + epochs}",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
        }
    run = place / f"run{processes}-{epochs}"
    flags = ["--records", place, "--run", run, "--epochs", epochs, "--architecture", "micro", "--image-size", 48]
    command = ["train.py", "--corpora", "synthetic", "--weights", "none", *flags]
    return subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


if __name__ == "__main__":
    tyro.cli(main)
