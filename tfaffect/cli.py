"""How every command starts and fails: flags from a signature, errors of use without a traceback."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence

import tyro

from tfaffect.errors import UsageError

OF_THE_USER = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Errors of the system that are not faults of this project."""

LONGEST = 200
"""Letters of what TensorFlow says that are shown: it may quote a whole record."""


def run(command: Callable[..., None], words: Sequence[str] | None = None, name: str | None = None) -> None:
    """Parse the command line into the arguments of `command`, call it, and exit with 0, or 2 after an error of use.

    `words` take the place of the command line and `name` that of the command's own, for a command below another.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes would bury our own lines
    try:
        tyro.cli(command, args=words, prog=name or _name(), config=(tyro.conf.AvoidSubcommands,))
    except UsageError as error:
        fail(str(error))
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        fail("Interrupted; what was not whole was removed.", status=130)
    except Exception as error:
        if reason := _of_the_system(error):
            fail(f"{reason}. Nothing half-written has its final name; make room or name another folder, and try again.")
        if reason := _of_damaged_records(error):
            fail(f"The records are not whole: {reason}. Build them again with --overwrite.")
        raise


def _of_the_system(error: Exception) -> str | None:
    """Return what the system said when it is no fault of this project; TensorFlow and TFDS wrap it into their own."""
    if isinstance(error, OSError):
        return str(error) if error.errno in OF_THE_USER else None
    lines = [line for line in str(error).splitlines() if any(os.strerror(number) in line for number in OF_THE_USER)]
    return _plain(lines[-1]) if lines else None


def _of_damaged_records(error: Exception) -> str | None:
    """Return what TensorFlow said of records that were changed or cut since they were written; each has a checksum."""
    signs = {
        "DataLossError": ("",),
        "FailedPreconditionError": ("expected to contain",),
        "InvalidArgumentError": (
            *("Could not parse example", "Can't parse serialized Example"),
            *("is required but could not be found", "values != expected", "Data types don't match"),
        ),
    }.get(type(error).__name__, ())
    lines = [line for line in str(error).splitlines() if any(sign in line for sign in signs)]
    return _plain(lines[0])[:LONGEST] if lines else None


def _plain(line: str) -> str:
    """A line of TensorFlow's without the names of its nodes."""
    return re.sub(r"\{\{.*?\}\} | \[Op:.*$", "", line).rstrip(".")


def _name() -> str:
    """The command as people type it."""
    module = sys.modules["__main__"].__spec__
    return f"python -m {module.name.removesuffix('.__main__')}" if module else f"python {os.path.basename(sys.argv[0])}"


def typed(command: str) -> str:
    """Return how a command is typed where this one was: `tfaffect NAME`, or `python -m tfaffect NAME` in a checkout."""
    return f"{'tfaffect' if os.path.basename(sys.argv[0]) == 'tfaffect' else 'python -m tfaffect'} {command}"


def fail(message: str, status: int = 2) -> None:
    """Print an error and leave."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
