"""A function call in its own process: memory leaks and crashes stay there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError
from tfaffect.training.interruption import SIGNALS

TICK_SECONDS = 1.0


class FailedError(Exception):
    """The call raised an exception; the message is one line that names it."""


class DiedError(Exception):
    """The process crashed or was killed, for example by the kernel when memory ran out."""


def call(
    function: Callable[..., Any],
    arguments: tuple,
    log: Path,
    stop_requested: Callable[[], bool] = lambda: False,
    tick: Callable[[], None] = lambda: None,
) -> Any:
    """Return what `function` returns in a new process; its output is appended to the file `log`.

    When `stop_requested()` is true, the process gets SIGINT, and KeyboardInterrupt is raised when it has ended.
    `tick` is called once a second. Raises FailedError and DiedError. The process is a new interpreter, because
    TensorFlow's threads do not survive a fork. It never outlives this process.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_child, args=(sender, log, function, arguments))
    log.parent.mkdir(parents=True, exist_ok=True)
    process.start()
    sender.close()
    try:
        while not wait([receiver, process.sentinel], timeout=TICK_SECONDS):
            if stop_requested() and process.pid:  # repeated: until training handles signals, the child ignores them
                os.kill(process.pid, signal.SIGINT)
            tick()
        result = receiver.recv()
    except EOFError:
        process.join()
        if stop_requested():
            raise KeyboardInterrupt from None
        raise DiedError(_describe_exit(process.exitcode or 0)) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(result, BaseException):
        raise result
    return result


def call_here(function: Callable[..., Any], arguments: tuple, *_: Any) -> Any:
    """Call the function in this process."""
    try:
        return function(*arguments)
    except Exception as error:
        raise FailedError(describe(error)) from error


def describe(error: BaseException) -> str:
    """Return an exception as one line of at most about 300 characters."""
    line = next((" ".join(line.split()) for line in str(error).splitlines() if line.strip()), "")
    line = line if len(line) <= 300 else f"{line[:297]}..."
    return line if isinstance(error, UsageError) else f"{type(error).__name__}: {line}".removesuffix(": ")


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"the process ended with status {status}"
    name = signal.Signals(-status).name
    return f"the process was killed by {name}" + (", perhaps for memory" if name == "SIGKILL" else "")


def _run_child(sender: Connection, log: Path, function: Callable[..., Any], arguments: tuple) -> None:
    """Run the call in the new process.

    Signals are ignored until training handles them, and again after the first one. A terminal and Slurm send a signal
    to all processes, so it can arrive twice; only the parent knows whether the user asked a second time.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("a") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # so that a kill loses no line of the log
    try:
        sender.send(function(*arguments))
    except KeyboardInterrupt as error:
        sender.send(error)
    except BaseException as error:
        traceback.print_exc()
        sender.send(FailedError(describe(error)))


def _end_with_parent() -> None:
    """Exit at once when the parent has ended, because a new search may resume the same trial."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)
