"""Input speed: records to augmented batches, against nothing but decoding and letterboxing the same faces.

    python benchmarks/input.py

Takes turns between three, each on all cores: decode and letterbox of faces that lie in memory, in threads; our training
batches with the recipe's changes at their default probability, from the records; and, where PyTorch is installed,
a DataLoader with a worker for each core that decodes, letterboxes and changes the faces by the same functions. Batches
are counted from the second on, through the end of one epoch and all of the next: what starts once a run is left out.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.build import write_photos
from tfaffect.config import Config
from tfaffect.media import faces
from tfaffect.records.augmentation import augment, change_probabilities, choose
from tfaffect.records.batches import training_batches
from tfaffect.records.prepared import open_corpus
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare

CHANGES = change_probabilities(Config.augmentation_probability)
BATCH = 64


def main(photos: int = 6_000, sizes: tuple[int, ...] = (240, 48), rounds: int = 5) -> None:
    """Measure the input.

    Args:
        photos: Pictures, of which four fifths are the faces of an epoch.
        sizes: Sides of the pictures that the network takes.
        rounds: Turns that each of the three takes.
    """
    cv2.setNumThreads(1)  # in all three: pictures in parallel, not parts of one
    with tempfile.TemporaryDirectory() as place:
        raw, records = Path(place, "raw"), Path(place, "records")
        write_photos(raw, photos, 512)
        prepare(Folder(), raw, records)
        corpus = open_corpus(records, "folder")
        encoded = [record["image"] for record in corpus.records("train").as_numpy_iterator()]
        print(f"{len(encoded):,} faces of {statistics.mean(map(len, encoded)) / 1000:.0f} kB, {os.cpu_count()} cores")
        for size in sizes:
            measure(size, encoded, corpus, rounds)


def measure(size: int, encoded: list[bytes], corpus, rounds: int) -> None:
    """Print faces a second of each, and the ratios."""
    config = Config(corpora=("folder",), image_size=size, batch_size=BATCH, epochs=2)
    ways = {
        "decode and letterbox": lambda: bare(encoded, size),
        "ours": lambda: drawing(pictures for pictures, _, _ in training_batches([corpus], config)),
    }
    if find_spec("torch"):
        loader = data_loader(encoded, size)
        ways["DataLoader"] = lambda: drawing(chain(loader, loader))
    speeds = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, speed in ways.items():
            if turn:  # the first warms up
                speeds[name].append(speed())
            else:
                speed()
    for name, values in speeds.items():
        print(f"{size:>4} px  {name:<22} {statistics.median(values):7,.0f} faces/s", flush=True)
    for other in [name for name in ways if name != "ours"]:
        ratios = [own / base for own, base in zip(speeds["ours"], speeds[other], strict=True)]
        low, high = min(ratios), max(ratios)
        print(f"{size:>4} px  ours over {other}: {statistics.median(ratios):.2f} (rounds {low:.2f} to {high:.2f})")


def drawing(batches: Iterable) -> float:
    """Return the faces a second of batches after their first."""
    batches = iter(batches)
    next(batches)
    begin = time.perf_counter()
    count = sum(len(pictures) for pictures in batches)
    return count / (time.perf_counter() - begin)


def bare(encoded: list[bytes], size: int) -> float:
    """Decode and letterbox every face, in a thread for each core; return faces a second."""
    cores = os.cpu_count() or 1

    def some(first: int) -> None:
        for content in encoded[first::cores]:
            faces.letterbox(faces.decode(content), size)

    begin = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(some, range(cores)))
    return len(encoded) / (time.perf_counter() - begin)


def data_loader(encoded: list[bytes], size: int):
    """Return PyTorch's batches of an epoch; its workers stay."""
    import torch
    from torch.utils.data import DataLoader

    class Faces(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(encoded)

        def __getitem__(self, place: int) -> torch.Tensor:
            picture = faces.letterbox(faces.decode(encoded[place]), size)
            rng = np.random.default_rng((0, place))
            (changes,) = choose(CHANGES, rng, 1)
            return torch.from_numpy(np.ascontiguousarray(augment(picture, changes, rng)))

    workers = os.cpu_count() or 1
    return DataLoader(Faces(), BATCH, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True)


if __name__ == "__main__":
    tyro.cli(main)
