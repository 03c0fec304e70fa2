"""What is known of one face in one picture or frame, and of a picture or frame in which there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfaffect.labels import CLASSES
from tfaffect.media.faces import Box

NO_FACE = "no face"


@dataclass(frozen=True, eq=False)
class Row:
    """One face, or one picture or frame without a face: then `face` is None and `problem` says why.

    source: the picture or video, as it was named.
    frame, seconds: number from 0 and time of a video's frame; None of a picture.
    face: number in its frame, 0 for the largest; track: number of the person in the video, None of a picture.
    box: left, top, right, bottom in pixels; landmarks: right eye, left eye, nose, right and left corner of the mouth,
    x and y in pixels; score: the detector's confidence from 0 to 1. None when no face was looked for.
    expression: probabilities (8,); valence, arousal: in [-1, 1], NaN where the network never learned them;
    embedding: affective features (256,) in [-1, 1]. NaN without a face.
    abstain: the probability that the most probable class must reach to be named.
    carried: further columns of the CSV that named the source.
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
        """The most probable class; None when it is not probable enough, without a face, or if none was learned."""
        place = int(np.argmax(self.expression))
        return CLASSES[place] if self.expression[place] >= self.abstain else None  # NaN reaches nothing

    @property
    def has_classes(self) -> bool:
        """Whether there are probabilities of classes."""
        return not np.isnan(self.expression).any()
