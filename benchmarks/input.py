"""Speed of the input: records to augmented batches, compared with only decoding and letterboxing the same faces.

    python benchmarks/input.py --before FOLDER

Alternates these measurements, each on all cores: threads decode and letterbox faces in memory by Pillow, as other
commands do; our training batches are read from records, with the recipe's augmentation at its default probability; the
same with the options that change more faces; and, if PyTorch is installed, a DataLoader with a worker for each core
that decodes, letterboxes by Pillow and changes the faces. FOLDER holds an earlier version, whose batches are read in a
process of its own. Batches are counted from the second on, so that the start of a run is left out.
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
from tfaffect.config import Config
from tfaffect.media import faces
from tfaffect.records.augmentation import augment, change_probabilities, draw_changes
from tfaffect.records.prepared import open_corpus
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare

ROOT = Path(__file__).parents[1]
CHANGES = change_probabilities(Config.augmentation_probability)
BATCH = 64
MORE_CHANGES = {"affine_strength": 0.6, "erasing_probability": 0.25, "degradation_probability": 0.25}

CHILD = """
import json, sys, time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
import cv2
from tfaffect.config import Config

cv2.setNumThreads(1)
batches, prepared = ("records.batches", "records.prepared") if find_spec("tfaffect.records") else ("data", "prepared")
batches, prepared = (import_module(f"tfaffect.{name}") for name in (batches, prepared))
for line in sys.stdin:
    records, options = json.loads(line)
    corpora = [prepared.open_corpus(Path(records), "folder")]
    read = iter(batches.training_batches(corpora, Config(corpora=("folder",), epochs=2, **options)))
    next(read)
    start = time.perf_counter()
    count = sum(len(pictures) for pictures, _, _ in read)
    print(count / (time.perf_counter() - start), flush=True)
"""
"""Prints the faces a second of every job that it reads, in whichever version its folder holds."""


def main(before: Path | None = None, photos: int = 6_000, sizes: tuple[int, ...] = (240, 48), rounds: int = 5) -> None:
    """Measure the input.

    Args:
        before: Folder of an earlier version.
        photos: Number of pictures; four fifths of them are the faces of an epoch.
        sizes: Input sizes of the network in pixels.
        rounds: Number of measurements of each kind.
    """
    cv2.setNumThreads(1)  # pictures are processed in parallel, not parts of one
    with tempfile.TemporaryDirectory() as place:
        raw, records = Path(place, "raw"), Path(place, "records")
        write_photos(raw, photos, 512)
        prepare(Folder(), raw, records)
        encoded = [record["image"] for record in open_corpus(records, "folder").records("train").as_numpy_iterator()]
        print(f"{len(encoded):,} faces of {statistics.mean(map(len, encoded)) / 1000:.0f} kB, {os.cpu_count()} cores")
        versions = {"ours": Version(ROOT, records)}
        if before:
            versions["before"] = Version(before.resolve(), records)
        for size in sizes:
            measure(size, encoded, versions, rounds)


class Version:
    """A process that reads training batches by one version of the project."""

    def __init__(self, root: Path, records: Path) -> None:
        self.records = records
        environment = {**os.environ, "PYTHONPATH": str(root)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", CHILD], cwd=root, env=environment, text=True, **pipes)

    def speed(self, size: int, **options: float) -> float:
        """Return the faces a second of two epochs, from the second batch on."""
        options = {"image_size": size, "batch_size": BATCH, **options}
        print(json.dumps([str(self.records), options]), file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def measure(size: int, encoded: list[bytes], versions: dict[str, Version], rounds: int) -> None:
    """Print faces a second of each measurement, and the ratios."""
    ours = versions["ours"]
    measurements: dict[str, Callable[[], float]] = {
        "decode and letterbox": lambda: decoding_speed(encoded, size),
        "ours": lambda: ours.speed(size),
        "ours, more changes": lambda: ours.speed(size, **MORE_CHANGES),
    }
    if "before" in versions:
        measurements["before"] = lambda: versions["before"].speed(size)
    if find_spec("torch"):
        loader = data_loader(encoded, size)
        measurements["DataLoader"] = lambda: batch_speed(chain(loader, loader))
    speeds: dict[str, list[float]] = {name: [] for name in measurements}
    for number in range(rounds + 1):
        for name, speed in measurements.items():
            if number:  # the first warms up
                speeds[name].append(speed())
            else:
                speed()
    for name, values in speeds.items():
        print(f"{size:>4} px  {name:<22} {statistics.median(values):7,.0f} faces/s", flush=True)
    for other in [name for name in measurements if name != "ours"]:
        ratios = [own / base for own, base in zip(speeds["ours"], speeds[other], strict=True)]
        low, high = min(ratios), max(ratios)
        print(f"{size:>4} px  ours over {other}: {statistics.median(ratios):.2f} (rounds {low:.2f} to {high:.2f})")


def batch_speed(batches: Iterable[Sized]) -> float:
    """Return the faces a second of batches, from the second batch on."""
    batches = iter(batches)
    next(batches)
    start = time.perf_counter()
    count = sum(len(pictures) for pictures in batches)
    return count / (time.perf_counter() - start)


def decoding_speed(encoded: list[bytes], size: int) -> float:
    """Decode and letterbox every face, with a thread for each core; return faces a second."""
    cores = os.cpu_count() or 1

    def decode_part(first: int) -> None:
        for content in encoded[first::cores]:
            faces.letterbox(faces.decode(content), size)

    start = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(decode_part, range(cores)))
    return len(encoded) / (time.perf_counter() - start)


def data_loader(encoded: list[bytes], size: int) -> Any:
    """Return PyTorch's batches of an epoch; the workers run on between epochs."""
    import torch
    from torch.utils.data import DataLoader

    class Faces(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(encoded)

        def __getitem__(self, index: int) -> torch.Tensor:
            picture = faces.letterbox(faces.decode(encoded[index]), size)
            rng = np.random.default_rng((0, index))
            (changes,) = draw_changes(CHANGES, rng, 1)
            return torch.from_numpy(np.ascontiguousarray(augment(picture, changes, rng)))

    workers = os.cpu_count() or 1
    return DataLoader(Faces(), BATCH, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True)


if __name__ == "__main__":
    tyro.cli(main)
