"""From many sources to one table that can be interrupted: parts as rows come, then the table, windows and plots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tfaffect.errors import UsageError
from tfaffect.features import tables
from tfaffect.features.annotated import AnnotatedFiles
from tfaffect.features.embedder import Embedder
from tfaffect.features.parts import Parts, PartWriter
from tfaffect.features.plan import Plan
from tfaffect.features.replay import Video, videos
from tfaffect.features.row import NO_FACE
from tfaffect.features.sources import Source
from tfaffect.features.tables import AFFECT, PROBABILITIES
from tfaffect.features.windows import windows
from tfaffect.files import atomic
from tfaffect.training.interruption import stop_signals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOWS_AT_ONCE = 1024
"""Windows in memory: 5 MB."""


@dataclass(frozen=True)
class Counts:
    """What a table holds: rows, those of videos, faces, and pictures and frames without one.

    `problems` are the path and reason of the first few that could not be read.
    """

    rows: int
    frames: int
    faces: int
    empty: int
    unreadable: int
    problems: Sequence[tuple[str, str]]


class Job(Plan):
    """A plan that can be carried out, interrupted, and gone on with."""

    def run(
        self,
        embedder: Embedder,
        resume: bool = False,
        progress: Callable[[int, Source, float | None], None] | None = None,
    ) -> tuple[Counts, int]:
        """Write the table and what belongs to it; return what it holds and how many sources are done.

        Fewer than all are done after Ctrl-C: the table then holds what was done until then, and `resume` goes on.
        `progress` is called with the number, the source and the seconds of every picture and frame. Raises UsageError
        when another process writes the same table, and when `resume` has nothing to go on with.
        """
        if self.detect:
            embedder.find_detector()  # what fails should fail before anything is written
        with ExitStack() as stack:
            try:
                stack.enter_context(atomic.locked(self.out))
            except BlockingIOError:
                raise UsageError(f"Another process is writing {self.out}. Wait for it, or name another.") from None
            return self._run(embedder, resume, progress)

    def _run(self, embedder: Embedder, resume: bool, progress: Callable | None) -> tuple[Counts, int]:
        facts = self._facts(embedder)
        schema = tables.with_carried(tables.SCHEMA, self.carried).with_metadata({"tfaffect": json.dumps(facts)})
        parts = Parts(self.out, schema)
        if resume and not parts.exist() and self.out.exists():
            raise UsageError(f"{self.out} is whole: there is nothing to go on with.")
        for path in (self.out, self.windows_out, *self.timelines(1)):
            atomic.remove_unfinished(path)
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
        samples = embedder.describe(numbered, self.options, self.detect, keep_pictures=self.annotate is not None)
        with stop_signals() as stop_requested, closing(samples), self._annotated() as annotated:
            for sample in samples:
                if annotated:
                    annotated.add(sample)  # first, because a source is done only when its drawing is whole
                while writer.source < sample.number:
                    writer.finish_source()
                writer.add(sample.rows)
                if progress:
                    progress(sample.number, sample.source, sample.seconds)
                if stop_requested():
                    if annotated:
                        annotated.discard()
                    break
            else:
                if annotated:
                    annotated.finish()
                while writer.source < len(self.sources):
                    writer.finish_source()
        writer.flush()
        return writer.source

    def _annotated(self) -> AbstractContextManager[AnnotatedFiles | None]:
        return AnnotatedFiles(self.annotate, self.sources, self.options) if self.annotate else nullcontext()

    def _finish(self, parts: Parts, schema: pa.Schema) -> Counts:
        with atomic.write_file(self.out) as partial:
            tables.writer(self.out)(partial, schema, parts.batches())
        if not self.windows:
            self.windows_out.unlink(missing_ok=True)  # of an earlier run that is replaced
        else:
            with atomic.write_file(self.windows_out) as partial:
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
        names = [Path(video.path).stem for video in videos(parts.batches(), AFFECT)]
        every = videos(parts.batches(), (*PROBABILITIES, *AFFECT))
        for video, path in zip(every, self.timelines(len(names), names), strict=True):
            with atomic.write_file(path) as partial:
                _draw_timeline(video).savefig(partial, dpi=150)

    def _facts(self, embedder: Embedder) -> dict:
        """What the rows depend on; also in the metadata of a Parquet file."""
        listed = json.dumps([[source.name, dict(source.carried)] for source in self.sources])
        return {
            "model": embedder.contract.weights_sha256,
            "inputs": f"{len(self.sources)} ({hashlib.sha256(listed.encode()).hexdigest()[:12]})",
            "detect_sides": embedder.detect_sides if self.detect else None,
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
    rows = frames = faces = empty = 0
    problems = []
    for batch in batches:
        rows += batch.num_rows
        frames += batch.num_rows - batch.column("frame").null_count
        faces += batch.num_rows - batch.column("face").null_count
        for path, problem in zip(batch.column("path").to_pylist(), batch.column("problem").to_pylist(), strict=True):
            if problem == NO_FACE:
                empty += 1
            elif problem:
                problems.append((path, problem))
    return Counts(rows, frames, faces, empty, len(problems), problems[:10])
