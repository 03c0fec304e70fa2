"""Rows on disk while a run is under way: parts that appear whole, from which it can go on and a table can be made."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from tfaffect.errors import UsageError
from tfaffect.features.row import Row
from tfaffect.features.tables import to_batch
from tfaffect.files import atomic

ROWS, SECONDS = 2048, 10
"""How many rows, and rows of how long, a part holds at most: what `kill -9` can lose."""

FACTS = "run.json"


class Parts:
    """The folder of the parts of one table, `<table>.parts` beside it.

    Sources are numbered and come one after the other. A part holds all rows of some whole sources, `<first>-<last>`, or
    a stretch of one long source, `<source>+<number>`; its last stretch ends in `last`. So the names tell what is done.
    """

    def __init__(self, table: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = table.with_name(f"{table.name}.parts"), schema

    def begin(self, facts: dict) -> int:
        """Begin anew, with source 0; `facts` are what a run that goes on must share with this one."""
        self.remove()
        self.folder.mkdir(parents=True)
        with atomic.write_file(self.folder / FACTS) as partial:
            partial.write_text(json.dumps(facts, indent=2))
        return 0

    def resume(self, facts: dict) -> int:
        """Return the number of sources that are done, and forget what is there of the next one.

        Raises UsageError when the parts were made from other inputs, by another model or with other options.
        """
        facts, before = json.loads(json.dumps(facts)), json.loads((self.folder / FACTS).read_text())
        changed = [name for name in facts if facts[name] != before.get(name)]
        if changed:
            received = "; ".join(f"{name} was {before.get(name)}, is {facts[name]}" for name in changed)
            raise UsageError(f"--resume goes on with the same inputs, model and options. Received: {received}.")
        done = 0
        for path in self._paths():
            if path.stem.endswith("last") or "+" not in path.stem:
                done = _last_source(path) + 1
        for path in self._paths():
            if _last_source(path) >= done:
                path.unlink()
        return done

    def exist(self) -> bool:
        """Say whether a run was begun and not finished."""
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
        """Yield what the parts hold, in order, mapped into memory and not read."""
        for path in self._paths():
            with pa.memory_map(str(path)) as file:
                yield pa.ipc.open_file(file).get_batch(0)

    def remove(self) -> None:
        """Take the parts away."""
        if self.folder.exists():
            gone = self.folder.with_name(f".{self.folder.name}-removed")
            shutil.rmtree(gone, ignore_errors=True)  # of a process that was killed here
            self.folder.rename(gone)  # at once: a run must not go on with the half that is left
            shutil.rmtree(gone)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.arrow"), key=lambda path: (_last_source(path), path.name))


class PartWriter:
    """Collects rows and writes them in parts of bounded size and age."""

    def __init__(self, parts: Parts, first_source: int = 0) -> None:
        self.parts, self.first, self.source = parts, first_source, first_source
        self.finished: list[Row] = []
        self.open: list[Row] = []
        self.stretches, self.begun = 0, time.monotonic()

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows of the source under way."""
        self.open += rows
        if len(self.open) + len(self.finished) >= ROWS or time.monotonic() - self.begun > SECONDS:
            self.flush()

    def finish_source(self) -> None:
        """Note that the source under way is done and the next begins."""
        self.source += 1
        if self.stretches:
            self.parts.write(f"{self.source - 1:09d}+{self.stretches:06d}.last", self.open)
            self.stretches, self.first = 0, self.source
        else:
            self.finished += self.open
        self.open = []

    def flush(self) -> None:
        """Write what was collected."""
        if self.first < self.source:
            self.parts.write(f"{self.first:09d}-{self.source - 1:09d}", self.finished)
            self.finished, self.first = [], self.source
        if self.open:
            self.parts.write(f"{self.source:09d}+{self.stretches:06d}", self.open)
            self.open, self.stretches = [], self.stretches + 1
        self.begun = time.monotonic()


def _last_source(path: Path) -> int:
    return int(path.name.partition(".")[0].partition("+")[0].rpartition("-")[2])
