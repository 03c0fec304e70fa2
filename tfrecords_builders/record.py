"""One face to the fields of one record: decode, crop, shrink, encode, rescale. No TensorFlow: workers start fast."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfaffect import faces
from tfaffect.labels import AFFECT, CLASSES, Expression
from tfrecords_builders.base import Face, Skip

LONGEST_SIDE = 288  # pixels: a fifth more than the network's 240, room for the crops of augmentation


def _shrink(picture: np.ndarray) -> np.ndarray:
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


Fields = dict[str, object]


def make(face: Face, expressions: Mapping[object, Expression], affect_range: tuple[float, float]) -> Fields | Skip:
    """Return the fields of a face's record, or why there are none.

    Raises KeyError and ValueError for annotations outside of the corpus's own facts.
    """
    try:
        picture = face.image() if callable(face.image) else faces.read(face.image)
        picture = picture if face.box is None else faces.crop(picture, face.box)
    except OSError:
        return Skip("picture file missing or unreadable")
    except faces.UnreadablePictureError:
        return Skip("picture cannot be decoded")
    except faces.EmptyBoxError:
        return Skip("box outside the picture or of no area")
    return {
        "image": faces.encode(_shrink(picture)),
        "expression": distribution(face.expression, expressions),
        **{name: affect(getattr(face, name), affect_range) for name in AFFECT},
        "tags": ",".join(face.tags),
        **{name: getattr(face, name) for name in ("key", "group", "sex", "age", "ethnicity")},
    }
