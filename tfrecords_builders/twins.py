"""Twins: records of different splits whose pictures are equal, pixel for pixel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders import splits
from tfrecords_builders.base import Face, Skip
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.record import GREY, Fields

TWIN = "twin"
"""The tag of a face whose group or picture is in another split as well."""

LATER_TWIN = Skip("same picture or group is also in a later split", intended=True)


class Made(NamedTuple):
    """What a build remembers of a record: the digest of its picture, and whether the picture is grey."""

    pixels: str
    grey: bool


Outcomes = dict[str, Skip | Made]
"""By key of the face: what is remembered of its record, or why there is no record."""


def summary(outcome: Fields | Skip) -> Skip | Made:
    """Return what is remembered of a record, or the Skip. Equal pixels in records of one size give equal files."""
    if isinstance(outcome, Skip):
        return outcome
    image = outcome["image"]
    assert isinstance(image, bytes)
    # SHA-256 is twice as fast as blake2b where the processor has instructions for it.
    return Made(sha256(image).hexdigest()[:24], bool(outcome[GREY]))


def find(faces: Sequence[Face], outcomes: Outcomes) -> tuple[set[str], set[str]]:
    """Return the keys of all twins, and of those whose picture is in a later split too.

    Equal pictures within one split, for example still frames of a video, are no twins.
    """
    made = [(face, outcome.pixels) for face in faces if isinstance(outcome := outcomes[face.key], Made)]
    pictures, given = [pixels for _, pixels in made], [face.split for face, _ in made]
    repeated = splits.groups_in_several_splits(pictures, given)
    latest = splits.latest_split(pictures, given)
    twins = {face.key for face, pixels in made if pixels in repeated}
    return twins, {face.key for face, pixels in made if face.split != latest[pixels]}


def settle(
    faces: Sequence[Face],
    outcomes: Outcomes,
    counts: BuildCounts,
    expressions: Mapping[Any, Expression],
    keep_twins: bool,
) -> tuple[set[str], set[str]]:
    """Count what became of every face, and return the keys of records to be tagged as twins and to be removed.

    The rule is that of groups: the latest split keeps its records, so that test stays complete. With `keep_twins` all
    are kept. Raises UsageError when a split would be left without records.
    """
    twins, earlier = find(faces, outcomes)
    removed = set() if keep_twins else earlier
    tagged = {face.key for face in faces if face.key in twins and TWIN not in face.tags}
    for face in faces:
        if face.key in tagged:
            face = replace(face, tags=with_tag(face.tags))
            counts.annotated[face.split, TWIN] += 1
        outcome = LATER_TWIN if face.key in removed else outcomes[face.key]
        counts.count_outcome(face, outcome, expressions)
        counts.grey[face.split] += isinstance(outcome, Made) and outcome.grey
    for split in {face.split for face in faces}:
        if not counts.written[split, ""]:
            raise UsageError(
                f"The {split} split has no record left: each of its pictures is in a later split as well. Give every "
                f"picture to one split, or keep all with --keep-twins.\n{counts.reasons()}"
            )
    return tagged, removed


def with_tag(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags with TWIN as the last, once."""
    return tuple(tags) if TWIN in tags else (*tags, TWIN)


def corrected(
    records: Iterable[Mapping[str, object]], twins: set[str], removed: set[str]
) -> Iterator[tuple[str, Fields]]:
    """Yield key and fields of stored records: without those to be removed, and with the tag of the other twins."""
    for record in records:
        key = str(record["key"])
        if key not in removed:
            tags = str(record["tags"])
            if key in twins:
                tags = ",".join(with_tag(tags.split(",") if tags else ()))
            yield key, {**record, "tags": tags}
