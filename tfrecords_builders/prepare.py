"""From a raw corpus to its records: read, split, make every record, count, and write everything or nothing."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import SPLITS
from tfaffect.media.detector import FaceDetector, find_weights
from tfrecords_builders import beam as pipelines
from tfrecords_builders import builder, splits
from tfrecords_builders.base import Corpus, Face, Note, Skip
from tfrecords_builders.build_counts import LATER_TWIN, BuildCounts
from tfrecords_builders.record import FindFaces, Maker, votes
from tfrecords_builders.workers import Outcome, worker_pool

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
) -> dict[str, Any]:
    """Write `records/<corpus>/<version>/` and return its build report, which is stored there as build_report.json.

    The folder appears under that name only when it is complete.

    keep_twins: keep faces whose group the official splits hold again in a later split.
    max_skipped: largest share of annotations that may give no record; the corpus's own share when None.
    workers: processes that decode, crop and encode; the records are the same for any number.
    face_detector: the weights of the face detector, or another detector; used only where a corpus has no face boxes.
    beam: runner and options of Apache Beam, which then makes the records on its own workers.
    progress: called with the number of faces done and their total.

    Raises UsageError when the records exist already (unless `overwrite`), when no face is left, when two faces have
    the same key, and when more annotations than `max_skipped` gave no record.
    """
    target = records / corpus.name / corpus.version
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already. Use it as it is, or build it again with --overwrite.")
    counts = BuildCounts()
    faces = assign_splits(corpus, read_annotations(corpus, raw, counts), counts, keep_twins)
    _check_usable(corpus, faces, raw, counts)
    maker = Maker(corpus.expressions, corpus.affect_range, _detector(faces, face_detector))
    by_split = {split: chosen for split in SPLITS if (chosen := [face for face in faces if face.split == split])}
    with _build_folder(records, corpus.name) as folder:
        if beam:
            written = _write_with_beam(corpus, maker, by_split, counts, folder, beam)
        else:
            with worker_pool(workers) as run:
                examples = {
                    split: _examples(run(maker, part), split, counts, maker, lambda done: progress(done, len(faces)))
                    for split, part in by_split.items()
                }
                written = builder.write(corpus, examples, folder)
        if reason := counts.failure(corpus.max_skipped if max_skipped is None else max_skipped):
            raise UsageError(f"{reason}\nIs {corpus.name} unpacked completely? Nothing was written.")
        report = {
            "corpus": corpus.name,
            "version": corpus.version,
            "options": {"keep_twins": keep_twins, **(asdict(corpus) if is_dataclass(corpus) else {})},
            **counts.report(corpus.published),
        }
        (written / "build_report.json").write_text(json.dumps(report, indent=2) + "\n")
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            target.rename(folder / "replaced")
        written.rename(target)
    return report


def _detector(faces: list[Face], given: Path | FindFaces | None) -> FindFaces | None:
    if callable(given) or not any(face.detect for face in faces):
        return given if callable(given) else None
    return FaceDetector(find_weights(given))


def read_annotations(corpus: Corpus, raw: Path, counts: BuildCounts) -> list[Face]:
    """Return every annotated face, and count skips and notes. No picture is decoded unless the corpus must do so."""
    faces = []
    for item in corpus.faces(raw):
        if isinstance(item, Face):
            item = _check_labels(corpus, item)
        if isinstance(item, Skip):
            counts.skip(item)
        elif isinstance(item, Note):
            counts.notes[item.defect] += 1
        else:
            faces.append(item)
            counts.count_official(item, corpus.expressions)
    return faces


def _check_labels(corpus: Corpus, face: Face) -> Face | Skip:
    """Return a Skip for labels that the corpus's facts do not allow: such a label costs the face, not the build."""
    if not set(votes(face.expression)) <= set(corpus.expressions):
        return Skip("class code is not in the corpus's table")
    low, high = corpus.affect_range
    values = [value for value in (face.valence, face.arousal) if value is not None]
    if not all(low - 1e-6 <= value <= high + 1e-6 for value in values):
        return Skip(f"valence or arousal outside [{low:g}, {high:g}]")
    return face


def assign_splits(corpus: Corpus, faces: list[Face], counts: BuildCounts, keep_twins: bool) -> list[Face]:
    """Return the faces with a split each, so that no group is in two splits.

    Official splits are kept. Where they hold a group twice, its faces are tagged and only the latest split keeps them,
    so that test stays complete; with `keep_twins` all are kept. Where the official splits are only train and test,
    validation is drawn from train. Without official splits, groups are drawn.
    """
    faces = _with_drawn_splits(corpus, faces)
    groups, given = [face.group for face in faces], [face.split for face in faces]
    twins = splits.groups_in_several_splits(groups, given)
    faces = [replace(face, tags=(*face.tags, TWIN)) if face.group in twins else face for face in faces]
    faces = _with_drawn_validation(corpus, faces, twins)
    latest = splits.latest_split(groups, [face.split for face in faces])
    for face in faces:
        counts.count(counts.annotated, face)
    kept = [face for face in faces if keep_twins or face.split == latest[face.group]]
    for _ in range(len(faces) - len(kept)):
        counts.skip(LATER_TWIN)
    assert keep_twins or not splits.groups_in_several_splits([f.group for f in kept], [f.split for f in kept])
    return kept


def _with_drawn_splits(corpus: Corpus, faces: list[Face]) -> list[Face]:
    official = {face.split for face in faces}
    if official - {None, *SPLITS} or (None in official and len(official) > 1):
        raise UsageError(f"Either all faces have a split of {SPLITS} or none. Received: {sorted(map(str, official))}.")
    if official != {None}:
        return faces
    split_of = splits.draw([face.group for face in faces], corpus.shares)
    return [replace(face, split=split_of[face.group]) for face in faces]


def _with_drawn_validation(corpus: Corpus, faces: list[Face], twins: set[str]) -> list[Face]:
    """Move some of train's groups to validation, stratified by class, where the corpus has only train and test."""
    train = [face for face in faces if face.split == "train" and face.group not in twins]
    if {face.split for face in faces} != {"train", "test"} or not train:
        return faces
    groups, strata = [face.group for face in train], [_most_votes(face) for face in train]
    moved = splits.draw_stratified(groups, strata, corpus.validation_share)
    return [
        replace(face, split="validation") if face.split == "train" and face.group in moved else face for face in faces
    ]


def _most_votes(face: Face) -> str:
    counts = votes(face.expression)
    return str(max(counts, key=counts.__getitem__, default=None))


def _examples(
    outcomes: Iterator[Outcome], split: str, counts: BuildCounts, maker: Maker, step: Callable[[int], None]
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield key and fields of every record of a split, and count records and skips."""
    for face, outcome in outcomes:
        counts.count_outcome(face, outcome, maker.expressions)
        step(counts.done)
        if not isinstance(outcome, Skip):
            yield face.key, outcome
    if not counts.written[split, ""]:
        raise UsageError(f"No face of the {split} split gave a record.\n{counts.reasons()}")


def _write_with_beam(
    corpus: Corpus,
    maker: Maker,
    by_split: dict[str, list[Face]],
    counts: BuildCounts,
    folder: Path,
    beam: tuple[str, Sequence[str]],
) -> Path:
    runner, given = beam
    settings = pipelines.options(given)
    examples = {split: pipelines.transform(maker, faces, folder, split) for split, faces in by_split.items()}
    written = builder.write(corpus, examples, folder, (runner, settings))
    for split, faces in by_split.items():
        skipped = pipelines.skipped(folder, split)
        for face in faces:
            counts.count_outcome(face, skipped.get(face.key), maker.expressions)
    return written


def _check_usable(corpus: Corpus, faces: list[Face], raw: Path, counts: BuildCounts) -> None:
    if not faces:
        raise UsageError(f"There is no usable face of {corpus.name} below {raw}.\n{counts.reasons()}")
    if repeated := [key for key, times in Counter(face.key for face in faces).items() if times > 1]:
        raise UsageError(f"{len(repeated)} keys of {corpus.name} are not unique, for example {repeated[0]!r}.")


@contextmanager
def _build_folder(records: Path, name: str) -> Iterator[Path]:
    """A folder that is removed at the end. Its name tells readers that it holds no records. It allows one build."""
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
