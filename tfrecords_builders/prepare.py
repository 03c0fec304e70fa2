"""From a raw corpus to its records: read, split, make every record, count, and write all or nothing."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import cv2

from tfaffect.errors import UsageError
from tfaffect.labels import SPLITS
from tfrecords_builders import record, splits
from tfrecords_builders.accounts import LATER_TWIN, Accounts
from tfrecords_builders.base import Corpus, Face, Note, Skip
from tfrecords_builders.record import Fields

TWIN = "twin"
"""The tag of a face whose group is in another split as well."""

CHUNK = 32
"""Faces that a worker takes at a time."""

CHUNKS_UNDER_WAY = 64
"""Chunks handed out and not yet written: enough for dozens of workers, and 2,000 encoded faces at most."""


def prepare(
    corpus: Corpus,
    raw: Path,
    records: Path,
    *,
    keep_twins: bool = False,
    max_skipped: float = 0.1,
    overwrite: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Write `records/<corpus>/<version>/` and return its build report, which lies there as build_report.json.

    Nothing appears under that name before it is whole. `workers` processes decode, crop and encode; the records are the
    same for any number. `progress` is called with the faces done and their total. Raises UsageError when the records
    exist already (unless `overwrite`), when no face is left, when two have one key, or when more than `max_skipped` of
    the annotations gave no record.
    """
    from tfrecords_builders import builder  # TensorFlow Datasets: not needed to list corpora, nor by the workers

    target = records / corpus.name / corpus.version
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already. Use it as it is, or build it again with --overwrite.")
    accounts = Accounts()
    faces = assign_splits(corpus, annotations(corpus, raw, accounts), accounts, keep_twins)
    _refuse_unusable(corpus, faces, raw, accounts)
    filled = [split for split in SPLITS if any(face.split == split for face in faces)]
    with _workplace(records, corpus.name) as folder, _pool(workers) as pool:
        step = partial(progress, total=len(faces))
        make = partial(make_records, corpus, faces, accounts, pool, step)
        written = builder.write(corpus, filled, make, folder)
        if reason := accounts.refused(max_skipped):
            raise UsageError(f"{reason}\nIs {corpus.name} unpacked whole? Nothing was written.")
        report = {"corpus": corpus.name, "version": corpus.version, "keep_twins": keep_twins, **accounts.report()}
        (written / "build_report.json").write_text(json.dumps(report, indent=2) + "\n")
        _move(written, target, folder)
    return report


def annotations(corpus: Corpus, raw: Path, accounts: Accounts) -> list[Face]:
    """Read every annotation, counting skips and defects; no picture is decoded unless the corpus must."""
    faces = []
    for item in corpus.faces(raw):
        if isinstance(item, Skip):
            accounts.skipped[item.reason] += 1
        elif isinstance(item, Note):
            accounts.notes[item.defect] += 1
        else:
            faces.append(item)
    return faces


def assign_splits(corpus: Corpus, faces: list[Face], accounts: Accounts, keep_twins: bool) -> list[Face]:
    """Give every face its split so that no group is in two.

    Official splits stand; where they hold one group twice, its faces are tagged and only the latest split keeps them
    (test is never touched), unless `keep_twins`. Without official splits, groups are drawn.
    """
    groups = [face.group for face in faces]
    if all(face.split is None for face in faces):
        drawn = splits.draw(groups, corpus.shares)
        faces = [replace(face, split=drawn[face.group]) for face in faces]
    given = [face.split for face in faces]
    twins, latest = splits.straddling(groups, given), splits.latest(groups, given)
    faces = [replace(face, tags=(*face.tags, TWIN)) if face.group in twins else face for face in faces]
    for face in faces:
        accounts.count(accounts.annotated, face)
    kept = [face for face in faces if keep_twins or face.split == latest[face.group]]
    accounts.skipped.update({LATER_TWIN: len(faces) - len(kept)} if len(kept) < len(faces) else {})
    assert keep_twins or not splits.straddling([face.group for face in kept], [face.split for face in kept])
    return kept


def make_records(
    corpus: Corpus,
    faces: list[Face],
    accounts: Accounts,
    pool: ProcessPoolExecutor | None,
    progress: Callable[[int], None],
    split: str,
) -> Iterator[Fields]:
    """Yield the fields of every record of a split, counting them and the faces that give none."""
    make = partial(record.make, expressions=corpus.expressions, affect_range=corpus.affect_range)
    chosen = [face for face in faces if face.split == split]
    for face, fields in zip(chosen, _in_order(make, chosen, pool), strict=True):
        if isinstance(fields, Skip):
            accounts.skipped[fields.reason] += 1
        else:
            accounts.count(accounts.written, face)
            accounts.count_labels(split, fields)
            yield fields
        accounts.done += 1
        progress(accounts.done)


def _in_order(make: Callable[[Face], Fields | Skip], faces: list[Face], pool: ProcessPoolExecutor | None) -> Iterator:
    """Map over faces, in this process or in a pool's, with a bounded number of chunks under way."""
    if pool is None:
        yield from map(make, faces)
        return
    source, under_way = iter(faces), deque()
    while True:
        while len(under_way) < CHUNKS_UNDER_WAY and (chunk := list(islice(source, CHUNK))):
            under_way.append(pool.submit(_make_all, make, chunk))
        if not under_way:
            return
        yield from under_way.popleft().result()


def _make_all(make: Callable[[Face], Fields | Skip], faces: list[Face]) -> list[Fields | Skip]:
    return [make(face) for face in faces]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes and not threads: half of the time of a small face is Python's, not OpenCV's."""
    if workers == 1:
        yield None
        return
    # Spawned, because forking a process in which TensorFlow runs threads can hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _refuse_unusable(corpus: Corpus, faces: list[Face], raw: Path, accounts: Accounts) -> None:
    if not faces:
        raise UsageError(f"Not one usable face of {corpus.name} below {raw}.\n{accounts.reasons()}")
    if repeated := [key for key, times in Counter(face.key for face in faces).items() if times > 1]:
        raise UsageError(f"{len(repeated)} keys of {corpus.name} are not unique, such as {repeated[0]!r}.")


@contextmanager
def _workplace(records: Path, name: str) -> Iterator[Path]:
    """A folder that no reader takes for records, gone at the end; one build of a corpus at a time."""
    records.mkdir(parents=True, exist_ok=True)
    folder = records / f".building-{name}"
    with open(records / f".{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another process is building {name} in {records}. Wait for it, or name another folder."
            ) from None
        shutil.rmtree(folder, ignore_errors=True)  # of a build that was killed
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _move(source: Path, target: Path, workplace: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target.rename(workplace / "replaced")
    source.rename(target)
