"""Where the output folder of several jobs lies: on a disk that all jobs see, or in a bucket.

A file appears complete or not at all in both. Only a disk has locks that end with their process.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from tfaffect.errors import UsageError
from tfaffect.files import atomic, buckets, remote


class Store(Protocol):
    """Files of a folder that several jobs read and write."""

    def write(self, path: Path, new: bool = False) -> AbstractContextManager[Path]:
        """Yield a temporary path whose file becomes `path` when the block ends.

        With `new`, raises FileExistsError if another job has written `path` meanwhile.
        """

    def open(self, path: Path) -> BinaryIO:
        """Open a file to read it. Raises OSError."""

    def names(self, folder: Path) -> set[str]:
        """Return the names in a folder; none if it does not exist. Those that begin with a dot are left out."""

    def exists(self, path: Path) -> bool:
        """Return whether a file exists."""

    def remove(self, path: Path) -> None:
        """Remove a file, if it exists."""

    def lock(self, path: Path, wait: bool = False) -> AbstractContextManager[None]:
        """Hold a lock, where the store has locks. If another job holds it, wait, or raise BlockingIOError."""

    def claim(self, path: Path, take_over: bool) -> AbstractContextManager[None]:
        """Keep other jobs from the work that `path` names. Raises BlockingIOError, which says what to do.

        take_over: whether this job goes on where another one was stopped.
        """


class Disk:
    """A folder of this machine, or of a network, which a path names."""

    def write(self, path: Path, new: bool = False) -> AbstractContextManager[Path]:
        """Write a temporary file beside `path`. A job that writes something new holds a lock."""
        return atomic.write_file(path)

    def open(self, path: Path) -> BinaryIO:
        """Open a file."""
        return open(path, "rb")

    def names(self, folder: Path) -> set[str]:
        """Return the names in a folder."""
        return {path.name for path in folder.iterdir() if path.name[0] != "."} if folder.is_dir() else set()

    def exists(self, path: Path) -> bool:
        """Return whether a file exists."""
        return path.exists()

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink(missing_ok=True)

    @contextmanager
    def lock(self, path: Path, wait: bool = False) -> Iterator[None]:
        """Hold a lock of the file system."""
        with ExitStack() as stack:
            try:
                stack.enter_context(atomic.locked(path, wait))
            except BlockingIOError:
                raise BlockingIOError("Wait for it.") from None
            yield

    def claim(self, path: Path, take_over: bool) -> AbstractContextManager[None]:
        """Hold a lock. That of a killed job is free."""
        return self.lock(path)


class Bucket:
    """A folder at an address of S3 or Google Cloud Storage.

    It has no locks. What may be written by one job only is a new object, which the server refuses to write twice.
    """

    @contextmanager
    def write(self, path: Path, new: bool = False) -> Iterator[Path]:
        """Write a temporary file of this machine, then send it."""
        with tempfile.TemporaryDirectory() as folder:
            partial = Path(folder, path.name)
            yield partial
            try:
                buckets.upload(partial, path, new)
            except remote.RemoteError as error:
                raise (FileExistsError(error.errno, error.strerror) if error.errno == errno.EEXIST else error) from None

    def open(self, path: Path) -> BinaryIO:
        """Open a file, which is read in blocks."""
        return remote.open_file(path)

    def names(self, folder: Path) -> set[str]:
        """Return the names in a folder."""
        return {name for name in buckets.names(folder) if name[0] != "."}

    def exists(self, path: Path) -> bool:
        """Return whether a file exists."""
        return remote.exists(path)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        try:
            buckets.remove(path)
        except remote.RemoteError as error:
            if error.errno != errno.ENOENT:
                raise

    def lock(self, path: Path, wait: bool = False) -> AbstractContextManager[None]:
        """Do nothing: what two jobs write at the same time is the same."""
        return nullcontext()

    @contextmanager
    def claim(self, path: Path, take_over: bool) -> Iterator[None]:
        """Write an object which stays when the job is killed. Then another job needs `take_over`."""
        mark = path.with_name(f".{path.name}.lock")
        try:
            buckets.write(b"", mark, new=not take_over)
        except remote.RemoteError as error:
            if error.errno != errno.EEXIST:
                raise
            raise BlockingIOError(
                "Or one was killed: a bucket has no locks that end with their process, so nobody can tell. Wait for "
                "it, or add --resume if none runs."
            ) from None
        try:
            yield
        finally:
            with suppress(remote.RemoteError):
                self.remove(mark)


def store_of(path: Path) -> Store:
    """Return the store of a path or of an address."""
    return Disk() if remote.address(path) is None else Bucket()


def check_place(path: Path) -> None:
    """Raise UsageError for an address at which nothing can be written, and without the packages for it."""
    if url := remote.address(path):
        remote.to_path(url)
        if not buckets.is_writable(path):
            raise UsageError(f"Jobs share a folder of a disk, or one at gs:// or s3://. Received: {url}.")
