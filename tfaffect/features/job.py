"""From many sources to one table that can be interrupted: parts as rows come, then the table, windows and plots."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass
from glob import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tfaffect import whole
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.features import tables
from tfaffect.features.annotated import AnnotatedFiles
from tfaffect.features.embedder import Embedder
from tfaffect.features.parts import Parts, PartWriter
from tfaffect.features.pipeline import Options
from tfaffect.features.replay import Video, videos
from tfaffect.features.row import NO_FACE
from tfaffect.features.sources import Source
from tfaffect.features.tables import AFFECT, PROBABILITIES
from tfaffect.features.windows import windows
from tfaffect.interruption import deferred

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOWS_AT_ONCE = 1024
"""Windows in memory: 5 MB."""


@dataclass(frozen=True)
class Counts:
    """What a table holds; `problems` are the path and reason of the first few that could not be read."""

    rows: int
    faces: int
    empty: int
    unreadable: int
    problems: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Job:
    """What the command makes of its sources.

    out: the table, one row per face. detect: look for faces. windows: their length and hop in seconds, in a table
    beside `out`. annotate: folder of annotated pictures and videos. timeline: PNG, one for each video.
    """

    sources: Sequence[Source]
    out: Path
    options: Options
    detect: bool = True
    windows: tuple[float, float] | None = None
    annotate: Path | None = None
    timeline: Path | None = None

    @property
    def carried(self) -> tuple[str, ...]:
        """The further columns that sources bring along."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.carried))

    @property
    def windows_out(self) -> Path:
        """The table of windows: `faces.windows.csv` beside `faces.csv`."""
        return self.out.with_suffix(f".windows{self.out.suffix}")

    def check(self, resume: bool, overwrite: bool) -> None:
        """Raise UsageError for what would fail later, or would replace what is there."""
        tables.writer(self.out)
        if self.timeline and self.timeline.suffix.lower() != ".png":
            raise UsageError(f"--timeline writes PNG. Received: {self.timeline}.")
        for name, value in zip(("window", "hop"), self.windows or (), strict=False):
            if not 0 < value < math.inf:
                raise UsageError(f"{name} must be more than 0 seconds. Received: {name}={value}.")
        if resume and overwrite:
            raise UsageError("--resume goes on and --overwrite begins anew: name one of them.")
        if self.annotate:
            AnnotatedFiles(self.annotate, self.sources).check(resume or overwrite)
        for path in filter(None, (self.out, self.windows_out, self.timeline)):
            if path.is_dir():
                raise UsageError(f"{path} is a folder. Name a file.")
        if overwrite or resume:
            return
        if Parts(self.out, tables.SCHEMA).exist():
            raise UsageError(f"A run into {self.out} was interrupted. Go on with --resume, or begin with --overwrite.")
        for path in filter(None, (self.out, self.windows and self.windows_out, self.timeline)):
            if path.exists() or (path == self.timeline and any(path.parent.glob(f"{escape(path.stem)}-*.png"))):
                raise UsageError(f"{path} exists already. Name another file, or replace it with --overwrite.")

    def run(
        self,
        embedder: Embedder,
        resume: bool = False,
        progress: Callable[[int, Source, float | None], None] | None = None,
    ) -> tuple[Counts, int]:
        """Write the table and what belongs to it; return what it holds and how many sources are done.

        Fewer than all are done after Ctrl-C: the table then holds what was done until then, and `resume` goes on.
        `progress` is called with the number, the source and the seconds of every picture and frame.
        """
        if self.detect:
            embedder.find_detector()  # what fails should fail before anything is written
        facts = self._facts(embedder.contract)
        schema = tables.with_carried(tables.SCHEMA, self.carried).with_metadata({"tfaffect": json.dumps(facts)})
        parts = Parts(self.out, schema)
        if resume and not parts.exist() and self.out.exists():
            raise UsageError(f"{self.out} is whole: there is nothing to go on with.")
        first = parts.resume(facts) if resume and parts.exist() else parts.begin(facts)
        done = self._describe(embedder, parts, first, progress)
        counts = self._finish(parts, schema)
        if done == len(self.sources):
            parts.remove()
        return counts, done

    def _describe(self, embedder: Embedder, parts: Parts, first: int, progress: Callable | None) -> int:
        """Write the rows of all sources from `first` on; return the number of those that are done."""
        writer = PartWriter(parts, first)
        numbered = list(enumerate(self.sources))[first:]
        sights = embedder.describe(numbered, self.options, self.detect, keep_pictures=self.annotate is not None)
        with deferred() as asked, closing(sights), self._annotated() as annotated:
            for sight in sights:
                while writer.source < sight.number:
                    writer.finish_source()
                writer.add(sight.rows)
                if annotated:
                    annotated.add(sight)
                if progress:
                    progress(sight.number, sight.source, sight.seconds)
                if asked():
                    if annotated:
                        annotated.discard()
                    break
            else:
                while writer.source < len(self.sources):
                    writer.finish_source()
        writer.flush()
        return writer.source

    def _annotated(self) -> AbstractContextManager[AnnotatedFiles | None]:
        return AnnotatedFiles(self.annotate, self.sources, self.options) if self.annotate else nullcontext()

    def _finish(self, parts: Parts, schema: pa.Schema) -> Counts:
        with whole.file(self.out) as partial:
            tables.writer(self.out)(partial, schema, parts.batches())
        if self.windows:
            with whole.file(self.windows_out) as partial:
                schema = tables.with_carried(tables.WINDOW_SCHEMA, self.carried)
                tables.writer(self.out)(partial, schema, self._window_batches(parts.batches(), schema))
        if self.timeline:
            self._draw_timelines(parts)
        return count(parts.batches())

    def _window_batches(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for video in videos(batches, tables.VALUES):
            found = windows(video.frames, *self.windows)
            while some := list(islice(found, WINDOWS_AT_ONCE)):
                yield tables.to_window_batch(some, video.path, video.carried, schema)

    def _draw_timelines(self, parts: Parts) -> None:
        """Draw each video; the name of one of several has its number and its own name."""
        several = sum(1 for _ in videos(parts.batches(), AFFECT)) > 1
        for number, video in enumerate(videos(parts.batches(), (*PROBABILITIES, *AFFECT)), start=1):
            stem = f"{self.timeline.stem}-{number}-{Path(video.path).stem}" if several else self.timeline.stem
            with whole.file(self.timeline.with_name(f"{stem}.png")) as partial:
                _draw_timeline(video).savefig(partial, dpi=150)

    def _facts(self, contract: Contract) -> dict:
        """What the rows depend on; also in the metadata of a Parquet file."""
        listed = json.dumps([[source.name, dict(source.carried)] for source in self.sources])
        return {
            "model": contract.weights_sha256,
            "inputs": f"{len(self.sources)} ({hashlib.sha256(listed.encode()).hexdigest()[:12]})",
            "detect": self.detect,
            **asdict(self.options),
        }


def _draw_timeline(video: Video) -> Figure:
    from tfaffect.features.timeline import draw_timeline

    nobody = {np.nan: np.full(len(PROBABILITIES) + len(AFFECT), np.nan)}
    lines = [
        (seconds, track, *values) for seconds, faces in video.frames for track, values in (faces or nobody).items()
    ]
    seconds, tracks, *values = np.array(lines, float).T
    expression, affect = np.stack(values[: len(PROBABILITIES)], axis=1), values[len(PROBABILITIES) :]
    return draw_timeline(video.path, seconds, tracks, expression, *affect)


def count(batches: Iterable[pa.RecordBatch]) -> Counts:
    """Count the rows of a table."""
    rows = faces = empty = 0
    problems = []
    for batch in batches:
        rows += batch.num_rows
        faces += batch.num_rows - batch.column("face").null_count
        for path, problem in zip(batch.column("path").to_pylist(), batch.column("problem").to_pylist(), strict=True):
            if problem == NO_FACE:
                empty += 1
            elif problem:
                problems.append((path, problem))
    return Counts(rows, faces, empty, len(problems), problems[:10])
