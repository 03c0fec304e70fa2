"""Turn faces into record fields: decode, detect, crop, shrink, encode, rescale. No TensorFlow: workers start fast."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from tfaffect.labels import AFFECT, CLASSES, Expression
from tfaffect.media import faces, video
from tfaffect.media.detector import Detection
from tfrecords_builders.base import Box, Face, Frame, Skip

LONGEST_SIDE = 288  # pixels: a fifth more than the network's 240, so that augmentation can crop
NO_FACE = Skip("no face detected where one is annotated")

GREY = "grey"
"""Beside the fields of a record: whether its picture has no colour. The build report counts it; it is not stored."""

Fields = dict[str, object]
FindFaces = Callable[[np.ndarray], Sequence[Detection]]


def shrink(picture: np.ndarray) -> np.ndarray:
    """Return a crop in the size of records: the longest side is at most LONGEST_SIDE, and nothing is enlarged."""
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return faces.resize(picture, height, width)


def votes(annotation: Any) -> Mapping[Any, float]:
    """Return the votes by code: those of a face, one for a single code, or none without a class."""
    if annotation is None:
        return {}
    return annotation if isinstance(annotation, Mapping) else {annotation: 1}


def distribution(annotation: Any, expressions: Mapping[Any, Expression]) -> np.ndarray:
    """Return the distribution float32[8] of a code or of votes {code: count}; None gives zeros.

    Raises KeyError for a code that the corpus's table does not have.
    """
    masses = np.zeros(len(CLASSES), np.float32)
    for code, count in votes(annotation).items():
        masses[expressions[code]] += count
    return masses / masses.sum() if masses.any() else masses


def affect(value: float | None, affect_range: tuple[float, float]) -> np.float32:
    """Rescale a corpus's valence or arousal to [-1, 1]; None gives NaN. Raises ValueError outside that range."""
    if value is None:
        return np.float32(np.nan)
    low, high = affect_range
    if not low - 1e-6 <= value <= high + 1e-6:
        raise ValueError(f"Valence and arousal of this corpus lie in [{low}, {high}]. Received: {value}.")
    return np.float32(np.clip((2 * value - low - high) / (high - low), -1, 1))


@dataclass(frozen=True)
class Maker:
    """Makes records from faces. It holds facts of the corpus, and the face detector if one is needed."""

    expressions: Mapping[Any, Expression]
    affect_range: tuple[float, float]
    find_faces: FindFaces | None = None

    def __call__(self, faces_of_one_source: Sequence[Face]) -> list[Fields | Skip]:
        """Return the fields of each face's record, or a Skip, in the order of the faces.

        The faces share a picture or a video, which is decoded once. Raises KeyError and ValueError for labels that the
        corpus's facts do not allow.
        """
        return [
            outcome if isinstance(outcome, Skip) else self._fields(face, outcome)
            for face, outcome in zip(faces_of_one_source, self._crops(faces_of_one_source), strict=True)
        ]

    def _crops(self, faces_of_one_source: Sequence[Face]) -> Iterator[np.ndarray | Skip]:
        for people, picture in _pictures(faces_of_one_source):
            if isinstance(picture, Skip):
                yield from [picture] * len(people)
                continue
            boxes = [face.box for face in people]
            if any(face.detect for face in people):
                assert self.find_faces, "a corpus that detects faces is prepared with a detector"
                boxes = assign(people, self.find_faces(picture), picture.shape)
            for face, box in zip(people, boxes, strict=True):
                yield NO_FACE if face.detect and box is None else _crop(picture, box)

    def _fields(self, face: Face, crop: np.ndarray) -> Fields:
        picture = shrink(crop)
        return {
            "image": faces.encode(picture),
            GREY: faces.is_grey(picture),
            "expression": distribution(face.expression, self.expressions),
            **{name: affect(getattr(face, name), self.affect_range) for name in AFFECT},
            "tags": ",".join(face.tags),
            **{name: getattr(face, name) for name in ("key", "group", "sex", "age", "ethnicity")},
        }


def stored_fields(fields: Fields) -> Fields:
    """Return the fields that a record stores."""
    return {name: value for name, value in fields.items() if name != GREY}


def assign(people: Sequence[Face], detections: Sequence[Detection], shape: tuple[int, ...]) -> list[Box | None]:
    """Return a box for each face in one picture of `shape`: its own box, that of a detection, or None.

    A face with a person's box gets a detection whose centre lies in that box. A face without a box gets the largest.
    No detection is used twice, and as many faces as possible get one. Where several persons could get a detection, it
    goes to the one whose head is nearest; the head is at the top of a body box, in the middle.
    """
    from scipy.optimize import linear_sum_assignment  # imported here: it takes 0.25 s, and few corpora need it

    boxes = [None if face.detect else face.box for face in people]
    open_places = [place for place, face in enumerate(people) if face.detect]
    costs = np.array([[_cost(people[place].box, face, shape) for face in detections] for place in open_places])
    if costs.size:
        # A forbidden pair costs more than all allowed pairs together, so it is chosen only when nothing else is left.
        for row, column in zip(*linear_sum_assignment(np.minimum(costs, 1e6)), strict=True):
            if np.isfinite(costs[row, column]):
                boxes[open_places[row]] = detections[column].box
    return boxes


def _cost(person: Box | None, face: Detection, shape: tuple[int, ...]) -> float:
    if person is None:
        return 1 - face.area / (shape[0] * shape[1])
    (left, top, right, bottom), (x, y) = person, face.centre
    if not (left <= x <= right and top <= y <= bottom):
        return np.inf
    return abs(x - (left + right) / 2) / (right - left) + (y - top) / (bottom - top)


def source(face: Face) -> object:
    """Return what a face is decoded from: its picture file or video, or only itself. Equal sources share a decoder."""
    image = face.image
    return image.video if isinstance(image, Frame) else image if isinstance(image, Path) else id(face)


def _pictures(faces_of_one_source: Sequence[Face]) -> Iterator[tuple[list[Face], np.ndarray | Skip]]:
    """Yield the faces of each picture, and the picture decoded once or a Skip."""
    by_image = [(image, list(people)) for image, people in groupby(faces_of_one_source, key=lambda face: face.image)]
    frames = [image for image, _ in by_image if isinstance(image, Frame)]
    pictures: Iterator[np.ndarray | Skip] = (
        _picture(image, upright=all(face.box is None for face in people))
        for image, people in by_image
        if not isinstance(image, Frame)
    )
    if frames:
        pictures = _frames(frames[0].video, [frame.seconds for frame in frames])
    yield from zip((people for _, people in by_image), pictures, strict=True)


def _picture(image: Path | Callable[[], np.ndarray], upright: bool) -> np.ndarray | Skip:
    """Read a picture: upright as in a viewer, or as stored where boxes of the corpus refer to its pixels."""
    try:
        return image() if callable(image) else faces.read(image, upright)
    except OSError:
        return Skip("picture file missing or unreadable")
    except faces.UnreadablePictureError:
        return Skip("picture cannot be decoded")


def _frames(path: Path, seconds: list[float]) -> Iterator[np.ndarray | Skip]:
    """Yield the frame at each of some times in ascending order, or a Skip for a time after the end."""
    assert seconds == sorted(seconds), "a corpus must yield the frames of a video in ascending order"
    yielded = 0
    try:
        for _, picture in video.frames(path, seconds):
            yield Skip("video frame cannot be decoded") if picture is None else picture
            yielded += 1
        reason = "video ends before this frame"
    except video.UnreadableVideoError:
        reason = "video missing or cannot be decoded"
    yield from [Skip(reason)] * (len(seconds) - yielded)


def _crop(picture: np.ndarray, box: Box | None) -> np.ndarray | Skip:
    try:
        return picture if box is None else faces.crop(picture, box)
    except faces.EmptyBoxError:
        return Skip("box outside the picture, or without area")
