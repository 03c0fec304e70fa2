"""Ctrl-C as a wish: training ends after the step under way, and is saved there."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what Slurm and Kubernetes send some seconds before they kill."""


@contextmanager
def stop_signals(enabled: bool = True) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether the user, or the cluster, stop_requested to stop; a second time stops at once.

    Python raises KeyboardInterrupt between any two instructions, also amid an update of weights. Outside the main
    thread, where signals cannot be caught, and with `enabled` False, nothing is deferred.
    """
    stop_requested = []

    def note(number: int, frame) -> None:
        for name in SIGNALS:
            signal.signal(name, before[name])
        stop_requested.append(number)
        os.write(sys.__stderr__.fileno(), b"\nStopping after this step, and saving. Once more stops at once.\n")

    if not enabled or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {name: signal.signal(name, note) for name in SIGNALS}
    try:
        yield lambda: bool(stop_requested)
    finally:
        for name in SIGNALS:
            signal.signal(name, before[name])


@contextmanager
def release_on_error() -> Iterator[None]:
    """Free all that a block held which ends in an error, before the error goes on.

    The error's traceback would keep the datasets under way until Python shuts down. Their threads then ask for the
    interpreter to decode a face, which it grants no more, and TensorFlow waits for them: the process hung, rarely.
    """
    try:
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        raise
