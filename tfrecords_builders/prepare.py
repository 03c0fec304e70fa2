"""From a raw corpus to its records: read, split, make every record, count, and write all or nothing."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass, replace
from functools import partial
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import SPLITS
from tfaffect.media.detector import FaceDetector, find_weights
from tfrecords_builders import beam as pipelines
from tfrecords_builders import builder, splits
from tfrecords_builders.base import Corpus, Face, Note, Skip
from tfrecords_builders.build_counts import LATER_TWIN, BuildCounts
from tfrecords_builders.record import FindFaces, Maker
from tfrecords_builders.workers import Outcome, crew

TWIN = "twin"
"""The tag of a face whose group is in another split as well."""


def prepare(
    corpus: Corpus,
    raw: Path,
    records: Path,
    *,
    keep_twins: bool = False,
    max_skipped: float | None = None,
    overwrite: bool = False,
    workers: int = 1,
    face_detector: Path | FindFaces | None = None,
    beam: tuple[str, Sequence[str]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Write `records/<corpus>/<version>/` and return its build report, which lies there as build_report.json.

    Nothing appears under that name before it is whole. `workers` processes decode, crop and encode; the records are the
    same for any number. `face_detector` is a local copy of the detector's weights, or another detector; it is asked for
    where a corpus has no boxes. `beam` names a runner and options of Apache Beam, which then makes the records on its
    own workers. `progress` is called with the faces done and their total. Raises UsageError when the records exist
    already (unless `overwrite`), when no face is left, when two have one key, or when more than `max_skipped` of the
    annotations gave no record that should have given one (the corpus's own share when not given).
    """
    target = records / corpus.name / corpus.version
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already. Use it as it is, or build it again with --overwrite.")
    counts = BuildCounts()
    faces = assign_splits(corpus, annotations(corpus, raw, counts), counts, keep_twins)
    _refuse_unusable(corpus, faces, raw, counts)
    maker = Maker(corpus.expressions, corpus.affect_range, _detector(faces, face_detector))
    by_split = {split: chosen for split in SPLITS if (chosen := [face for face in faces if face.split == split])}
    with _workplace(records, corpus.name) as folder:
        if beam:
            written = _write_on_beam(corpus, maker, by_split, counts, folder, beam)
        else:
            step = partial(progress, total=len(faces))
            written = _write_here(corpus, maker, by_split, counts, folder, workers, step)
        if reason := counts.refused(corpus.max_skipped if max_skipped is None else max_skipped):
            raise UsageError(f"{reason}\nIs {corpus.name} unpacked whole? Nothing was written.")
        report = {
            "corpus": corpus.name,
            "version": corpus.version,
            "options": {"keep_twins": keep_twins, **options(corpus)},
            **counts.report(corpus.published),
        }
        (written / "build_report.json").write_text(json.dumps(report, indent=2) + "\n")
        _move(written, target, folder)
    return report


def options(corpus: Corpus) -> dict:
    """Return the options that a corpus was prepared with."""
    return asdict(corpus) if is_dataclass(corpus) else {}


def _detector(faces: list[Face], given: Path | FindFaces | None) -> FindFaces | None:
    if callable(given) or not any(face.detect for face in faces):
        return given if callable(given) else None
    return FaceDetector(find_weights(given))


def annotations(corpus: Corpus, raw: Path, counts: BuildCounts) -> list[Face]:
    """Read every annotation, counting skips and defects; no picture is decoded unless the corpus must."""
    faces = []
    for item in corpus.faces(raw):
        if isinstance(item, Face):
            item = _legal(corpus, item)
        if isinstance(item, Skip):
            counts.skip(item)
        elif isinstance(item, Note):
            counts.notes[item.defect] += 1
        else:
            faces.append(item)
            counts.count_official(item, corpus.expressions)
    return faces


def _legal(corpus: Corpus, face: Face) -> Face | Skip:
    """A label that the corpus's own facts do not allow costs the face, not the build."""
    votes = face.expression if isinstance(face.expression, dict) else {face.expression: 1}
    if face.expression is not None and not set(votes) <= set(corpus.expressions):
        return Skip("class code that the corpus's table does not have")
    low, high = corpus.affect_range
    values = [value for value in (face.valence, face.arousal) if value is not None]
    if not all(low - 1e-6 <= value <= high + 1e-6 for value in values):
        return Skip(f"valence or arousal outside of [{low:g}, {high:g}]")
    return face


def assign_splits(corpus: Corpus, faces: list[Face], counts: BuildCounts, keep_twins: bool) -> list[Face]:
    """Give every face its split so that no group is in two.

    Official splits stand; where they hold one group twice, its faces are tagged and only the latest split keeps them
    (test is never touched), unless `keep_twins`. Where they are train and test alone, validation is carved from train.
    Without official splits, groups are drawn.
    """
    faces = _drawn(corpus, faces)
    groups, given = [face.group for face in faces], [face.split for face in faces]
    twins = splits.straddling(groups, given)
    faces = [replace(face, tags=(*face.tags, TWIN)) if face.group in twins else face for face in faces]
    faces = _carved(corpus, faces, twins)
    latest = splits.latest(groups, [face.split for face in faces])
    for face in faces:
        counts.count(counts.annotated, face)
    kept = [face for face in faces if keep_twins or face.split == latest[face.group]]
    for _ in range(len(faces) - len(kept)):
        counts.skip(LATER_TWIN)
    assert keep_twins or not splits.straddling([face.group for face in kept], [face.split for face in kept])
    return kept


def _drawn(corpus: Corpus, faces: list[Face]) -> list[Face]:
    official = {face.split for face in faces}
    if official - {None, *SPLITS} or (None in official and len(official) > 1):
        raise UsageError(f"Either all faces have a split of {SPLITS} or none. Received: {sorted(map(str, official))}.")
    if official != {None}:
        return faces
    split_of = splits.draw([face.group for face in faces], corpus.shares)
    return [replace(face, split=split_of[face.group]) for face in faces]


def _carved(corpus: Corpus, faces: list[Face], twins: set[str]) -> list[Face]:
    """Move some of train's groups to validation, stratified by class, where the corpus has train and test alone."""
    train = [face for face in faces if face.split == "train" and face.group not in twins]
    if {face.split for face in faces} != {"train", "test"} or not train:
        return faces
    moved = splits.carve([face.group for face in train], [_stratum(face) for face in train], corpus.validation_share)
    return [
        replace(face, split="validation") if face.split == "train" and face.group in moved else face for face in faces
    ]


def _stratum(face: Face) -> str:
    votes = face.expression if isinstance(face.expression, dict) else {face.expression: 1}
    return str(max(votes, key=votes.get))


def _write_here(
    corpus: Corpus, maker: Maker, by_split: dict[str, list[Face]], counts: BuildCounts, folder: Path, workers: int, step
) -> Path:
    with crew(workers) as run:
        examples = {split: _settled(run(maker, faces), split, counts, maker, step) for split, faces in by_split.items()}
        return builder.write(corpus, examples, folder)


def _settled(outcomes: Iterator[Outcome], split: str, counts: BuildCounts, maker: Maker, step) -> Iterator:
    """Yield key and fields of every record of a split, counting them and the faces that give none."""
    for face, outcome in outcomes:
        counts.settle(face, outcome, maker.expressions)
        step(counts.done)
        if not isinstance(outcome, Skip):
            yield face.key, outcome
    if not counts.written[split, ""]:
        raise UsageError(f"Not one face of the {split} split gave a record.\n{counts.reasons()}")


def _write_on_beam(
    corpus: Corpus,
    maker: Maker,
    by_split: dict[str, list[Face]],
    counts: BuildCounts,
    folder: Path,
    beam: tuple[str, Sequence[str]],
) -> Path:
    runner, words = beam
    settings = pipelines.options(words)
    examples = {split: pipelines.transform(maker, faces, folder, split) for split, faces in by_split.items()}
    written = builder.write(corpus, examples, folder, (runner, settings))
    for split, faces in by_split.items():
        lost = pipelines.skipped(folder, split)
        for face in faces:
            counts.settle(face, lost.get(face.key), maker.expressions)
    return written


def _refuse_unusable(corpus: Corpus, faces: list[Face], raw: Path, counts: BuildCounts) -> None:
    if not faces:
        raise UsageError(f"Not one usable face of {corpus.name} below {raw}.\n{counts.reasons()}")
    if repeated := [key for key, times in Counter(face.key for face in faces).items() if times > 1]:
        raise UsageError(f"{len(repeated)} keys of {corpus.name} are not unique, such as {repeated[0]!r}.")


@contextmanager
def _workplace(records: Path, name: str) -> Iterator[Path]:
    """A folder that no reader takes for records, gone at the end; one build of a corpus at a time."""
    records.mkdir(parents=True, exist_ok=True)
    folder = records / f".building-{name}"
    with ExitStack() as stack:
        try:
            stack.enter_context(atomic.locked(records / name))
        except BlockingIOError:
            raise UsageError(
                f"Another process is building {name} in {records}. Wait for it, or name another folder."
            ) from None
        shutil.rmtree(folder, ignore_errors=True)  # of a build that was killed
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _move(source: Path, target: Path, workplace: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target.rename(workplace / "replaced")
    source.rename(target)
