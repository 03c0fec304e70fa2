"""Files and folders that appear whole or not at all: written under a temporary name, renamed at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

LOCK, REPLACED = ".writing", ".replaced"
"""Names in the temporary folder: held while somebody writes there, and what was there before."""


@contextmanager
def write_file(path: Path) -> Iterator[Path]:
    """Yield a name in a temporary folder beside `path`; what the block writes there then takes the place of `path`."""
    with _beside(path) as folder:
        yield folder / path.name
        (folder / path.name).replace(path)


@contextmanager
def write_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `path` when the block ends well, and vanishes when it does not."""
    remove_unfinished(path)
    with _beside(path) as parent:
        new, old = parent / path.name, parent / REPLACED
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise


def remove_unfinished(path: Path) -> None:
    """Remove what processes left beside `path` that were killed while they wrote there; others may go on writing."""
    for unfinished in path.parent.glob(f".{escape(path.name)}-*/"):
        with suppress(OSError), open(unfinished / LOCK) as lock:  # not there yet or no longer, or held
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (unfinished / REPLACED).exists() and not path.exists():  # killed between the two renames
                (unfinished / path.name).rename(path)
            shutil.rmtree(unfinished)


def check_writable(path: Path) -> None:
    """Raise the OSError that writing `path` would end in: no right, no such folder, a name that is too long."""
    with _beside(path) as folder:
        (folder / path.name).touch()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes that ask for the same from writing `path`. Raises BlockingIOError when one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.lock")
    while True:
        with open(name, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not (name.exists() and os.path.samestat(os.fstat(lock.fileno()), name.stat())):
                continue  # removed by the one who had it, between opening and locking
            try:
                yield
            finally:
                name.unlink()
            return


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary folder on the same file system, so that a rename is one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as parent,
        open(Path(parent, LOCK), "w") as lock,
    ):
        with suppress(OSError):  # a file system without locks: then nothing is ever swept
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(parent)
