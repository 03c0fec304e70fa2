"""Work on a stream ahead of whoever takes the results: in threads, in order, with few items in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterator[Item], workers: int, results_ahead: int
) -> Iterator[Result]:
    """Yield `work(item)` of every item, in order, computed by `workers` threads while the caller does other things.

    A further thread draws the items; at most `2 * workers + 1` of them wait or are worked on, and at most
    `results_ahead` results wait. An error
    of `items` or `work` is raised at its place. When the caller stops early, the threads end with the item under way.
    """
    results: queue.Queue[Future | None] = queue.Queue(results_ahead)
    waiting = threading.Semaphore(2 * workers + 1)
    stopped = threading.Event()
    pool = ThreadPoolExecutor(workers)
    reader = threading.Thread(target=_read, args=(items, work, pool, results, waiting, stopped), daemon=True)
    reader.start()
    try:
        while (result := results.get()) is not None:
            yield result.result()
    finally:
        stopped.set()
        while reader.is_alive():
            waiting.release()
            _empty(results)
            reader.join(0.01)
        pool.shutdown(cancel_futures=True)


def _read(items, work, pool, results, waiting, stopped) -> None:
    """Hand items to the pool; the generator is closed in the thread that ran it."""

    def release_after(item):
        try:
            return work(item)
        finally:
            waiting.release()

    try:
        for item in items:
            waiting.acquire()
            if stopped.is_set():
                break
            results.put(pool.submit(release_after, item))
    except BaseException as error:
        failed = Future()
        failed.set_exception(error)
        results.put(failed)
    finally:
        items.close()
        results.put(None)


def _empty(results: queue.Queue) -> None:
    while True:
        try:
            results.get_nowait()
        except queue.Empty:
            return
