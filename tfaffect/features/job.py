"""Runs a plan: writes parts while rows arrive, then all other files. It can be interrupted and resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.features import columns, fex, tables
from tfaffect.features.annotated import AnnotatedFiles
from tfaffect.features.dictionary import dictionary_of, write_dictionary
from tfaffect.features.elan import write_elan
from tfaffect.features.embedder import Embedder
from tfaffect.features.nova import write_nova
from tfaffect.features.parts import Parts, PartWriter
from tfaffect.features.plan import Plan
from tfaffect.features.population import Rows, Turned, estimate
from tfaffect.features.replay import Video, videos
from tfaffect.features.row import NO_FACE
from tfaffect.features.sample import Options
from tfaffect.features.series import COLUMNS, read_series
from tfaffect.features.sources import Source
from tfaffect.features.tables import AFFECT, PROBABILITIES
from tfaffect.features.video_names import with_numbers
from tfaffect.features.windows import windows
from tfaffect.files import atomic
from tfaffect.scoring import priors
from tfaffect.scoring.priors import ESTIMATED
from tfaffect.training.interruption import stop_signals

Progress = Callable[[int, Source, float | None], None]

WINDOWS_AT_ONCE = 1024
"""Windows in memory: 5 MB."""


@dataclass(frozen=True)
class Counts:
    """Counts of a table: rows, rows of videos, faces, pictures and frames without a face, and unreadable inputs.

    `problems` has the path and reason of the first ten unreadable inputs, `estimated` the class shares that were
    estimated from the faces.
    """

    rows: int
    frames: int
    faces: int
    empty: int
    unreadable: int
    problems: Sequence[tuple[str, str]]
    estimated: dict[str, float] | None = None


class Job(Plan):
    """A plan that can be run, interrupted and resumed."""

    def run(self, embedder: Embedder, resume: bool = False, progress: Progress | None = None) -> tuple[Counts, int]:
        """Write the tables, plots, drawings and annotations. Return its counts and the number of complete sources.

        After Ctrl-C some sources are not complete: the table then has the rows until there, and `resume` continues.
        `progress` is called with the number, the source and the seconds of every picture and frame. Raises UsageError
        when another process writes the same table, and when there is nothing to resume.
        """
        if self.detect:
            embedder.find_detector()  # raises its errors before any file is written
        with ExitStack() as stack:
            try:
                stack.enter_context(atomic.locked(self.out))
            except BlockingIOError:
                raise UsageError(f"Another process is writing {self.out}. Wait for it, or name another file.") from None
            return self._run(embedder, resume, progress)

    def _run(self, embedder: Embedder, resume: bool, progress: Progress | None) -> tuple[Counts, int]:
        facts = facts_of(self.sources, embedder, self.options, self.detect)
        schema = tables.with_carried(tables.SCHEMA, self.carried).with_metadata({"tfaffect": json.dumps(facts)})
        parts = Parts(self.out, schema)
        if resume and not parts.exist() and self.out.exists():
            raise UsageError(f"{self.out} is complete: there is nothing to resume.")
        for path in self.files:
            atomic.remove_unfinished(path)
        first = parts.resume(facts) if resume and parts.exist() else parts.start(facts)
        done = self._write_parts(embedder, parts, first, progress)
        rows, facts = self._for_population(parts, embedder.contract, facts)
        schema = schema.with_metadata({"tfaffect": json.dumps(facts)})
        counts = self._write_outputs(rows, schema, embedder.contract, facts)
        if done == len(self.sources):
            parts.remove()
        return replace(counts, estimated=facts.get(ESTIMATED)), done

    def _for_population(self, parts: Parts, contract: Contract, facts: dict[str, Any]) -> tuple[Rows, dict[str, Any]]:
        """Return the rows turned to the class shares that are estimated from them, and the facts with these shares."""
        if self.options.prior != priors.ESTIMATE:
            return parts, facts
        shares = estimate(parts, contract)
        if shares is None:
            return parts, {**facts, ESTIMATED: None}
        turned = Turned(parts, priors.answer_shares(contract), shares, self.options.abstain)
        return turned, {**facts, ESTIMATED: priors.named(shares)}

    def _write_parts(self, embedder: Embedder, parts: Parts, first: int, progress: Progress | None) -> int:
        """Write the rows of all sources from `first` on; return the number of complete sources."""
        writer = PartWriter(parts, first)
        numbered = list(enumerate(self.sources))[first:]
        samples = embedder.describe(numbered, self.options, self.detect, keep_pictures=self.annotate is not None)
        files = AnnotatedFiles(self.annotate, self.sources, self.blur) if self.annotate else nullcontext()
        with stop_signals() as stop_requested, closing(samples), files as annotated:
            for sample in samples:
                if annotated:
                    annotated.add(sample)  # first, because a source is complete only when its drawing is
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

    def _write_outputs(self, parts: Rows, schema: pa.Schema, contract: Contract, facts: dict[str, Any]) -> Counts:
        batches, known = parts.batches(), columns.ROWS
        if self.layout == "fex":
            batches, known = fex.to_fex(batches, self.carried), columns.FEX
            schema = tables.with_carried(fex.SCHEMA, self.carried).with_metadata(schema.metadata)
        with atomic.write_file(self.out) as partial:
            tables.writer(self.out)(partial, schema, batches)
        write_dictionary(self.out, schema, known, self.carried, contract, facts)
        if not self.windows:
            for path in (self.windows_out, dictionary_of(self.windows_out)):
                path.unlink(missing_ok=True)  # of an earlier run that is replaced
        else:
            schema = tables.with_carried(tables.WINDOW_SCHEMA, self.carried)
            found = window_batches(parts.batches(), *self.windows, schema)
            with atomic.write_file(self.windows_out) as partial:
                tables.writer(self.out)(partial, schema, found)
            lengths = dict(zip(("window_seconds", "hop_seconds"), self.windows, strict=True))
            write_dictionary(self.windows_out, schema, columns.WINDOWS, self.carried, contract, {**facts, **lengths})
        if self.timeline:
            self._draw_timelines(parts)
        if self.nova or self.elan:
            self._write_annotations(parts, contract.trained)
        return count(parts.batches())

    def _write_annotations(self, parts: Rows, trained: Sequence[str]) -> None:
        nova, elan, abstain = self.nova_names, self.elan_names, self.options.abstain
        for number, video in with_numbers(videos(parts.batches(), COLUMNS), self.sources):
            series = read_series(video)
            if nova:
                write_nova(nova.start(number), series, trained, abstain)
            if elan:
                write_elan(elan.start(number), self.sources[number].path, series, trained, abstain)

    def _draw_timelines(self, parts: Rows) -> None:
        names = [Path(video.path).stem for video in videos(parts.batches(), AFFECT)]
        with_values = videos(parts.batches(), (*PROBABILITIES, *AFFECT))
        for video, path in zip(with_values, self.timelines(len(names), names), strict=True):
            with atomic.write_file(path) as partial:
                _draw_timeline(video, partial)


def facts_of(sources: Sequence[Source], embedder: Embedder, options: Options, detect: bool) -> dict[str, Any]:
    """Return everything that rows depend on; it is also stored in the metadata of a Parquet file."""
    listed = json.dumps([[source.name, dict(source.carried)] for source in sources])
    return {
        "model": embedder.contract.weights_sha256,
        "inputs": f"{len(sources)} ({hashlib.sha256(listed.encode()).hexdigest()[:12]})",
        "detect_sides": embedder.detect_sides if detect else None,
        "min_score": embedder.min_score if detect else None,
        **asdict(options),
        "prior": priors.named(options.prior) if isinstance(options.prior, tuple) else options.prior,
    }


def window_batches(
    rows: Iterable[pa.RecordBatch], seconds: float, hop: float, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield the windows of the videos in a table of rows."""
    for video in videos(rows, tables.VALUES):
        found = windows(video.frames, seconds, hop)
        while some := list(islice(found, WINDOWS_AT_ONCE)):
            yield tables.to_window_batch(some, video.path, video.carried, schema)


def _draw_timeline(video: Video, path: Path) -> None:
    from tfaffect.features.timeline import draw_timeline

    no_face = {np.nan: np.full(len(PROBABILITIES) + len(AFFECT), np.nan)}
    lines = [(time, track, *values) for time, faces in video.frames for track, values in (faces or no_face).items()]
    seconds, tracks, *values = np.array(lines, float).T
    expression, affect = np.stack(values[: len(PROBABILITIES)], axis=1), values[len(PROBABILITIES) :]
    draw_timeline(video.path, seconds, tracks, expression, *affect).savefig(path, dpi=150)


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
