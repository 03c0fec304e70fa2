"""Speed of `tfaffect embed` in several jobs, compared with the one command, and what one video costs on a cluster.

    python benchmarks/cluster.py --face-detector FILE

shards   four jobs with --shard at the same time, compared with the one command, over short clips
beam     two processes of Beam's FnApiRunner, compared with the one command (skipped without apache-beam)
start    from a list of 10,000 made-up videos to the first task
merge    one table out of the folder with the rows of these 10,000
memory   highest memory of the merge, of a folder and of one that is four times as large

Machine hours and gigabytes of the printed table come from the seconds and bytes of the one command.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import clips
from tfaffect.features import tables
from tfaffect.features.cluster import jobs
from tfaffect.features.cluster.folder import ROWS
from tfaffect.features.cluster.merging import merge
from tfaffect.features.cluster.units import Unit
from tfaffect.features.cluster.work import Work
from tfaffect.features.embedder import Embedder
from tfaffect.features.row import Row
from tfaffect.features.sample import Options
from tfaffect.features.source import Source

ROOT = Path(__file__).parents[1]
FRAMES_PER_SECOND = 25
CORES = 16
SOURCES = 10_000


def main(
    videos: int = 200,
    frames: int = 50,
    parts: tuple[str, ...] = ("shards", "beam", "start", "memory"),
    model: Path = ROOT / "models" / "fer_plus_micro",
    face_detector: Path | None = None,
) -> None:
    """Measure and print.

    Args:
        videos: Number of clips.
        frames: Frames of each.
        parts: What is measured; `start` includes the merge.
        model: The model.
        face_detector: Weights of YuNet. Without it, TFAFFECT_FACE_DETECTOR is used.
    """
    if face_detector:
        os.environ["TFAFFECT_FACE_DETECTOR"] = str(face_detector.absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"shards", "beam"} & set(parts):
            make_clips(folder / "clips", videos, frames)
            words = [str(folder / "clips"), "--faces", "largest", "--model", str(model)]
            alone = timed([[*words, "--out", str(folder / "alone.parquet")]])
            print(f"one command: {alone:.1f} s for {videos} clips of {frames} frames", flush=True)
            print_table(alone, videos * frames, (folder / "alone.parquet").stat().st_size)
        if "shards" in parts:
            out = str(folder / "shards")
            seconds = timed([[*words, "--out", out, "--shard", f"{number}/4"] for number in range(1, 5)])
            print(
                f"four shards at the same time: {seconds:.1f} s, {alone / seconds:.2f} of the one command", flush=True
            )
        if "beam" in parts and find_spec("apache_beam"):
            given = ("direct_running_mode=multi_processing", "direct_num_workers=2")
            beam = ["--beam-runner", "FnApiRunner", "--beam-options", *given]
            seconds = timed([[*words, "--out", str(folder / "beam"), *beam]])
            print(f"two Beam processes: {seconds:.1f} s, {alone / seconds:.2f} of the one command", flush=True)
        if "start" in parts:
            measure_start(folder, model)
        if "memory" in parts:
            for units in (8, 32):
                megabytes = peak_of_merge(folder / f"rows{units}", units, model)
                print(f"merge of {units * 4096:,} rows: {megabytes:.0f} MB at most", flush=True)


def make_clips(folder: Path, videos: int, frames: int) -> None:
    """Write clips in which a drawn face moves."""
    folder.mkdir()
    faces = [cv2.resize(face, (160, 160)) for face in drawn_pictures()]
    for number in range(videos):
        pictures = []
        for frame in range(frames):
            picture = np.full((360, 480, 3), 128, np.uint8)
            left = 20 + 4 * frame + number % 40
            picture[40:200, left : left + 160] = faces[number % len(faces)]
            pictures.append(picture)
        clips.write(folder / f"{number:04d}.mp4", pictures, options={"preset": "ultrafast"})


def drawn_pictures() -> Iterator[np.ndarray]:
    """Yield drawn faces."""
    from tfrecords_builders.synthetic import Synthetic

    return (face.image() for face in Synthetic(subjects=4, pictures=2).faces(None))


def timed(commands: list[list[str]]) -> float:
    """Run commands at the same time; return the seconds until all have ended."""
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tfaffect", "embed", *words],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return time.perf_counter() - start


def print_table(seconds: float, frames: int, size: int) -> None:
    """Print what hours of video take on machines of 16 cores, if every core does its share of these seconds."""
    cores = os.cpu_count() or 1
    core_hours = seconds * cores / (frames / FRAMES_PER_SECOND)  # of one hour of video, every frame of it
    gigabytes = size / frames * FRAMES_PER_SECOND * 3600 / 1e9
    print("| hours of video | machines of 16 cores | hours of work | GB of rows |\n|---|---|---|---|")
    for hours, machines in ((100, 1), (1000, 4), (10_000, 40), (100_000, 100)):
        work = hours * core_hours / CORES / machines
        print(f"| {hours:,} | {machines} | {work:,.1f} | {hours * gigabytes:,.1f} |", flush=True)


def made_up(folder: Path, model: Path, sources: list[Source]) -> tuple[Work, list[Unit]]:
    """Start a job whose sources do not exist."""
    return jobs.start(folder, sources, Embedder(model), Options(), False, None, None)


def measure_start(folder: Path, model: Path) -> None:
    """Measure the start of a job and the merge."""
    from io import StringIO

    from tfaffect.features.sources import find_sources

    table = folder / "labels.csv"
    table.write_text("path,level\n" + "".join(f"clips/{number}.mp4,{number % 4}\n" for number in range(SOURCES)))
    start = time.perf_counter()
    work, units = made_up(folder / "many", model, find_sources([str(table)], StringIO()))
    left = jobs.lacking(work.folder, jobs.shard_of(units, (1, 1)))
    print(f"start with {SOURCES:,} sources: {time.perf_counter() - start:.1f} s, {len(left)} tasks", flush=True)
    for unit in units:
        of_unit = work.sources[unit.first : unit.last + 1]
        write_rows(work, unit, [Row(source.name, carried=source.carried, problem="no face") for source in of_unit])
    start = time.perf_counter()
    counts = merge(folder / "many", folder / "many.parquet", False)
    print(f"merge of {counts.rows:,} rows in {len(units)} files: {time.perf_counter() - start:.1f} s", flush=True)


def write_rows(work: Work, unit: Unit, rows: list[Row]) -> None:
    """Write made-up rows of a unit."""
    path = work.folder.table(ROWS, unit)
    path.parent.mkdir(exist_ok=True)
    tables.writer(path)(path, work.schema, [tables.to_batch(rows, work.schema)])


def peak_of_merge(folder: Path, units: int, model: Path) -> float:
    """Return the highest memory in megabytes of a process that merges so many units of 4,096 rows."""
    work, found = made_up(folder, model, [Source(folder / f"{number}.mp4", str(number)) for number in range(units)])
    assert len(found) == units
    noise = np.random.default_rng(0).normal(size=(4096, 256)).astype(np.float32)
    first = work.folder.table(ROWS, found[0])
    write_rows(work, found[0], [Row("0", embedding=values) for values in noise])
    for unit in found[1:]:
        shutil.copy(first, work.folder.table(ROWS, unit))
    code = "import resource, sys; from pathlib import Path; from tfaffect.features.cluster.merging import merge; "
    code += "merge(Path(sys.argv[1]), Path(sys.argv[1] + '.parquet'), True); "
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    words = [sys.executable, "-c", code, str(folder)]
    return int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout) / 1024


if __name__ == "__main__":
    tyro.cli(main)
