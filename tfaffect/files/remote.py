"""Files at the addresses gs://, s3://, https:// and http://, which fsspec reads. `buckets` writes them.

Everywhere a `Path` stands for an address. pathlib writes one slash in it, `s3:/bucket/face.jpg`: `address` gives the
two back. Credentials come from where the library of each protocol looks for them; nothing of them is stored here.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from urllib.parse import urlsplit

from tfaffect.errors import UsageError, missing_extra
from tfaffect.files.connection import RemoteError, at, buffered

PACKAGES = {"gs": "gcsfs", "s3": "s3fs", "https": "aiohttp", "http": "aiohttp"}
"""Protocols, and the package that fsspec needs for each."""

BLOCK_BYTES, BLOCKS = 4 * 2**20, 8
"""A file is read in blocks, of which the last used ones are kept: 32 MB for each open file."""

_ADDRESS = re.compile(rf"\b({'|'.join(PACKAGES)}):/+(?=[^/])")


def address(path: str | os.PathLike) -> str | None:
    """Return the address that a path stands for, None for a path on this machine."""
    text = os.fspath(path)
    return with_addresses(text) if _ADDRESS.match(text) else None


def with_addresses(text: str) -> str:
    """Return a text in which addresses have two slashes again, of which pathlib removes one."""
    return _ADDRESS.sub(r"\1://", text)


def to_path(name: str) -> Path:
    """Return the path of a file on this machine or at an address.

    Raises UsageError for an address that a path cannot hold, for one with a password, and without its packages.
    """
    path = Path(name)
    if (url := address(path)) is None:
        return path
    parts = urlsplit(url)
    for package in ("fsspec", PACKAGES[parts.scheme]):
        if find_spec(package) is None:
            raise UsageError(f"{parts.scheme}:// needs {missing_extra(package)}")
    if "@" in parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        raise UsageError(
            f"{parts.scheme}://{host} was given with a user or a password, which the table would show. Leave them out: "
            "credentials belong into the environment, where fsspec looks for them."
        )
    if url != address(name.rstrip("/")):
        raise UsageError(
            f"Files whose address has an empty part or a dot cannot be read: rename them. Received: {name}."
        )
    return path


def join(folder: Path, name: str) -> Path:
    """Return the path of a file that a table in `folder` names: an address, or a path from the folder's address on."""
    if address(name) or not address(folder) or name.startswith("/"):
        return to_path(name)
    return Path(os.path.normpath(folder / name))


def suffix(path: Path) -> str:
    """Return the suffix in lower case, in a web address without its query, such as a signature."""
    is_web = (address(path) or "").startswith("http")
    return Path(str(path).partition("?")[0]).suffix.lower() if is_web else path.suffix.lower()


def exists(path: Path) -> bool:
    """Return whether a file or folder exists now. Raises RemoteError if an address does not answer or allow it."""
    if (url := address(path)) is None:
        return path.exists()
    try:
        at(url, lambda system: system.invalidate_cache(url))  # other machines write there meanwhile
        at(url, lambda system: system.info(url))  # its `exists` says no after any error
    except RemoteError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def is_file(path: Path) -> bool:
    """Return whether a path on this machine is a file. At an address only opening it tells, so True."""
    return address(path) is not None or os.path.isfile(path)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder. One of the web is, if its server lists files there."""
    return os.path.isdir(path) if (url := address(path)) is None else at(url, lambda system: system.isdir(url))


def find(folder: Path) -> list[Path]:
    """Return all files at the address of a folder, also in its subfolders. Raises RemoteError and UsageError."""
    url = f"{address(folder)}/"
    names = at(url, lambda system: [system.unstrip_protocol(name) for name in system.find(url)])
    return [to_path(name) for name in names if not name.endswith("/")]


def open_file(path: Path, block_bytes: int | None = None) -> BinaryIO:
    """Open a file to read bytes of it. At an address only the blocks are fetched that are read. Raises OSError.

    block_bytes: size of a block, BLOCK_BYTES if None.
    """
    if (url := address(path)) is None:
        return open(path, "rb")
    size = block_bytes or BLOCK_BYTES
    options = {"block_size": size, "cache_type": "blockcache", "cache_options": {"maxblocks": BLOCKS}}
    file = at(url, lambda system: system.open(url, "rb", **options))
    return buffered(url, file)


def open_text(path: Path, encoding: str, newline: str | None = None) -> TextIO:
    """Open a file to read text of it. Raises OSError."""
    return io.TextIOWrapper(open_file(path), encoding=encoding, newline=newline)


def read_start(path: Path, count: int) -> bytes:
    """Return the first bytes of a file. Raises OSError."""
    with open_file(path, block_bytes=max(count, io.DEFAULT_BUFFER_SIZE)) as file:
        return file.read(count)


def read_bytes(path: Path) -> bytes:
    """Return all bytes of a file, with one request at an address. Raises OSError."""
    return path.read_bytes() if (url := address(path)) is None else at(url, lambda system: system.cat_file(url))


def open_whole(path: Path) -> BinaryIO:
    """Open a file of which all bytes are needed; at an address it is fetched with one request. Raises OSError."""
    return open(path, "rb") if address(path) is None else io.BytesIO(read_bytes(path))


@contextmanager
def opened_for_ffmpeg(path: Path) -> Iterator[Any]:
    """Yield what `av.open` reads a file from: its name, or an open file at an address."""
    if address(path) is None:
        yield f"file:{path}"  # without "file:", "10:30.mp4" has the protocol "10"
        return
    with open_file(path) as file:
        yield file
