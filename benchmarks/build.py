"""Build speed: records a second against the bare cost of decoding, cropping and encoding the same pictures.

    python benchmarks/build.py

Draws photos, then takes turns: the whole build (annotations, crops, TFRecords, report), and nothing but decode, crop,
shrink and encode, each on all cores. Prints the median ratio and the largest memory of any process of the build.
"""

import csv
import importlib
import os
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
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
        rounds: Turns that each of the two takes.
    """
    from tfrecords_builders.prepare import prepare  # here, because workers import this file and need no TensorFlow

    importlib.import_module("tensorflow")  # five seconds that a build of any size spends once
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place, ProcessPoolExecutor(workers, get_context("spawn"), settle) as pool:
        raw, records = Path(place, "raw"), Path(place, "records")
        paths = write_photos(raw, photos, side)
        cut(paths[:workers], pool, workers)  # the bare cost has its processes running when its time begins
        ratios = []
        for turn in range(rounds):
            bare = timed(cut, paths, pool, workers)
            whole = timed(prepare, Folder(), raw, records, workers=workers, overwrite=True)
            ratios.append(bare / whole)
            print(
                f"round {turn + 1}: bare {photos / bare:,.0f} faces/s, build {photos / whole:,.0f} faces/s, "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"median ratio {statistics.median(ratios):.2f} with {workers} workers")
    print(f"largest memory: {megabytes:,.0f} MB in the process that writes")


def write_photos(folder: Path, photos: int, side: int) -> list[Path]:
    """Write photos and their table; a few hundred drawn ones under many names, because drawing is slow."""
    folder.mkdir()
    drawn = [cv2.resize(face.image(), (side, side))[..., ::-1] for face in Synthetic(subjects=6).faces(folder)]
    encoded = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in drawn]
    paths = [folder / f"{number:06d}.jpg" for number in range(photos)]
    box = [round(edge * side / 512) for edge in BOX]
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "class", "left", "top", "right", "bottom"])
        for number, path in enumerate(paths):
            path.write_bytes(encoded[number % len(encoded)])
            table.writerow([path.name, CLASSES[number % len(CLASSES)], *box])
    return paths


def cut(paths: list[Path], pool: ProcessPoolExecutor, workers: int) -> int:
    """Decode, crop, shrink and encode the pictures on all cores; return the bytes that come out."""
    return sum(pool.map(cut_here, (paths[first::workers] for first in range(workers))))


def cut_here(paths: list[Path]) -> int:
    """Decode, crop, shrink and encode the pictures in this process."""
    return sum(len(faces.encode(shrink(faces.crop(faces.read(path), BOX)))) for path in paths)


def timed(call, *arguments, **more) -> float:
    """Return the seconds that a call takes."""
    begin = time.perf_counter()
    call(*arguments, **more)
    return time.perf_counter() - begin


def settle() -> None:
    """One thread a process, as in the build."""
    cv2.setNumThreads(1)


if __name__ == "__main__":
    tyro.cli(main)
