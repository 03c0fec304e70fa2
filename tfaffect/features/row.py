"""The result for one face in one picture or frame, or for a picture or frame without a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfaffect.labels import CLASSES
from tfaffect.media.faces import Box

NO_FACE = "no face"


@dataclass(frozen=True, eq=False)
class Row:
    """One face, or one picture or frame without a face: then `face` is None and `problem` gives the reason.

    source: name of the picture or video.
    frame, seconds: number (from 0) and time of a video's frame; None for a picture.
    face: number in its frame, 0 for the largest; track: number of the person in the video, None for a picture.
    box: left, top, right, bottom in pixels of the picture as displayed: upright, with square pixels. landmarks: right
    eye, left eye, nose, right and left corner of the mouth, x and y in the same pixels, nearly upright on tilted heads.
    score: the detector's confidence from 0 to 1. All three are None without face detection.
    expression: probabilities (8,); valence, arousal: in [-1, 1], NaN if the network never learned them;
    embedding: affective features (256,) in [-1, 1]. All are NaN without a face.
    abstain: lowest probability at which the most probable class is named.
    carried: other columns of the CSV that lists the source, copied to the output.
    """

    source: str
    frame: int | None = None
    seconds: float | None = None
    face: int | None = None
    track: int | None = None
    box: Box | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    score: float | None = None
    expression: np.ndarray = field(default_factory=lambda: np.full(len(CLASSES), np.nan, np.float32))
    valence: float = float("nan")
    arousal: float = float("nan")
    embedding: np.ndarray = field(default_factory=lambda: np.full(256, np.nan, np.float32))
    abstain: float = 0.0
    problem: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)

    @property
    def top_class(self) -> str | None:
        """The most probable class; None below `abstain`, without a face, or if no class was learned."""
        top = int(np.argmax(self.expression))
        return CLASSES[top] if self.expression[top] >= self.abstain else None  # NaN >= x is False

    @property
    def has_classes(self) -> bool:
        """Whether there are class probabilities."""
        return not np.isnan(self.expression).any()
