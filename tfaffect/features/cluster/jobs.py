"""Starts a job on an output folder, and does the tasks of one shard."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError
from tfaffect.features import columns, tables
from tfaffect.features.cluster.folder import COLUMNS, PIECES, ROWS, WINDOW_COLUMNS, WINDOWS, Folder
from tfaffect.features.cluster.report import write_report
from tfaffect.features.cluster.stores import check_place
from tfaffect.features.cluster.units import Task, Unit, tasks, units
from tfaffect.features.cluster.work import StopRequestedError, Work
from tfaffect.features.dictionary import write_dictionary
from tfaffect.features.embedder import Embedder
from tfaffect.features.job import Progress, facts_of
from tfaffect.features.sample import Options
from tfaffect.features.source import Source
from tfaffect.files import buckets, remote
from tfaffect.training.interruption import stop_signals


def check(out: Path, windows: tuple[float, float] | None, piece_minutes: float | None) -> None:
    """Raise UsageError for what would fail later."""
    for name, value in zip(("window", "hop"), windows or (), strict=False):
        if not 0 < value < math.inf:
            raise UsageError(f"{name} must be more than 0 seconds. Received: {name}={value}.")
    if piece_minutes is not None and not 0 < piece_minutes < math.inf:
        raise UsageError(f"--piece-minutes must be more than 0. Received: {piece_minutes}.")
    check_place(out)
    shown = remote.address(out) or out
    if out.suffix.lower() in tables.WRITERS or out.is_file():
        raise UsageError(f"With --shard or --beam-runner, --out is a folder that all jobs share. Received: {shown}.")
    try:
        if remote.address(out):
            buckets.check_writable(out / ".start")
        if Folder(out).is_foreign():
            raise UsageError(f"{shown} is not empty, and no output of such a job. Name a new folder.")
    except remote.RemoteError as error:
        raise UsageError(f"{shown} cannot be written: {error.strerror}. Name another folder.") from error


def start(
    out: Path,
    sources: Sequence[Source],
    embedder: Embedder,
    options: Options,
    detect: bool,
    windows: tuple[float, float] | None,
    piece_minutes: float | None,
) -> tuple[Work, list[Unit]]:
    """Return the work and all units of a folder. The first job writes them down, and the others read them.

    Raises UsageError for a folder with rows of other inputs, of another model or with other options.
    """
    folder, facts = Folder(out), facts_of(sources, embedder, options, detect)
    lengths = dict(zip(("window_seconds", "hop_seconds"), windows or (None, None), strict=True))
    facts = json.loads(json.dumps({**facts, **lengths, "piece_minutes": piece_minutes}))
    carried = tuple(dict.fromkeys(name for source in sources for name in source.carried))
    work = Work(folder, sources, options, detect, windows, carried, facts)
    with folder.lock("start", wait=True):
        folder.remove_unfinished()
        if (before := folder.read_facts() or _write_dictionary(work, embedder, ROWS)) is not None:
            _check_same(folder, before, facts)
        if windows and not folder.store.exists(out / WINDOW_COLUMNS):
            _write_dictionary(work, embedder, WINDOWS)
        if (found := folder.read_units()) is None:  # it is new, or a job was killed here
            folder.write_units(units(sources, options, piece_minutes), sources)
            found = folder.read_units() or []
    return work, found


def shard_of(units: Sequence[Unit], shard: tuple[int, int]) -> list[Task]:
    """Return the tasks of one shard: every N-th from the I-th on, so that neighbours are in different shards."""
    number, count = shard
    return tasks(units)[number - 1 :: count]


@contextmanager
def alone(folder: Folder, mine: Sequence[Task], shard: tuple[int, int], resume: bool) -> Iterator[list[Task]]:
    """Keep other processes from the same shard, and yield its tasks whose files are not there.

    Raises UsageError when another process does this shard, and for a shard with files without `resume`.
    """
    number, count = shard
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.claim(f"shard-{number}-of-{count}", take_over=resume))
        except BlockingIOError as error:
            raise UsageError(f"Another process does shard {number}/{count} of {folder}. {error}") from None
        left = lacking(folder, mine)
        if len(left) < len(mine) and not resume:
            raise UsageError(
                f"{folder} has rows of shard {number}/{count}. Add --resume to do what lacks, or remove it."
            )
        yield left


def lacking(folder: Folder, among: Sequence[Task]) -> list[Task]:
    """Return the tasks whose files are not there."""
    complete, pieces = set(folder.complete({task.unit: None for task in among})), folder.names(PIECES)
    return [task for task in among if task.unit not in complete and folder.piece(task).name not in pieces]


def run(work: Work, left: Sequence[Task], embedder: Embedder, progress: Progress | None = None) -> int:
    """Do tasks until a signal asks to stop; return how many are done."""
    done = 0
    with stop_signals() as stop_requested:
        try:
            for _ in work.do(left, embedder, progress, stop_requested):
                done += 1
        except StopRequestedError:
            pass
    return done


def complete(work: Work, units: Sequence[Unit], mine: Sequence[Task]) -> tuple[list[Unit], bool]:
    """Return the complete units of some tasks, and whether all units of the folder are complete.

    When they are, the report is written.
    """
    work.finish_videos(mine)  # a job may have been killed after the last piece
    found = work.folder.complete(units)
    if len(found) == len(units):
        write_report(work.folder, units)
    of_tasks = {task.unit for task in mine}
    return [unit for unit in found if unit in of_tasks], len(found) == len(units)


def _check_same(folder: Folder, before: dict[str, Any], facts: dict[str, Any]) -> None:
    changed = [name for name in facts if facts[name] != before.get(name)]
    if changed:
        received = "; ".join(f"{name} was {before.get(name)}, is {facts[name]}" for name in changed)
        raise UsageError(
            f"{folder} has rows of other inputs, of another model or with other options. Name a new folder. "
            f"Received: {received}."
        )


def _write_dictionary(work: Work, embedder: Embedder, kind: str) -> dict[str, Any] | None:
    """Write the data dictionary of rows or windows.

    Returns the facts of the job that has done so at the same time, None if there is none.
    """
    name, known, schema = {
        ROWS: (COLUMNS, columns.ROWS, work.schema),
        WINDOWS: (WINDOW_COLUMNS, columns.WINDOWS, work.window_schema),
    }[kind]
    try:
        with work.folder.write(work.folder.path / name, new=kind == ROWS) as partial:
            described = (known, work.carried, embedder.contract, work.facts)
            write_dictionary(Path(kind, "*.parquet"), schema, *described, to=partial)
    except FileExistsError:
        return work.folder.read_facts()
    return None
