"""From a raw corpus to its records: read, split, make every record, count, and write everything or nothing."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import SPLITS
from tfaffect.media.detector import FaceDetector, find_weights
from tfrecords_builders import beam as pipelines
from tfrecords_builders import builder, repacks, twins
from tfrecords_builders.assignment import assign_splits
from tfrecords_builders.base import Corpus, Face, RawFolderError, Skip
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.reading import read_annotations
from tfrecords_builders.record import Fields, FindFaces, Maker, stored_fields
from tfrecords_builders.twins import Outcomes
from tfrecords_builders.workers import Outcome, worker_pool


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

    keep_twins: keep faces whose group or picture is in a later split as well.
    max_skipped: largest share of annotations that could not be read or matched; the corpus's own share when None.
    workers: processes that decode, crop and encode; the records are the same for any number.
    face_detector: the weights of the face detector, or another detector; used only where a corpus has no face boxes.
    beam: runner and options of Apache Beam, which then makes the records on its own workers.
    progress: called with the number of faces done and their total.

    Raises UsageError when the records exist already (unless `overwrite`), when no face is left, when two faces have
    the same key, and when more annotations than `max_skipped` could not be read or matched.
    """
    target = _free_target(corpus, records, overwrite)
    counts = BuildCounts()
    annotated = _read_or_name_repack(corpus, raw, counts)
    faces = assign_splits(corpus, annotated, counts, keep_twins)
    _check_usable(corpus, faces, raw, counts)
    warnings = [*repacks.recognise(counts.official, raw), *_lost_splits(faces, counts)]
    maker = Maker(corpus.expressions, corpus.affect_range, _detector(faces, face_detector))
    by_split = {split: chosen for split in SPLITS if (chosen := [face for face in faces if face.split == split])}
    with _build_folder(records, corpus.name) as folder:
        if beam:
            written, outcomes = _write_with_beam(corpus, maker, by_split, folder, beam)
        else:
            written, outcomes = _write_with_workers(corpus, maker, by_split, folder, workers, counts, progress)
        tagged, removed = twins.settle(faces, outcomes, counts, corpus.expressions, keep_twins)
        if reason := counts.failure(corpus.max_skipped if max_skipped is None else max_skipped):
            raise UsageError(f"{reason}\nIs {corpus.name} unpacked completely? Nothing was written.")
        if tagged or removed:
            written = _write_again(corpus, written, by_split, folder, tagged, removed)
        report = _report(corpus, keep_twins, warnings, counts)
        _move(written, target, folder, report)
    return report


def _free_target(corpus: Corpus, records: Path, overwrite: bool) -> Path:
    """Return the folder of the records. Raises UsageError if it exists and must not be replaced."""
    target = records / corpus.name / corpus.version
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already. Use it as it is, or build it again with --overwrite.")
    return target


def _report(corpus: Corpus, keep_twins: bool, warnings: list[str], counts: BuildCounts) -> dict[str, Any]:
    return {
        "corpus": corpus.name,
        "version": corpus.version,
        "options": {"keep_twins": keep_twins, **(asdict(corpus) if is_dataclass(corpus) else {})},
        "licence": corpus.licence,
        "warnings": warnings,
        **counts.report(corpus.published),
    }


def _move(written: Path, target: Path, folder: Path, report: dict[str, Any]) -> None:
    """Give complete records their final name, with the report beside them. Earlier ones go into `folder`."""
    (written / "build_report.json").write_text(json.dumps(report, indent=2) + "\n")
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target.rename(folder / "replaced")
    written.rename(target)


def _lost_splits(faces: list[Face], counts: BuildCounts) -> Iterator[str]:
    """Yield a warning for every split whose faces are all left out, because their groups are in later splits."""
    for split in SPLITS:
        if counts.annotated[split, ""] and split not in {face.split for face in faces}:
            yield (
                f"There is no {split} split: the groups of all its faces ({counts.annotated[split, '']:,}) are in a "
                "later split as well. Give every group to one split, or keep all faces with --keep-twins."
            )


def _detector(faces: list[Face], given: Path | FindFaces | None) -> FindFaces | None:
    if callable(given) or not any(face.detect for face in faces):
        return given if callable(given) else None
    return FaceDetector(find_weights(given))


def _read_or_name_repack(corpus: Corpus, raw: Path, counts: BuildCounts) -> list[Face]:
    """Return the annotated faces. Where the files of the release are missing, the error names a known re-pack."""
    try:
        return read_annotations(corpus, raw, counts)
    except RawFolderError as error:
        if found := repacks.recognise(repacks.sizes_of_folders(raw), raw):
            raise UsageError("\n".join([*found, "", str(error)])) from error
        raise


def _examples(
    made: Iterator[Outcome], split: str, outcomes: Outcomes, counts: BuildCounts, step: Callable[[], None]
) -> Iterator[tuple[str, Fields]]:
    """Yield key and fields of every record of a split, and add what became of each face to `outcomes`."""
    records = 0
    for face, outcome in made:
        outcomes[face.key] = twins.summary(outcome)
        step()
        if not isinstance(outcome, Skip):
            records += 1
            yield face.key, stored_fields(outcome)
    if not records:  # TFDS cannot write an empty split
        for lost in outcomes.values():
            if isinstance(lost, Skip):
                counts.skip(lost)
        raise UsageError(f"No face of the {split} split gave a record.\n{counts.reasons()}")


def _write_with_workers(
    corpus: Corpus,
    maker: Maker,
    by_split: dict[str, list[Face]],
    folder: Path,
    workers: int,
    counts: BuildCounts,
    progress: Callable[[int, int], None],
) -> tuple[Path, Outcomes]:
    """Write the records with processes of this machine. Return their folder, and what became of every face."""
    outcomes: Outcomes = {}
    total = sum(map(len, by_split.values()))

    def step() -> None:
        progress(len(outcomes), total)

    with worker_pool(workers) as run:
        examples = {
            split: _examples(run(maker, part), split, outcomes, counts, step) for split, part in by_split.items()
        }
        return builder.write(corpus, examples, folder), outcomes


def _write_with_beam(
    corpus: Corpus, maker: Maker, by_split: dict[str, list[Face]], folder: Path, beam: tuple[str, Sequence[str]]
) -> tuple[Path, Outcomes]:
    """Write the records with Apache Beam. Return their folder, and what became of every face."""
    runner, given = beam
    settings = pipelines.options(given)
    examples = {split: pipelines.transform(maker, faces, folder, split) for split, faces in by_split.items()}
    written = builder.write(corpus, examples, folder, (runner, settings))
    outcomes: Outcomes = {}
    for split in by_split:
        outcomes.update(pipelines.outcomes(folder, split))
    return written, outcomes


def _write_again(
    corpus: Corpus, written: Path, splits: Iterable[str], folder: Path, tagged: set[str], removed: set[str]
) -> Path:
    """Write the records once more: without those to be removed, and with the tag of the other twins."""
    stored = {split: builder.read(written, split) for split in splits}
    examples = {split: twins.corrected(part, tagged, removed) for split, part in stored.items()}
    return builder.write(corpus, examples, folder / "again")


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
