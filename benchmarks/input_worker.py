"""Reads faces in a process of its own, for benchmarks/input.py, by the version of the project in PYTHONPATH.

    python benchmarks/input_worker.py RECORDS CORES

A line of the standard input is a job in JSON: the name of a function below, and its arguments. The answer is a line of
JSON: faces a second, and the peak memory of the process in MB.
"""

import json
import os
import re
import sys
import time
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

BATCH = 64


def main(records: Path, cores: int) -> None:
    """Answer jobs until the input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import cv2

    cv2.setNumThreads(1)  # pictures are processed in parallel, not parts of one
    functions = {"batches": batches, "alone": alone}
    for line in sys.stdin:
        name, arguments = json.loads(line)
        speed = functions[name](records, **arguments)
        print(json.dumps([speed, peak_memory()]), flush=True)


def peak_memory() -> float:
    """Return the peak memory of this process in MB; Linux only. `getrusage` would count that of its parent as well."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024


def batches(records: Path, workers: int | None = None, steps: int = -1, **options: Any) -> float:
    """Read training batches, `workers` of them in parallel; return faces a second from the second batch on."""
    source = module("batches" if find_spec("tfaffect.records") else "data")
    source.CORES = workers or source.CORES
    config = module("config").Config(corpora=("folder",), batch_size=BATCH, **options)
    read = (len(pictures) for pictures, *_ in source.training_batches([corpus(records)], config).take(steps))
    next(read)
    start = time.perf_counter()
    return sum(read) / (time.perf_counter() - start)


def alone(records: Path, steps: int, **options: Any) -> float:
    """Decode and change batches of faces that are in memory, without TensorFlow and threads; return faces a second."""
    config = module("config").Config(corpora=("folder",), batch_size=BATCH, **options)
    encoded, names = in_memory(records), [b""] * BATCH
    start = time.perf_counter()
    for step in range(steps):
        first = step * BATCH
        part = [encoded[index % len(encoded)] for index in range(first, first + BATCH)]
        module("pictures").augmented(part, names, 0, np.arange(first, first + BATCH), config)
    return steps * BATCH / (time.perf_counter() - start)


def module(name: str) -> ModuleType:
    """Return a module of this version: earlier ones have no folder `records`."""
    folder = "tfaffect.records." if name != "config" and find_spec("tfaffect.records") else "tfaffect."
    return import_module(folder + name)


@cache
def corpus(records: Path) -> Any:
    """Return the prepared corpus in `records`."""
    return module("prepared").open_corpus(records, "folder")


@cache
def in_memory(records: Path) -> list[bytes]:
    """Return the encoded training faces."""
    return [record["image"] for record in corpus(records).records("train").as_numpy_iterator()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
