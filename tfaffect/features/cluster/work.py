"""Does tasks: decodes, finds faces, runs the network, and writes the rows and windows of every unit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from tfaffect.features import tables
from tfaffect.features.cluster.folder import PIECES, ROWS, WINDOWS, Folder, read_batches, write_batches
from tfaffect.features.cluster.pieces import read_video, write_piece
from tfaffect.features.cluster.units import Task, Unit, piece
from tfaffect.features.embedder import Embedder
from tfaffect.features.job import Progress, window_batches
from tfaffect.features.parts import ROWS as BATCH_ROWS
from tfaffect.features.pipeline import smooth
from tfaffect.features.row import Row
from tfaffect.features.sample import Options, Sample
from tfaffect.features.source import Source
from tfaffect.files import remote


class StopRequestedError(Exception):
    """A signal asked to stop: the current task is not complete."""


@dataclass(frozen=True)
class Work:
    """What every job does with the sources of a folder. It can be pickled.

    windows: length and hop in seconds, None for no windows. facts: everything that the rows depend on.
    """

    folder: Folder
    sources: Sequence[Source]
    options: Options
    detect: bool
    windows: tuple[float, float] | None
    carried: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows."""
        metadata = {"tfaffect": json.dumps(self.facts)}
        return tables.with_carried(tables.SCHEMA, self.carried).with_metadata(metadata)

    @property
    def window_schema(self) -> pa.Schema:
        """The schema of the windows."""
        return tables.with_carried(tables.WINDOW_SCHEMA, self.carried)

    def do(
        self,
        tasks: Sequence[Task],
        embedder: Embedder,
        progress: Progress | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Iterator[Task]:
        """Do tasks in one stream, so that batches are full across them, and yield each when it is complete.

        Raises StopRequestedError. The files of a task appear complete or not at all, so it may be done again.
        """
        numbered = list(enumerate(self.items(tasks)))
        unfiltered = replace(self.options, smooth=None, smooth_embeddings=False)
        with closing(embedder.describe(numbered, unfiltered, self.detect)) as samples:
            stream = _Stream(samples, progress, stop_requested)
            end = 0
            for task in tasks:
                end += len(self._items(task))
                if task.piece is None:
                    self._write_unit(task.unit, self._smoothed(stream.until(end)))
                else:
                    with self.folder.write(self.folder.piece(task)) as partial:
                        write_piece(partial, stream.until(end))
                    self.finish_videos([task])
                yield task

    def finish_videos(self, tasks: Sequence[Task]) -> None:
        """Write the rows of the long videos among tasks whose pieces are all there."""
        names = self.folder.names(PIECES)
        for unit in dict.fromkeys(task.unit for task in tasks if self.folder.piece(task).name in names):
            self._finish(unit)

    def items(self, tasks: Sequence[Task]) -> list[Source]:
        """Return the sources of tasks, with a long video once for each of its pieces."""
        return [source for task in tasks for source in self._items(task)]

    def _finish(self, unit: Unit) -> None:
        """Write the rows of a long video, unless a piece lacks or another job is writing them."""
        folder, pieces = self.folder, self.folder.pieces(unit)
        if not (folder.is_complete(unit) or {path.name for path in pieces} <= folder.names(PIECES)):
            return  # without the lock: the job that writes the last piece must find it free, or held by a writer
        try:
            with folder.lock(f"{unit.name}.pieces"):
                if not folder.is_complete(unit):
                    self._write_unit(
                        unit, read_video(pieces, self.sources[unit.first], self.options, folder.store.open)
                    )
                for path in pieces:
                    folder.store.remove(path)
        except BlockingIOError:
            return
        except remote.RemoteError:
            if not folder.is_complete(unit):  # without locks, another job has written the rows and removed the pieces
                raise

    def _items(self, task: Task) -> Sequence[Source]:
        unit = task.unit
        if task.piece is None:
            return self.sources[unit.first : unit.last + 1]
        return [piece(self.sources[unit.first], unit.cuts, task.piece)]

    def _smoothed(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        options = self.options
        return samples if options.smooth is None else smooth(samples, options.smooth, options.smooth_embeddings)

    def _write_unit(self, unit: Unit, samples: Iterable[Sample]) -> None:
        """Write windows first: the rows complete a unit."""
        with self.folder.write(self.folder.table(ROWS, unit)) as partial:
            write_batches(partial, self.schema, _batches(samples, self.schema))
            if self.windows:
                self._write_windows(unit, window_batches(read_batches(partial), *self.windows, self.window_schema))

    def _write_windows(self, unit: Unit, found: Iterator[pa.RecordBatch]) -> None:
        """Write the windows of a unit. A unit without videos has no file of them."""
        if (first := next(found, None)) is not None:
            with self.folder.write(self.folder.table(WINDOWS, unit)) as partial:
                write_batches(partial, self.window_schema, chain([first], found))


class _Stream:
    """Samples in order of their numbers, task by task."""

    def __init__(
        self, samples: Iterator[Sample], progress: Progress | None, stop_requested: Callable[[], bool]
    ) -> None:
        self._samples, self._progress, self._stop_requested = samples, progress, stop_requested
        self._next: Sample | None = None

    def until(self, end: int) -> Iterator[Sample]:
        """Yield the samples with smaller numbers than `end`."""
        while (sample := self._next or next(self._samples, None)) is not None:
            self._next = sample if sample.number >= end else None
            if self._next:
                return
            if self._progress:
                self._progress(sample.number, sample.source, sample.seconds)
            yield sample
            if self._stop_requested():
                raise StopRequestedError


def _batches(samples: Iterable[Sample], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows: list[Row] = []
    for sample in samples:
        rows += sample.rows
        if len(rows) >= BATCH_ROWS:
            yield tables.to_batch(rows, schema)
            rows = []
    yield tables.to_batch(rows, schema)
