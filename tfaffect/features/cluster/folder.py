"""The output folder that jobs share, on a disk or in a bucket. Every file of it is written, listed and locked here.

columns.json          what the columns of the rows mean; model, inputs and options
windows.columns.json  the same for the windows
units.jsonl           the units of work with their sources, one a line
rows/*.parquet        the rows of a unit; the unit is complete when its file is there
windows/*.parquet     its windows
pieces/*.arrow        pieces of long videos, until the rows of the video are made of them
report.json           counts, when all units are complete
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from tfaffect.features import tables
from tfaffect.features.cluster.stores import Store, store_of
from tfaffect.features.cluster.units import Task, Unit
from tfaffect.features.source import Source
from tfaffect.files import atomic, remote

ROWS, WINDOWS, PIECES = "rows", "windows", "pieces"
COLUMNS, WINDOW_COLUMNS, UNITS, REPORT = "columns.json", "windows.columns.json", "units.jsonl", "report.json"

BATCH_ROWS = 2048
"""Rows in memory while a table is read: 3 MB."""


@dataclass(frozen=True)
class Folder:
    """The output folder of several jobs."""

    path: Path

    def __str__(self) -> str:
        return remote.address(self.path) or str(self.path)

    @property
    def store(self) -> Store:
        """Where it lies: on a disk or in a bucket."""
        return store_of(self.path)

    def table(self, kind: str, unit: Unit) -> Path:
        """Return the file of a unit's rows or windows."""
        return self.path / kind / f"{unit.name}.parquet"

    def piece(self, task: Task) -> Path:
        """Return the file of a piece."""
        return self.path / PIECES / f"{task.unit.name}+{task.piece or 0:06d}.arrow"

    def pieces(self, unit: Unit) -> list[Path]:
        """Return the files of a unit's pieces, in order."""
        return [self.piece(Task(unit, number)) for number in range(len(unit.cuts) + 1)]

    def write(self, path: Path, new: bool = False) -> AbstractContextManager[Path]:
        """Yield a temporary path whose file becomes `path` when the block ends; see `Store.write`."""
        return self.store.write(path, new)

    def remove_unfinished(self) -> None:
        """Remove the temporary folders of killed jobs; those of running jobs stay. A bucket has none."""
        if remote.address(self.path):
            return
        for folder in (self.path, *(self.path / kind for kind in (ROWS, WINDOWS, PIECES))):
            for temporary in folder.glob(".*-*/"):
                atomic.remove_unfinished(folder / temporary.name[1:].rpartition("-")[0])

    def names(self, kind: str) -> set[str]:
        """Return the names of the complete files of rows, windows or pieces."""
        return self.store.names(self.path / kind)

    def is_foreign(self) -> bool:
        """Return whether this is a folder with other files only. Other jobs may be starting: they make locks first."""
        names = self.store.names(self.path)
        return bool(names) and not names & {COLUMNS, WINDOW_COLUMNS, UNITS}

    def is_complete(self, unit: Unit) -> bool:
        """Return whether the rows of a unit are there."""
        return self.store.exists(self.table(ROWS, unit))

    def complete(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the units whose rows are there, with one look into the folder."""
        names = self.names(ROWS)
        return [unit for unit in units if self.table(ROWS, unit).name in names]

    def batches(
        self, kind: str, units: Iterable[Unit], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows or windows of units, in order."""
        for unit in units:
            with self.store.open(self.table(kind, unit)) as file:
                yield from read_batches(file, columns)

    def read_facts(self) -> dict[str, Any] | None:
        """Return the model, the inputs and the options of the folder; None for a new folder."""
        return self.read_json(COLUMNS)["run"] if self.store.exists(self.path / COLUMNS) else None

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the content of a small file of JSON."""
        with self.store.open(self.path / name) as file:
            return json.load(file)

    def write_json(self, name: str, content: object) -> None:
        """Write a small file of JSON."""
        with self.write(self.path / name) as partial:
            partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def write_units(self, units: Sequence[Unit], sources: Sequence[Source]) -> None:
        """Write the units with their sources, unless another job has done so meanwhile.

        Its units may differ: a video that could not be opened for a moment is not cut.
        """
        with (
            suppress(FileExistsError),
            self.write(self.path / UNITS, new=True) as partial,
            open(partial, "w", encoding="utf-8") as file,
        ):
            for unit in units:
                file.write(json.dumps(_line(unit, sources[unit.first : unit.last + 1])) + "\n")

    def read_units(self) -> list[Unit] | None:
        """Return the units; None for a new folder."""
        if not self.store.exists(self.path / UNITS):
            return None
        return [Unit(line["first"], line["last"], tuple(line["cuts"])) for line in self._lines()]

    def read_sources(self) -> list[Source]:
        """Return all sources."""
        return [Source(Path(path), *rest) for line in self._lines() for path, *rest in line["sources"]]

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self.store.open(self.path / UNITS) as file:
            yield from map(json.loads, file)

    def lock(self, name: str, wait: bool = False) -> AbstractContextManager[None]:
        """Hold a lock of the folder, see `Store.lock`."""
        return self.store.lock(self.path / name, wait)

    def claim(self, name: str, take_over: bool) -> AbstractContextManager[None]:
        """Keep other jobs from a part of the work, see `Store.claim`."""
        return self.store.claim(self.path / name, take_over)


def read_batches(path: Path | BinaryIO, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the content of a Parquet file, few rows at a time.

    Without threads: those of Arrow may hold an open file of Python when the interpreter ends, which then aborts or
    hangs (issue 50482 of apache/arrow). It happened to one job of fifty.
    """
    with parquet.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a table, as Parquet, CSV or NumPy by its suffix."""
    tables.writer(path)(path, schema, batches)


def _line(unit: Unit, sources: Sequence[Source]) -> dict[str, Any]:
    paths = [source.path if remote.address(source.path) else source.path.absolute() for source in sources]
    listed = [
        [str(path), source.name, source.carried, source.start, source.end]
        for path, source in zip(paths, sources, strict=True)
    ]
    return {"first": unit.first, "last": unit.last, "cuts": unit.cuts, "sources": listed}
