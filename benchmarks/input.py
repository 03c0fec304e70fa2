"""Speed of the input: records to augmented batches, compared with only decoding and letterboxing the same faces.

    python benchmarks/input.py

Alternates three measurements, each on all cores: threads decode and letterbox faces in memory; our training batches are
read from records, with the recipe's augmentation at its default probability; and, if PyTorch is installed, a DataLoader
with a worker for each core decodes, letterboxes and augments the faces with the same functions. Batches are counted
from the second of the first epoch to the end of the second epoch, so that the start of a run is left out.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sized
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
from tfaffect.records.batches import training_batches
from tfaffect.records.prepared import Prepared, open_corpus
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare

CHANGES = change_probabilities(Config.augmentation_probability)
BATCH = 64


def main(photos: int = 6_000, sizes: tuple[int, ...] = (240, 48), rounds: int = 5) -> None:
    """Measure the input.

    Args:
        photos: Number of pictures; four fifths of them are the faces of an epoch.
        sizes: Input sizes of the network in pixels.
        rounds: Number of measurements of each kind.
    """
    cv2.setNumThreads(1)  # pictures are processed in parallel, not parts of one
    with tempfile.TemporaryDirectory() as place:
        raw, records = Path(place, "raw"), Path(place, "records")
        write_photos(raw, photos, 512)
        prepare(Folder(), raw, records)
        corpus = open_corpus(records, "folder")
        encoded = [record["image"] for record in corpus.records("train").as_numpy_iterator()]
        print(f"{len(encoded):,} faces of {statistics.mean(map(len, encoded)) / 1000:.0f} kB, {os.cpu_count()} cores")
        for size in sizes:
            measure(size, encoded, corpus, rounds)


def measure(size: int, encoded: list[bytes], corpus: Prepared, rounds: int) -> None:
    """Print faces a second of each measurement, and the ratios."""
    config = Config(corpora=("folder",), image_size=size, batch_size=BATCH, epochs=2)
    measurements = {
        "decode and letterbox": lambda: decoding_speed(encoded, size),
        "ours": lambda: batch_speed(pictures for pictures, _, _ in training_batches([corpus], config)),
    }
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
