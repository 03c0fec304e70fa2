"""Atomic writing of files and folders: written under a temporary name, renamed at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TextIO

LOCK, REPLACED = ".writing", ".replaced"
"""Names in the temporary folder: the file that the writer locks, and the earlier version of the output."""


@contextmanager
def write_file(path: Path) -> Iterator[Path]:
    """Yield a path in a temporary folder beside `path`; when the block ends, the file there replaces `path`."""
    with _temporary_folder(path) as folder:
        yield folder / path.name
        (folder / path.name).replace(path)


@contextmanager
def write_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `path` when the block ends, and is removed after an exception."""
    remove_unfinished(path)
    with _temporary_folder(path) as parent:
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
    """Remove the temporary folders of killed processes beside `path`; those of running processes stay."""
    for unfinished in path.parent.glob(f".{escape(path.name)}-*/"):
        with suppress(OSError), open(unfinished / LOCK) as lock:  # no lock file, or locked by a running process
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (unfinished / REPLACED).exists() and not path.exists():  # killed between its two renames
                (unfinished / path.name).rename(path)
            shutil.rmtree(unfinished)


def check_writable(path: Path) -> None:
    """Raise the OSError that writing `path` would raise: no permission, no such folder, a name that is too long."""
    with _temporary_folder(path) as folder:
        (folder / path.name).touch()


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock for `path`. When another process holds it, wait, or raise BlockingIOError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.lock")
    while True:
        with open(name, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still(lock, name):
                continue  # its holder removed the file between our opening and locking
            try:
                yield
            finally:
                name.unlink()
            return


def _is_still(file: TextIO, path: Path) -> bool:
    """Return whether an open file is the one that has this path now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder on the same file system, so that a rename is atomic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with (
            tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as parent,
            open(Path(parent, LOCK), "w") as lock,
        ):
            with suppress(OSError):  # a file system without locks: `remove_unfinished` removes nothing
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_still(lock, Path(parent, LOCK)):
                continue  # another process removed the folder as unfinished between our opening and locking
            yield Path(parent)
            return
