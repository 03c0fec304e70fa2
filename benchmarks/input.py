"""Speed of the input: records to augmented batches, compared with only decoding and letterboxing the same faces.

    python benchmarks/input.py --before FOLDER

Alternates these measurements, each on all cores: threads decode and letterbox faces in memory by Pillow, as other
commands do; our training batches are read from records, with the recipe's augmentation at its default probability; the
same with the options that change more faces, on one core, and without the turns of epochs; and, if PyTorch is
installed, a DataLoader with a worker for each core that decodes, letterboxes by Pillow and changes the faces. FOLDER
holds an earlier version. Batches are counted from the second on, so that the start of a run is left out.

No pipeline can use a second core better than the machine allows, so that is measured too: processes that decode and
change faces without any pipeline, one alone and one for each core. At the end comes the memory by number of workers.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sized
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.build import write_photos
from benchmarks.input_worker import BATCH
from tfaffect.config import Config
from tfaffect.files import processors
from tfaffect.media import faces
from tfaffect.records.augmentation import augment, change_probabilities, draw_changes
from tfaffect.records.prepared import open_corpus
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare

ROOT = Path(__file__).parents[1]
CORES = processors.count()
EPOCHS = 2
MORE_CHANGES = {"affine_strength": 0.6, "erasing_probability": 0.25, "degradation_probability": 0.25}
MEMORY_STEPS = 60
"""Batches that are read before the memory is measured."""


def main(
    before: Path | None = None,
    records: Path | None = None,
    photos: int = 6_000,
    sizes: tuple[int, ...] = (240, 48),
    rounds: int = 5,
    workers: tuple[int, ...] = (2, 8, 16),
    only: tuple[str, ...] = (),
) -> None:
    """Measure the input.

    Args:
        before: Folder of an earlier version.
        records: Folder of records: those of an earlier measurement are used again, and new ones are kept.
        photos: Number of pictures; four fifths of them are the faces of an epoch.
        sizes: Input sizes of the network in pixels.
        rounds: Number of measurements of each kind.
        workers: Numbers of batches decoded in parallel for which the memory is measured.
        only: Names of the measurements to make beside "ours"; all of them when it is empty.
    """
    cv2.setNumThreads(1)  # pictures are processed in parallel, not parts of one
    with tempfile.TemporaryDirectory() as place:
        records = (records or Path(place, "records")).resolve()
        if not (records / "folder").exists():
            write_photos(Path(place, "raw"), photos, 512)
            prepare(Folder(), Path(place, "raw"), records)
        encoded = [record["image"] for record in open_corpus(records, "folder").records("train").as_numpy_iterator()]
        print(f"{len(encoded):,} faces of {statistics.mean(map(len, encoded)) / 1000:.0f} kB, {CORES} cores")
        versions = {"ours": ROOT} | ({"before": before.resolve()} if before else {})
        for size in sizes if rounds else ():
            measure(size, encoded, versions, records, rounds, only)
        for size in sizes:
            for number in workers:
                measured = {name: Worker(root, records).memory(size, number) for name, root in versions.items()}
                amounts = ", ".join(f"{name} {amount:,.0f} MB" for name, amount in measured.items())
                print(f"{size:>4} px  memory with {number} workers: {amounts}", flush=True)


class Worker:
    """A process that reads faces by one version of the project, see input_worker.py."""

    def __init__(self, root: Path, records: Path, cores: int = CORES) -> None:
        environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
        words = [sys.executable, str(ROOT / "benchmarks" / "input_worker.py"), str(records), str(cores)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(words, cwd=root, env=environment, text=True, **pipes)

    def start(self, function: str, **arguments: Any) -> None:
        """Give the process a job."""
        print(json.dumps([function, arguments]), file=self.process.stdin, flush=True)

    def answer(self) -> tuple[float, float]:
        """Return the faces a second of its job, and its peak memory in MB."""
        speed, memory = json.loads(self.process.stdout.readline())
        return speed, memory

    def speed(self, size: int, epochs: int = EPOCHS, **options: Any) -> float:
        """Return the faces a second of some epochs."""
        self.start("batches", image_size=size, epochs=epochs, **options)
        return self.answer()[0]

    def memory(self, size: int, workers: int) -> float:
        """Return the peak memory with a number of workers; the process ends."""
        self.start("batches", image_size=size, epochs=EPOCHS, workers=workers, steps=MEMORY_STEPS)
        memory = self.answer()[1]
        self.end()
        return memory

    def end(self) -> None:
        """End the process. The workers of a DataLoader hold its input open, so it would wait for ever."""
        self.process.kill()
        self.process.communicate()


def measure(
    size: int, encoded: list[bytes], versions: dict[str, Path], records: Path, rounds: int, only: tuple[str, ...]
) -> None:
    """Print faces a second of each measurement, and the ratios."""
    workers = {name: Worker(root, records) for name, root in versions.items()}
    ours, on_one_core = workers["ours"], Worker(ROOT, records, 1)
    alone = [Worker(ROOT, records) for _ in range(CORES)]
    measurements: dict[str, Callable[[], float]] = {
        "decode and letterbox": lambda: decoding_speed(encoded, size),
        "ours": lambda: ours.speed(size),
        "ours, more changes": lambda: ours.speed(size, **MORE_CHANGES),
        "ours without turns": lambda: ours.speed(size, 1, corpus_weights=[EPOCHS]),
        "ours on one core": lambda: on_one_core.speed(size),
        "one process alone": lambda: speed_alone(alone[:1], size, len(encoded)),
        "a process a core": lambda: speed_alone(alone, size, len(encoded)),
    }
    if "before" in workers:
        measurements["before"] = lambda: workers["before"].speed(size)
    if find_spec("torch"):
        loader = data_loader(encoded, size)
        measurements["DataLoader"] = lambda: batch_speed(chain(loader, loader))
    if only:
        measurements = {name: measurements[name] for name in ("ours", *only)}
    speeds: dict[str, list[float]] = {name: [] for name in measurements}
    for number in range(rounds + 1):
        for name, speed in measurements.items():
            if number:  # the first warms up
                speeds[name].append(speed())
            else:
                speed()
    for worker in (*workers.values(), on_one_core, *alone):
        worker.end()
    for name, values in speeds.items():
        print(f"{size:>4} px  {name:<22} {statistics.median(values):7,.0f} faces/s", flush=True)
    for other in [name for name in measurements if name != "ours" and "process" not in name]:
        print_ratio(size, speeds, "ours", other)
    if "a process a core" in measurements:
        print_ratio(size, speeds, "a process a core", "one process alone")


def print_ratio(size: int, speeds: dict[str, list[float]], own: str, base: str) -> None:
    """Print the median ratio of two measurements, and that of the rounds."""
    ratios = [above / below for above, below in zip(speeds[own], speeds[base], strict=True)]
    low, high = min(ratios), max(ratios)
    print(f"{size:>4} px  {own} over {base}: {statistics.median(ratios):.2f} (rounds {low:.2f} to {high:.2f})")


def batch_speed(batches: Iterable[Sized]) -> float:
    """Return the faces a second of batches, from the second batch on."""
    batches = iter(batches)
    next(batches)
    start = time.perf_counter()
    count = sum(len(pictures) for pictures in batches)
    return count / (time.perf_counter() - start)


def speed_alone(workers: list[Worker], size: int, count: int) -> float:
    """Return the faces a second of processes together that decode and change `count` faces, without a pipeline."""
    for worker in workers:
        worker.start("alone", image_size=size, steps=max(1, count // BATCH // len(workers)))
    return sum(worker.answer()[0] for worker in workers)


def decoding_speed(encoded: list[bytes], size: int) -> float:
    """Decode and letterbox every face, with a thread for each core; return faces a second."""

    def decode_part(first: int) -> None:
        for content in encoded[first::CORES]:
            faces.letterbox(faces.decode(content), size)

    start = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(decode_part, range(CORES)))
    return len(encoded) / (time.perf_counter() - start)


def data_loader(encoded: list[bytes], size: int) -> Any:
    """Return PyTorch's batches of an epoch; the workers run on between epochs."""
    import torch
    from torch.utils.data import DataLoader

    possible = change_probabilities(Config())

    class Faces(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(encoded)

        def __getitem__(self, index: int) -> torch.Tensor:
            picture = faces.letterbox(faces.decode(encoded[index]), size)
            rng = np.random.default_rng((0, index))
            (changes,) = draw_changes(possible, rng, 1)
            return torch.from_numpy(np.ascontiguousarray(augment(picture, changes, rng)))

    return DataLoader(Faces(), BATCH, shuffle=True, num_workers=CORES, drop_last=True, persistent_workers=True)


if __name__ == "__main__":
    tyro.cli(main)
