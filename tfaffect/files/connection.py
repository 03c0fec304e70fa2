"""Requests to the servers of addresses through fsspec: repeated over HTTP, and with one class for all errors."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

ATTEMPTS, PAUSE_SECONDS = 3, 1.0
"""Attempts to read over HTTP, and the pause before the second, which then doubles. s3fs and gcsfs have their own."""

Result = TypeVar("Result")


class RemoteError(OSError):
    """A file at an address that cannot be reached: the network, the server, permissions, or no such file."""


def buffered(url: str, file: Any) -> io.BufferedReader:
    """Return an open file of fsspec with a buffer. All its errors are RemoteError."""
    return io.BufferedReader(_RemoteFile(url, file))


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


def at(url: str, action: Callable[[Any], Result]) -> Result:
    """Return what an action with the file system of an address returns."""
    import fsspec

    return _attempted(url, lambda: action(fsspec.filesystem(urlsplit(url).scheme)))


def _attempted(url: str, action: Callable[[], Result]) -> Result:
    attempts = ATTEMPTS if url.startswith("http") else 1
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except Exception as error:  # the libraries have no class of their own for all
            hides = url.startswith("http") and isinstance(error, FileNotFoundError)  # fsspec's for any failure
            failure = error.__cause__ if hides and isinstance(error.__cause__, Exception) else error
            if isinstance(failure, FileNotFoundError):
                raise RemoteError(errno.ENOENT, os.strerror(errno.ENOENT), url) from error
            if isinstance(failure, FileExistsError):
                raise RemoteError(errno.EEXIST, os.strerror(errno.EEXIST), url) from error
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
