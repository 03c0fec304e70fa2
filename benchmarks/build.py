"""Speed of a build, compared with only decoding, cropping and encoding the same pictures.

    python benchmarks/build.py

Draws photos and then alternates two measurements on all cores: the complete build (annotations, crops, TFRecords,
report), and only decode, crop, shrink and encode. Prints the median ratio, and the peak memory of the writing process.
"""

import csv
import importlib
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from tfaffect.labels import CLASSES
from tfaffect.media import faces
from tfrecords_builders.folder import Folder
from tfrecords_builders.record import shrink
from tfrecords_builders.synthetic import Synthetic

BOX = (100, 80, 400, 440)


def main(photos: int = 12_000, side: int = 512, rounds: int = 5) -> None:
    """Measure the build.

    Args:
        photos: Photos, each with one face.
        side: Their side in pixels.
        rounds: Number of measurements of each kind.
    """
    from tfrecords_builders.prepare import prepare  # here, because workers import this file, but need no TensorFlow

    importlib.import_module("tensorflow")  # before the measurement: it takes 5 s, once for a build of any size
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place, ProcessPoolExecutor(workers, get_context("spawn"), one_thread) as pool:
        raw, records = Path(place, "raw"), Path(place, "records")
        paths = write_photos(raw, photos, side)
        crop_all(paths[:workers], pool, workers)  # starts the processes before the measurement
        ratios = []
        for number in range(rounds):
            bare = timed(lambda: crop_all(paths, pool, workers))
            build = timed(lambda: prepare(Folder(), raw, records, workers=workers, overwrite=True))
            ratios.append(bare / build)
            print(
                f"round {number + 1}: only crops {photos / bare:,.0f} faces/s, build {photos / build:,.0f} faces/s, "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"median ratio {statistics.median(ratios):.2f} with {workers} workers")
    print(f"peak memory: {megabytes:,.0f} MB in the process that writes")


def write_photos(folder: Path, photos: int, side: int) -> list[Path]:
    """Write photos and their table: a few hundred drawn photos with many names, because drawing is slow."""
    folder.mkdir()
    drawn = [cv2.resize(face, (side, side))[..., ::-1] for face in drawn_faces(Synthetic(subjects=6))]
    encoded = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in drawn]
    paths = [folder / f"{number:06d}.jpg" for number in range(photos)]
    box = [round(edge * side / 512) for edge in BOX]
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "class", "group", "left", "top", "right", "bottom"])
        for number, path in enumerate(paths):
            path.write_bytes(encoded[number % len(encoded)])
            group = number % len(encoded)  # equal photos in one split: across splits they would be twins
            table.writerow([path.name, CLASSES[number % len(CLASSES)], group, *box])
    return paths


def drawn_faces(corpus: Synthetic) -> Iterator[np.ndarray]:
    """Yield drawn faces, RGB uint8 (128, 128, 3)."""
    return (face.image() for face in corpus.faces(Path()) if callable(face.image))


def crop_all(paths: list[Path], pool: ProcessPoolExecutor, workers: int) -> int:
    """Decode, crop, shrink and encode the pictures on all cores; return the number of encoded bytes."""
    return sum(pool.map(crop_here, (paths[first::workers] for first in range(workers))))


def crop_here(paths: list[Path]) -> int:
    """Decode, crop, shrink and encode the pictures in this process."""
    return sum(len(faces.encode(shrink(faces.crop(faces.read(path), BOX)))) for path in paths)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def one_thread() -> None:
    """Use one OpenCV thread in each process, as the build does."""
    cv2.setNumThreads(1)


if __name__ == "__main__":
    tyro.cli(main)
