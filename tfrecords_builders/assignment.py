"""Give every face of a corpus a split, so that no group is in two splits."""

from dataclasses import replace

from tfaffect.errors import UsageError
from tfaffect.labels import SPLITS
from tfrecords_builders import splits
from tfrecords_builders.base import Corpus, Face
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.record import votes
from tfrecords_builders.twins import LATER_TWIN, with_tag


def assign_splits(corpus: Corpus, faces: list[Face], counts: BuildCounts, keep_twins: bool) -> list[Face]:
    """Return the faces with a split each, so that no group is in two splits.

    Official splits are kept. Where they hold a group twice, its faces are tagged and only the latest split keeps them,
    so that test stays complete; with `keep_twins` all are kept. Where the official splits are only train and test,
    validation is drawn from train. Without official splits, groups are drawn.
    """
    faces = _with_drawn_splits(corpus, faces)
    groups, given = [face.group for face in faces], [face.split for face in faces]
    twins = splits.groups_in_several_splits(groups, given)
    faces = [replace(face, tags=with_tag(face.tags)) if face.group in twins else face for face in faces]
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
