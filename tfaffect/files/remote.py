"""Files at the addresses gs://, s3://, https:// and http://, which fsspec reads and writes.

Everywhere a `Path` stands for an address. pathlib writes one slash in it, `s3:/bucket/face.jpg`: `address` gives the
two back. Credentials come from where the library of each protocol looks for them; nothing of them is stored here.
"""

from __future__ import annotations

import errno
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar
from urllib.parse import urlsplit

from tfaffect.errors import UsageError, missing_extra

PACKAGES = {"gs": "gcsfs", "s3": "s3fs", "https": "aiohttp", "http": "aiohttp"}
"""Protocols, and the package that fsspec needs for each."""

WRITABLE = ("gs", "s3")

BLOCK_BYTES, BLOCKS = 4 * 2**20, 8
"""A file is read in blocks, of which the last used ones are kept: 32 MB for each open file."""

ATTEMPTS, PAUSE_SECONDS = 3, 1.0
"""Attempts to read over HTTP, and the pause before the second, which then doubles. s3fs and gcsfs have their own."""

_ADDRESS = re.compile(rf"\b({'|'.join(PACKAGES)}):/+(?=[^/])")

Read = TypeVar("Read")


class RemoteError(OSError):
    """A file at an address that cannot be reached: the network, the server, permissions, or no such file."""


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
    """Return whether a file or folder exists. Raises RemoteError for an address that does not answer or allow it."""
    if (url := address(path)) is None:
        return path.exists()
    try:
        _at(url, lambda system: system.info(url))  # its `exists` says no after any error
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
    return os.path.isdir(path) if (url := address(path)) is None else _at(url, lambda system: system.isdir(url))


def find(folder: Path) -> list[Path]:
    """Return all files at the address of a folder, also in its subfolders. Raises RemoteError and UsageError."""
    url = f"{address(folder)}/"
    names = _at(url, lambda system: [system.unstrip_protocol(name) for name in system.find(url)])
    return [to_path(name) for name in names if not name.endswith("/")]


def open_file(path: Path, block_bytes: int | None = None) -> BinaryIO:
    """Open a file to read bytes of it. At an address only the blocks are fetched that are read. Raises OSError.

    block_bytes: size of a block, BLOCK_BYTES if None.
    """
    if (url := address(path)) is None:
        return open(path, "rb")
    size = block_bytes or BLOCK_BYTES
    options = {"block_size": size, "cache_type": "blockcache", "cache_options": {"maxblocks": BLOCKS}}
    file = _at(url, lambda system: system.open(url, "rb", **options))
    return io.BufferedReader(_RemoteFile(url, file))


def open_text(path: Path, encoding: str, newline: str | None = None) -> TextIO:
    """Open a file to read text of it. Raises OSError."""
    return io.TextIOWrapper(open_file(path), encoding=encoding, newline=newline)


def read_start(path: Path, count: int) -> bytes:
    """Return the first bytes of a file. Raises OSError."""
    with open_file(path, block_bytes=max(count, io.DEFAULT_BUFFER_SIZE)) as file:
        return file.read(count)


def read_bytes(path: Path) -> bytes:
    """Return all bytes of a file, with one request at an address. Raises OSError."""
    return path.read_bytes() if (url := address(path)) is None else _at(url, lambda system: system.cat_file(url))


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


def is_writable(path: Path) -> bool:
    """Return whether the protocol of an address has writing."""
    return urlsplit(address(path) or "").scheme in WRITABLE


def check_writable(path: Path) -> None:
    """Raise the RemoteError that writing to an address would raise, by an empty file beside it."""
    trial = path.with_name(f"{path.name}.writing")
    url = address(trial)
    _at(f"{url}", lambda system: system.pipe_file(url, b""))
    with suppress(RemoteError):  # who may write need not be allowed to remove
        remove(trial)


def upload(source: Path, target: Path) -> None:
    """Write a file of this machine to an address. It appears there complete or not at all. Raises RemoteError."""
    _at(f"{address(target)}", lambda system: system.put_file(os.fspath(source), address(target)))


def remove(path: Path) -> None:
    """Remove a file at an address. Raises RemoteError."""
    _at(f"{address(path)}", lambda system: system.rm_file(address(path)))


class _RemoteFile(io.RawIOBase):
    """An open file of fsspec whose errors are all RemoteError."""

    def __init__(self, url: str, file: Any) -> None:
        self.name, self._file = url.partition("?")[0], file  # FFmpeg looks at the suffix of the name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.size is not None

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return _attempted(self.name, lambda: self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        data = _attempted(self.name, lambda: self._file.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _at(url: str, action: Callable[[Any], Read]) -> Read:
    """Return what an action with the file system of an address returns."""
    import fsspec

    return _attempted(url, lambda: action(fsspec.filesystem(urlsplit(url).scheme)))


def _attempted(url: str, action: Callable[[], Read]) -> Read:
    attempts = ATTEMPTS if url.startswith("http") else 1
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except Exception as error:  # the libraries have no class of their own for all
            hides = url.startswith("http") and isinstance(error, FileNotFoundError)  # fsspec's for any failure
            failure = error.__cause__ if hides and isinstance(error.__cause__, Exception) else error
            if isinstance(failure, FileNotFoundError):
                raise RemoteError(errno.ENOENT, os.strerror(errno.ENOENT), url) from error
            if attempt == attempts or not _may_pass(failure):
                raise RemoteError(errno.EIO, _reason(failure), url) from error
        time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError


def _may_pass(error: Exception) -> bool:
    """Return whether another attempt may succeed: the connection broke, or the server itself had an error."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return error.status >= 500
    return isinstance(error, (aiohttp.ClientError, ConnectionError, TimeoutError))


def _reason(error: Exception) -> str:
    if "range requests" in str(error):
        return "The server does not send parts of files. Download the file, and name the copy"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
