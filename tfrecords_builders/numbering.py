"""Keys for several faces in one picture."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tfrecords_builders.base import Face, Skip


def numbered(faces: Iterable[Face]) -> Iterator[Face | Skip]:
    """Yield the faces of one picture, with a number in the keys of all but the first. Repeated boxes are skipped."""
    boxes = set()
    for face in faces:
        if face.box in boxes:
            yield Skip("picture and box listed before")
            continue
        boxes.add(face.box)
        yield face if len(boxes) == 1 else replace(face, key=f"{face.key}#{len(boxes)}")
