"""How every command starts and ends: flags from a function's signature, user errors without a traceback.

Commands import TensorFlow, Keras, pandas and OpenCV inside functions, so that --help answers within half a second.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn

import tyro

from tfaffect.errors import UsageError, missing_extra

USER_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Errors of the operating system that the user can fix; they are not bugs in this project."""

MAX_LENGTH = 200
"""Characters of a TensorFlow message that are shown; the message may quote a complete record."""


def option(metavar: str, default: str = "") -> Any:
    """Set what --help shows of an option: the name of its value, and its default in words."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


Run = Annotated[tyro.conf.Positional[Path], option("RUN")]
Model = Annotated[tyro.conf.Positional[Path], option("MODEL")]
Out = Annotated[tyro.conf.Positional[Path], option("OUT")]
Records = Annotated[Path | None, option("DIR", "the one in the run's config")]
Corpora = Annotated[tuple[str, ...], option("NAME...", "the training corpora")]
Split = Annotated[str, tyro.conf.arg(metavar="train|validation|test")]
Tag = Annotated[str, option("TAG", "all records")]
FaceDetector = Annotated[Path | None, option("FILE", "$TFAFFECT_FACE_DETECTOR, or one download")]
"""Arguments that several commands have."""


def run(command: Callable[..., None], words: Sequence[str] | None = None, name: str | None = None) -> None:
    """Parse the command line into the arguments of `command` and call it. Exit with status 2 after a user error.

    A subcommand gives `words` and `name` instead of the command line and the program's name.
    """
    name = name or _program_name()
    # TensorFlow's notes would hide our own lines. 2.21 prints those of its import all the same (its issue 100442).
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        tyro.cli(command, args=words, prog=name, config=(tyro.conf.AvoidSubcommands,))
    except UsageError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        if missing := missing_extra(error.name):
            fail(f"`{name}` needs {missing}")
        raise
    except BrokenPipeError:  # the reader of our output, for example head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        fail("Interrupted. Incomplete files were removed.", status=130)
    except Exception as error:
        if reason := _system_error(error):
            fail(f"{reason}. No incomplete file has its final name. Free space or name another folder, and try again.")
        if reason := _record_error(error):
            fail(f"The records are damaged: {reason}. Build them again with --overwrite.")
        raise


def _system_error(error: Exception) -> str | None:
    """Return the system's message for one of `USER_ERRORS`, also from inside an error of TensorFlow or TFDS."""
    if isinstance(error, OSError):
        return str(error) if error.errno in USER_ERRORS else None
    lines = [line for line in str(error).splitlines() if any(os.strerror(number) in line for number in USER_ERRORS)]
    return _without_node_names(lines[-1]) if lines else None


def _record_error(error: Exception) -> str | None:
    """Return TensorFlow's message about records that were changed or cut after writing; each record has a checksum."""
    signs = {
        "DataLossError": ("",),
        "FailedPreconditionError": ("expected to contain",),
        "InvalidArgumentError": (
            *("Could not parse example", "Can't parse serialized Example"),
            *("is required but could not be found", "values != expected", "Data types don't match"),
            "The picture of record",
        ),
    }.get(type(error).__name__, ())
    lines = [line for line in str(error).splitlines() if any(sign in line for sign in signs)]
    return _without_node_names(lines[0])[:MAX_LENGTH] if lines else None


def _without_node_names(line: str) -> str:
    return re.sub(r"\{\{.*?\}\} | \[Op:.*$", "", line).rstrip(".")


def _program_name() -> str:
    """Return the command as the user typed it."""
    module = sys.modules["__main__"].__spec__
    return f"python -m {module.name.removesuffix('.__main__')}" if module else f"python {os.path.basename(sys.argv[0])}"


def typed(command: str) -> str:
    """Return `tfaffect COMMAND`, or `python -m tfaffect COMMAND` in a checkout that is not installed."""
    return f"{'tfaffect' if os.path.basename(sys.argv[0]) == 'tfaffect' else 'python -m tfaffect'} {command}"


def typed_again(command: str, word: str = "", without: Sequence[str] = ()) -> str:
    """Return a command with all words that the user typed after it, for a shell: `tfaffect embed 'my photos' --resume`.

    word: one more, at the end. without: flags to leave out.
    """
    of_console = os.path.basename(sys.argv[0]) in ("tfaffect", "__main__.py")  # else one of a module: tfaffect/embed.py
    words = [given for given in sys.argv[1 + of_console * len(command.split()) :] if given not in without]
    return f"{typed(command)} {shlex.join([*words, *filter(None, [word])])}"


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt. Slurm and Kubernetes send it before they kill, and it ends Python silently.

    Processes that are forked inside inherit this: do not use it around workers that are ended with SIGTERM.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint with the known word that is most similar, or an empty text."""
    return "".join(f" Did you mean {near}?" for near in get_close_matches(word, list(known), n=1))


def fail(message: str, status: int = 2) -> NoReturn:
    """Print an error and exit."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
