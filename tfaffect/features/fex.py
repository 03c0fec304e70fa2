"""The layout of Py-Feat's class Fex, version 2.1.5, so that its statistics and plots open the table.

Cheong et al., "Py-Feat: Python facial expression analysis toolbox", Affective Science 2023. The columns have the names
and the order of its Detectorv2, whose class names start with a capital letter. Columns that a Fex does not have follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from tfaffect.features import tables
from tfaffect.features.row import NO_FACE
from tfaffect.features.tables import BOX

FACE_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
EMOTIONS = {
    **{"neutral": "Neutral", "happiness": "Happy", "sadness": "Sad", "surprise": "Surprise", "fear": "Fear"},
    **{"disgust": "Disgust", "anger": "Anger", "contempt": "Contempt"},
}
"""Class -> its column. Py-Feat has no contempt: that column stands behind its own ones."""

RENAMED = {
    **{f"expression_{name}": column for name, column in EMOTIONS.items()},
    **{"path": "input", "detection_score": "FaceScore"},
}
"""Column of a row -> its name here."""

_OWN = (*FACE_BOX, "FaceScore", *list(EMOTIONS.values())[:-1], "valence", "arousal", "input", "frame", "approx_time")
_MOVED = [RENAMED.get(name, name) for name in tables.SCHEMA.names if name not in (*BOX, *tables.EMBEDDING)]
_BEHIND = [name for name in _MOVED if name not in _OWN]
_TEXTS = ("approx_time", "input", "expression", "problem")
_TYPES = {name: tables.SCHEMA.field(name).type for name in ("frame", "seconds", "face", "track")}

SCHEMA = pa.schema(
    [
        (name, pa.string() if name in _TEXTS else _TYPES.get(name, pa.float32()))
        for name in (*_OWN, *_BEHIND, *tables.EMBEDDING)
    ]
)
"""The columns of a row in this layout."""


def to_fex(batches: Iterable[pa.RecordBatch], carried: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of rows in this layout. A missing value is null, except two that Py-Feat always has.

    `frame` of a row that is not of a video is the number of its picture among the pictures and unreadable inputs.
    `FaceScore` is 0 in a picture or frame without a face.
    """
    schema = tables.with_carried(SCHEMA, carried)
    pictures = 0
    for batch in batches:
        columns = {RENAMED.get(name, name): batch.column(name) for name in batch.schema.names}
        columns |= dict(zip(FACE_BOX, _face_box(batch), strict=True))
        columns["frame"], pictures = _frames(batch, pictures)
        columns["approx_time"] = pa.array(map(_clock, batch.column("seconds").to_pylist()), pa.string())
        no_face = np.array([problem == NO_FACE for problem in batch.column("problem").to_pylist()], bool)
        score = batch.column("detection_score").to_numpy(zero_copy_only=False)
        columns["FaceScore"] = _floats(np.where(no_face, np.float32(0), score))
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _face_box(batch: pa.RecordBatch) -> list[pa.Array]:
    left, top, right, bottom = (batch.column(name).to_numpy(zero_copy_only=False) for name in BOX)
    return [_floats(values) for values in (left, top, right - left, bottom - top)]


def _floats(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float32(), from_pandas=True)


def _frames(batch: pa.RecordBatch, pictures: int) -> tuple[pa.Array, int]:
    """Return the frame numbers, and the number of pictures so far. A picture begins with face 0, or has no face."""
    frame, face = (batch.column(name).fill_null(-1).to_numpy() for name in ("frame", "face"))
    numbers = pictures - 1 + np.cumsum((frame < 0) & (face <= 0))
    last = int(numbers[-1]) + 1 if len(numbers) else pictures
    return pa.array(np.where(frame < 0, numbers, frame), pa.int64()), last


def _clock(seconds: float | None) -> str | None:
    """Return a time as Py-Feat's text: minutes and whole seconds, 01:05."""
    if seconds is None:
        return None
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
