"""Faces to the fields of records: decode, find, crop, shrink, encode, rescale. No TensorFlow: workers start fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from tfaffect.labels import AFFECT, CLASSES, Expression
from tfaffect.media import faces, video
from tfaffect.media.detector import Detection
from tfrecords_builders.base import Face, Frame, Skip

LONGEST_SIDE = 288  # pixels: a fifth more than the network's 240, room for the crops of augmentation
NO_FACE = Skip("no face found where one was annotated")


Fields = dict[str, object]
FindFaces = Callable[[np.ndarray], Sequence[Detection]]


def shrink(picture: np.ndarray) -> np.ndarray:
    """Return a crop as records hold it: its longest side at most LONGEST_SIDE, never enlarged."""
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return faces.resize(picture, height, width)


def distribution(annotation: object, expressions: dict) -> np.ndarray:
    """Turn a corpus's code, or its votes {code: count}, into a distribution float32[8]; None gives zeros.

    Raises KeyError for a code that the corpus's table does not have.
    """
    masses = np.zeros(len(CLASSES), np.float32)
    votes = annotation if isinstance(annotation, dict) else {} if annotation is None else {annotation: 1}
    for code, count in votes.items():
        masses[expressions[code]] += count
    return masses / masses.sum() if masses.any() else masses


def affect(value: float | None, affect_range: tuple[float, float]) -> np.float32:
    """Rescale a corpus's valence or arousal to [-1, 1]; None gives NaN. Raises ValueError outside of its range."""
    if value is None:
        return np.float32(np.nan)
    low, high = affect_range
    if not low - 1e-6 <= value <= high + 1e-6:
        raise ValueError(f"Valence and arousal of this corpus lie in [{low}, {high}]. Received: {value}.")
    return np.float32(np.clip((2 * value - low - high) / (high - low), -1, 1))


@dataclass(frozen=True)
class Maker:
    """Turns faces into records: the facts of a corpus, and a face detector where one is needed."""

    expressions: Mapping[object, Expression]
    affect_range: tuple[float, float]
    find_faces: FindFaces | None = None

    def __call__(self, faces_of_one_source: Sequence[Face]) -> list[Fields | Skip]:
        """Return the fields of each face's record, or why there are none, in the order of the faces.

        The faces share a picture or a video, which is decoded once. Raises KeyError and ValueError for annotations
        outside of the corpus's own facts.
        """
        return [
            outcome if isinstance(outcome, Skip) else self._fields(face, outcome)
            for face, outcome in zip(faces_of_one_source, self._crops(faces_of_one_source), strict=True)
        ]

    def _crops(self, chosen: Sequence[Face]) -> Iterator[np.ndarray | Skip]:
        for same, picture in _pictures(chosen):
            if isinstance(picture, Skip):
                yield from [picture] * len(same)
                continue
            boxes = [face.box for face in same]
            if any(face.detect for face in same):
                boxes = assign(same, self.find_faces(picture), picture.shape)
            for face, box in zip(same, boxes, strict=True):
                yield NO_FACE if face.detect and box is None else _crop(picture, box)

    def _fields(self, face: Face, crop: np.ndarray) -> Fields:
        return {
            "image": faces.encode(shrink(crop)),
            "expression": distribution(face.expression, self.expressions),
            **{name: affect(getattr(face, name), self.affect_range) for name in AFFECT},
            "tags": ",".join(face.tags),
            **{name: getattr(face, name) for name in ("key", "group", "sex", "age", "ethnicity")},
        }


def assign(same: Sequence[Face], found: Sequence[Detection], shape: tuple[int, ...]) -> list[faces.Box | None]:
    """Return a box for each of the faces in one picture of `shape`: its own, or one of those found, or None.

    A face with a person's box gets a detection whose centre lies in it, one without the largest; none is given twice.
    As many as possible get one, and among several persons the one whose head the detection is nearer to: a body box has
    its head at the top and in the middle.
    """
    from scipy.optimize import linear_sum_assignment  # a quarter of a second that other corpora do not need

    boxes = [None if face.detect else face.box for face in same]
    seeking = [place for place, face in enumerate(same) if face.detect]
    costs = np.array([[_distance(same[place].box, face, shape) for face in found] for place in seeking])
    if costs.size:
        # A forbidden pair costs more than all allowed pairs together, so it is taken only when nothing else is left.
        for row, column in zip(*linear_sum_assignment(np.minimum(costs, 1e6)), strict=True):
            if np.isfinite(costs[row, column]):
                boxes[seeking[row]] = found[column].box
    return boxes


def _distance(person: faces.Box | None, face: Detection, shape: tuple[int, ...]) -> float:
    if person is None:
        return 1 - face.area / (shape[0] * shape[1])
    (left, top, right, bottom), (x, y) = person, face.centre
    if not (left <= x <= right and top <= y <= bottom):
        return np.inf
    return abs(x - (left + right) / 2) / (right - left) + (y - top) / (bottom - top)


def source(face: Face) -> object:
    """Return what a face shares with others that can be decoded together: its picture file or video, or itself."""
    image = face.image
    return image.video if isinstance(image, Frame) else image if isinstance(image, Path) else id(face)


def _pictures(chosen: Sequence[Face]) -> Iterator[tuple[list[Face], np.ndarray | Skip]]:
    """Yield every picture with its faces, decoded once; a Skip in the place of one that cannot be had."""
    by_image = [(image, list(same)) for image, same in groupby(chosen, key=lambda face: face.image)]
    if isinstance(chosen[0].image, Frame):
        pictures = _frames(chosen[0].image.video, [image.seconds for image, _ in by_image])
    else:
        pictures = (_picture(image) for image, _ in by_image)
    yield from zip((same for _, same in by_image), pictures, strict=True)


def _picture(image: Path | Callable[[], np.ndarray]) -> np.ndarray | Skip:
    try:
        return image() if callable(image) else faces.read(image)
    except OSError:
        return Skip("picture file missing or unreadable")
    except faces.UnreadablePictureError:
        return Skip("picture cannot be decoded")


def _frames(path: Path, seconds: list[float]) -> Iterator[np.ndarray | Skip]:
    """Yield the frame at each of ascending times, and a Skip for each after the end."""
    assert seconds == sorted(seconds), "a corpus yields the frames of a video in ascending order"
    yielded = 0
    try:
        for _, picture in video.frames(path, seconds):
            yield picture
            yielded += 1
        reason = "video ends before this frame"
    except video.UnreadableVideoError:
        reason = "video missing or cannot be decoded"
    yield from [Skip(reason)] * (len(seconds) - yielded)


def _crop(picture: np.ndarray, box: faces.Box | None) -> np.ndarray | Skip:
    try:
        return picture if box is None else faces.crop(picture, box)
    except faces.EmptyBoxError:
        return Skip("box outside the picture or of no area")
