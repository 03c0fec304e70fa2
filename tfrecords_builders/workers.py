"""Faces to records on all cores of one machine: every picture and clip decoded once, in bounded memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from multiprocessing import get_context, parent_process

import cv2

from tfrecords_builders.base import Face, Skip
from tfrecords_builders.record import Fields, source

CHUNK = 32
"""Faces that a worker takes at a time, unless a clip has more."""

Make = Callable[[Sequence[Face]], list[Fields | Skip]]


Outcome = tuple[Face, Fields | Skip]
Run = Callable[[Make, Sequence[Face]], Iterator[Outcome]]


@contextmanager
def crew(workers: int) -> Iterator[Run]:
    """Yield a function that gives every face with its record, or with the reason why it has none.

    With several workers the faces come in no certain order. Processes and not threads: half of the time of a small face
    is Python's, not OpenCV's.
    """
    if workers == 1:
        yield _run_here
        return
    # Spawned, because forking a process in which TensorFlow runs threads can hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _settle) as pool:
        try:
            # Two chunks a worker: nobody waits, and what is under way is what a build holds in memory.
            yield partial(_run_in_pool, pool, 2 * workers)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_here(make: Make, faces: Sequence[Face]) -> Iterator[Outcome]:
    for chunk in chunks(faces):
        yield from zip(chunk, make_chunk(make, chunk), strict=True)


def _run_in_pool(pool: ProcessPoolExecutor, at_once: int, make: Make, faces: Sequence[Face]) -> Iterator[Outcome]:
    waiting, under_way = chunks(faces), {}
    while True:
        while len(under_way) < at_once and (chunk := next(waiting, None)):
            under_way[pool.submit(make_chunk, make, chunk)] = chunk
        if not under_way:
            return
        for done in wait(under_way, return_when=FIRST_COMPLETED).done:
            yield from zip(under_way.pop(done), done.result(), strict=True)


def chunks(faces: Sequence[Face]) -> Iterator[list[Face]]:
    """Yield successive faces in lists of about CHUNK that part no picture and no clip."""
    chunk = []
    for _, together in groupby(faces, key=source):
        chunk += together
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def make_chunk(make: Make, chunk: Sequence[Face]) -> list[Fields | Skip]:
    """Make the records of a chunk, source by source."""
    return [outcome for _, together in groupby(chunk, key=source) for outcome in make(list(together))]


def _settle() -> None:
    """Prepare a worker: one thread, no words of OpenCV, and an end when the build ends, even if that was killed."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what cannot be decoded is counted
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent_process().join()  # otherwise a worker of a killed build waits for work for ever
    os._exit(1)
