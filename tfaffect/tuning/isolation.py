"""A call in a process of its own: what it leaks, and what kills it, stays there."""

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
    """The process ended without a word: killed, as by the kernel when memory runs out, or crashed."""


def call(
    function: Callable[..., Any],
    arguments: tuple,
    log: Path,
    stop_requested: Callable[[], bool] = lambda: False,
    tick: Callable[[], None] = lambda: None,
) -> Any:
    """Return what `function` returns for the arguments in a new process, whose output is added to the file `log`.

    When `stop_requested()` is true, the process gets SIGINT, and KeyboardInterrupt is raised when it ended by that.
    `tick` is called once a second. Raises FailedError and DiedError. A new interpreter, not a fork:
    TensorFlow's threads do not survive one. The process never outlives this one.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, log, function, arguments))
    log.parent.mkdir(parents=True, exist_ok=True)
    process.start()
    sender.close()
    try:
        while not wait([receiver, process.sentinel], timeout=TICK_SECONDS):
            if stop_requested():  # again and again: before training catches signals, they are ignored
                os.kill(process.pid, signal.SIGINT)
            tick()
        kind, value = receiver.recv()
    except EOFError:
        process.join()
        if stop_requested():
            raise KeyboardInterrupt from None
        raise DiedError(_fate(process.exitcode)) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    return _unpack(kind, value)


def call_here(function: Callable[..., Any], arguments: tuple, *_: Any) -> Any:
    """Do the same in this process."""
    try:
        return function(*arguments)
    except Exception as error:
        raise FailedError(describe(error)) from error


def describe(error: BaseException) -> str:
    """Return one line that says what an exception is."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()] or [""]
    line = lines[0] if len(lines[0]) <= 300 else f"{lines[0][:297]}..."
    return line if isinstance(error, UsageError) else f"{type(error).__name__}: {line}".removesuffix(": ")


def _unpack(kind: str, value: Any) -> Any:
    if kind == "interrupted":
        raise KeyboardInterrupt
    if kind == "raised":
        raise FailedError(value)
    return value


def _fate(status: int) -> str:
    """How a process ended, from its exit status."""
    if status >= 0:
        return f"the process ended with status {status}"
    name = signal.Signals(-status).name
    return f"the process was killed by {name}" + (", perhaps for memory" if name == "SIGKILL" else "")


def _serve(sender: Connection, log: Path, function: Callable[..., Any], arguments: tuple) -> None:
    """Run in the new process.

    Signals are ignored until training catches them, and again after the first: a terminal and Slurm send theirs to all
    processes, so a wish to stop can come twice, and only the parent tells a second wish from that.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("a") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
            stream.reconfigure(line_buffering=True)  # what was said before a kill is what explains it
    try:
        sender.send(("value", function(*arguments)))
    except KeyboardInterrupt:
        sender.send(("interrupted", None))
    except BaseException as error:
        traceback.print_exc()
        sender.send(("raised", describe(error)))


def _end_with_parent() -> None:
    """End at once when the parent has: another one may go on with the same trial."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)
