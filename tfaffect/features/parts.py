"""Rows on disk during a run: atomically written files (parts), from which a run resumes and the table is made."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tfaffect.errors import UsageError
from tfaffect.features.row import Row
from tfaffect.features.tables import to_batch
from tfaffect.files import atomic

ROWS, SECONDS = 2048, 10
"""A part has at most this many rows, from at most this many seconds: `kill -9` loses no more."""

FACTS = "run.json"


class Parts:
    """The folder with the parts of one table, `<table>.parts` beside it.

    Sources are numbered and processed in order. A part has all rows of several complete sources (`<first>-<last>`) or
    a piece of one long source (`<source>+<number>`, where the last piece ends in `last`). So the file names tell which
    sources are complete.
    """

    def __init__(self, table: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = table.with_name(f"{table.name}.parts"), schema
        self.removed = self.folder.with_name(f".{self.folder.name}-removed")

    def start(self, facts: dict[str, Any]) -> int:
        """Start a new run at source 0, which is returned. A resumed run must have the same `facts`."""
        self.remove()
        self.folder.mkdir(parents=True)
        with atomic.write_file(self.folder / FACTS) as partial:
            partial.write_text(json.dumps(facts, indent=2))
        return 0

    def resume(self, facts: dict[str, Any]) -> int:
        """Return the number of complete sources, and remove the pieces of the incomplete one after them.

        Raises UsageError when the parts were made from other inputs, by another model or with other options.
        """
        facts, before = json.loads(json.dumps(facts)), json.loads((self.folder / FACTS).read_text())
        changed = [name for name in facts if facts[name] != before.get(name)]
        if changed:
            received = "; ".join(f"{name} was {before.get(name)}, is {facts[name]}" for name in changed)
            raise UsageError(f"--resume needs the same inputs, model and options. Received: {received}.")
        done = 0
        for path in self._paths():
            if path.stem.endswith("last") or "+" not in path.stem:
                done = _last_source(path) + 1
        for path in self._paths():
            if _last_source(path) >= done:
                path.unlink()
        return done

    def exist(self) -> bool:
        """Return whether there is an unfinished run."""
        return (self.folder / FACTS).is_file()

    def write(self, name: str, rows: Sequence[Row]) -> None:
        """Write one part."""
        with (
            atomic.write_file(self.folder / f"{name}.arrow") as partial,
            pa.OSFile(str(partial), "wb") as file,
            pa.ipc.new_file(file, self.schema) as stream,
        ):
            stream.write_batch(to_batch(rows, self.schema))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all parts in order, memory-mapped."""
        for path in self._paths():
            with pa.memory_map(str(path)) as file:
                yield pa.ipc.open_file(file).get_batch(0)

    def remove(self) -> None:
        """Remove the parts."""
        if self.folder.exists():
            shutil.rmtree(self.removed, ignore_errors=True)  # left by a process that was killed here
            self.folder.rename(self.removed)  # in one step: a run must not resume from some of the parts
            shutil.rmtree(self.removed)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.arrow"), key=lambda path: (_last_source(path), path.name))


class PartWriter:
    """Collects rows and writes them in parts of limited size and age."""

    def __init__(self, parts: Parts, first_source: int = 0) -> None:
        self.parts, self.first, self.source = parts, first_source, first_source
        self.complete: list[Row] = []  # of complete sources, from `first` on
        self.current: list[Row] = []  # of the current source
        self.pieces, self.last_flush = 0, time.monotonic()

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows of the current source."""
        self.current += rows
        if len(self.current) + len(self.complete) >= ROWS or time.monotonic() - self.last_flush > SECONDS:
            self.flush()

    def finish_source(self) -> None:
        """Mark the current source as complete and go to the next one."""
        self.source += 1
        if self.pieces:
            self.parts.write(f"{self.source - 1:09d}+{self.pieces:06d}.last", self.current)
            self.pieces, self.first = 0, self.source
        else:
            self.complete += self.current
        self.current = []

    def flush(self) -> None:
        """Write the collected rows."""
        if self.first < self.source:
            self.parts.write(f"{self.first:09d}-{self.source - 1:09d}", self.complete)
            self.complete, self.first = [], self.source
        if self.current:
            self.parts.write(f"{self.source:09d}+{self.pieces:06d}", self.current)
            self.current, self.pieces = [], self.pieces + 1
        self.last_flush = time.monotonic()


def _last_source(path: Path) -> int:
    return int(path.name.partition(".")[0].partition("+")[0].rpartition("-")[2])
