"""Make records on all cores of a machine. Every picture and clip is decoded once, in bounded memory."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from multiprocessing import get_context, parent_process

import cv2

from tfrecords_builders.base import Face, Skip
from tfrecords_builders.record import Fields, source

CHUNK = 32
"""Faces in one task of a worker, or more where a clip has more."""

Make = Callable[[Sequence[Face]], list[Fields | Skip]]
Outcome = tuple[Face, Fields | Skip]
Run = Callable[[Make, Sequence[Face]], Iterator[Outcome]]


@contextmanager
def worker_pool(workers: int) -> Iterator[Run]:
    """Yield a function that yields every face with its record, or with the reason why it has none.

    With several workers the faces come in any order. Workers are processes and not threads, because half of the time
    for a small face is spent in Python and not in OpenCV.
    """
    if workers == 1:
        yield _run_here
        return
    # Spawned: forking a process in which TensorFlow runs threads can hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker) as pool:
        try:
            # Two chunks a worker: no worker waits, and the build holds no more than these in memory.
            yield partial(_run_in_pool, pool, 2 * workers)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_here(make: Make, faces: Sequence[Face]) -> Iterator[Outcome]:
    for chunk in chunks(faces):
        yield from zip(chunk, make_chunk(make, chunk), strict=True)


def _run_in_pool(pool: ProcessPoolExecutor, at_once: int, make: Make, faces: Sequence[Face]) -> Iterator[Outcome]:
    queue, running = chunks(faces), dict[Future[list[Fields | Skip]], list[Face]]()
    while True:
        while len(running) < at_once and (chunk := next(queue, None)):
            running[pool.submit(make_chunk, make, chunk)] = chunk
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            yield from zip(running.pop(done), done.result(), strict=True)


def chunks(faces: Sequence[Face]) -> Iterator[list[Face]]:
    """Yield successive faces in lists of about CHUNK. All faces of a picture or clip are in one list."""
    chunk: list[Face] = []
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


def _start_worker() -> None:
    """Set up a worker: one thread, no output of OpenCV, and exit when the build ends or is killed."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # undecodable pictures are counted instead
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    if parent := parent_process():
        parent.join()  # without this, the workers of a killed build wait for tasks for ever
    os._exit(1)
