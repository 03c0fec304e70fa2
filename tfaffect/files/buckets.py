"""Files that are written to addresses in buckets, gs:// and s3://. `remote` reads them.

An object of a bucket appears complete or not at all, so no temporary name is needed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tfaffect.files.connection import RemoteError, at
from tfaffect.files.remote import address

WRITABLE = ("gs", "s3")
"""Protocols that have writing."""


def is_writable(path: Path) -> bool:
    """Return whether the protocol of an address has writing."""
    return urlsplit(address(path) or "").scheme in WRITABLE


def check_writable(path: Path) -> None:
    """Raise the RemoteError that writing to an address would raise, by an empty file beside it."""
    trial = path.with_name(f"{path.name}.writing")
    write(b"", trial)
    with suppress(RemoteError):  # who may write need not be allowed to remove
        remove(trial)


def write(content: bytes, target: Path, new: bool = False) -> None:
    """Write bytes to an address. Raises RemoteError; with `new`, also for a file that exists (its errno is EEXIST)."""
    at(f"{address(target)}", lambda system: system.pipe_file(address(target), content, mode=_mode(new)))


def upload(source: Path, target: Path, new: bool = False) -> None:
    """Write a file of this machine to an address. Raises RemoteError; with `new`, as `write` does."""
    at(f"{address(target)}", lambda system: system.put_file(os.fspath(source), address(target), mode=_mode(new)))


def remove(path: Path) -> None:
    """Remove a file at an address. Raises RemoteError."""
    at(f"{address(path)}", lambda system: system.rm_file(address(path)))


def names(folder: Path) -> set[str]:
    """Return the names of the files and folders at the address of a folder now; none for a folder that lacks.

    Raises RemoteError.
    """

    def listed(system: Any) -> list[str]:
        system.invalidate_cache(address(folder))  # other machines write there meanwhile
        with suppress(FileNotFoundError):
            return system.ls(address(folder), detail=False)
        return []

    found = at(f"{address(folder)}", listed)
    return {name.rstrip("/").rpartition("/")[2] for name in found} - {"", folder.name}


def _mode(new: bool) -> str:
    return "create" if new else "overwrite"
