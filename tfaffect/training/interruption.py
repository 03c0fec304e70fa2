"""Graceful stop on Ctrl-C: training ends after the current step and is saved."""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and the signal that Slurm and Kubernetes send some seconds before they kill a process."""


@contextmanager
def stop_signals(enabled: bool = True) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a signal asked to stop; a second signal stops at once.

    Without this, Python raises KeyboardInterrupt between any two instructions, also during an update of the weights.
    Signals keep that effect if `enabled` is False, and outside the main thread, where they cannot be caught.
    """
    received: list[int] = []

    def request_stop(number: int, frame: object) -> None:
        for name in SIGNALS:
            signal.signal(name, before[name])
        received.append(number)
        os.write(2, b"\nStopping after this step, and saving. A second signal stops at once.\n")  # 2: standard error

    if not enabled or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {name: signal.signal(name, request_stop) for name in SIGNALS}
    try:
        yield lambda: bool(received)
    finally:
        for name in SIGNALS:
            signal.signal(name, before[name])


@contextmanager
def release_on_error() -> Iterator[None]:
    """Free all objects of a block that ends in an error, before the error is raised further.

    Otherwise the traceback keeps the datasets alive until Python shuts down. Then their threads wait for the
    interpreter to decode a face, and TensorFlow waits for the threads: in rare cases the process hung.
    """
    try:
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        raise
