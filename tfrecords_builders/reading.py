"""The annotations of a corpus: faces with labels that its facts allow, and counts of the rest."""

from pathlib import Path

from tfrecords_builders.base import Corpus, Face, Note, Skip
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.record import votes


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
