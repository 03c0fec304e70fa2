"""Pictures in Parquet files, read when their records are made: a row group at a time, and forwards.

So a build holds a few pages of each file in memory, however large the file and its row groups are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfrecords_builders.encoded import decoded

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

ROWS = 64
"""Rows of pictures that are read at once."""


@dataclass(frozen=True)
class Place:
    """A row group of a file, and its column of encoded pictures (`image.bytes` inside a struct)."""

    file: Path
    group: int
    column: str


@dataclass(frozen=True)
class ParquetPicture:
    """The picture in a row of a row group. Pictures that are read in the order of their rows are read fast."""

    place: Place
    row: int

    def __call__(self) -> np.ndarray:
        """Return the picture as RGB uint8. Raises OSError, also for a row without bytes, and UnreadablePictureError."""
        if not (encoded := _reader(self.place).read(self.row)):
            raise OSError(f"{self.place.file}: row {self.row} of row group {self.place.group} has no picture.")
        return decoded(encoded)


class _Reader:
    """Reads the pictures of one row group forwards; a row before the last one starts again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._start()

    def _start(self) -> None:
        self._batches, self._batch, self._first = _batches(self.place), None, 0

    def read(self, row: int) -> bytes | None:
        if row < self._first:
            self._start()
        while self._batch is None or row >= self._first + len(self._batch):
            self._first += 0 if self._batch is None else len(self._batch)
            self._batch = next(self._batches, None)
            if self._batch is None:
                self._start()
                raise OSError(f"{self.place.file} has changed: it has no row {row} in row group {self.place.group}.")
        value = self._batch[row - self._first].as_py()
        return value.get("bytes") if isinstance(value, dict) else value


_open = threading.local()  # a reader for each thread, because Beam may make records in several


def _reader(place: Place) -> _Reader:
    """The reader of a row group: that of the last picture where it is the same group."""
    if getattr(_open, "reader", None) is None or _open.reader.place != place:
        _open.reader = _Reader(place)
    return _open.reader


def _batches(place: Place) -> Iterator[Any]:
    import pyarrow as pa

    try:
        with opened(place.file) as file:
            for batch in file.iter_batches(ROWS, row_groups=[place.group], columns=[place.column]):
                yield batch.column(0)
    except (pa.ArrowException, UsageError) as error:
        raise OSError(str(error)) from error


@contextmanager
def opened(path: Path) -> Iterator[ParquetFile]:
    """Open a Parquet file. Raises UsageError where that fails."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)  # pages as they are needed, not row groups
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    with file:
        yield file


def unreadable(path: Path, error: Exception) -> UsageError:
    """Return the error for a file that cannot be read."""
    reason = " ".join(str(error).split())[:200]
    return UsageError(f"{printable(path)} cannot be read as Parquet: {reason}. Download it again.")
