"""A parallel map over a stream that keeps the order and few items in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Stream = Generator[Item, None, None]


def ordered_map(
    work: Callable[[Item], Result], items: Stream[Item], workers: int, results_ahead: int
) -> Stream[Result]:
    """Yield `work(item)` of every item in order, computed by `workers` threads in the background.

    One more thread reads the items. At most `2 * workers + 1` items wait or are processed, and at most `results_ahead`
    results wait. An error of `items` or `work` is raised at its place in the order. When the caller stops early, the
    threads end after their current item.
    """
    results: queue.Queue[Future[Result] | None] = queue.Queue(results_ahead)
    free = threading.Semaphore(2 * workers + 1)
    stopped = threading.Event()
    pool = ThreadPoolExecutor(workers)

    def work_and_release(item: Item) -> Result:
        try:
            return work(item)
        finally:
            free.release()

    def read() -> None:
        try:
            for item in items:
                free.acquire()
                if stopped.is_set():
                    break
                results.put(pool.submit(work_and_release, item))
        except BaseException as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            results.put(failed)
        finally:
            items.close()  # a generator must be closed in the thread that runs it
            results.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while (result := results.get()) is not None:
            yield result.result()
    finally:
        stopped.set()
        while reader.is_alive():
            free.release()
            with suppress(queue.Empty):
                while True:
                    results.get_nowait()
            reader.join(0.01)
        pool.shutdown(cancel_futures=True)
