"""What the pipeline is asked for, and what passes through it: options and samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.features.row import Row
from tfaffect.features.sources import Source
from tfaffect.media.detector import Detection
from tfaffect.media.views import View

Place = TypeVar("Place", Row, Detection)

Prior = tuple[float, ...] | Literal["estimate"]
"""Class shares in the order of `labels.CLASSES`, or that they are estimated from all faces of a job."""


@dataclass(frozen=True)
class Options:
    """Which faces and frames are used, and how outputs are filtered. Raises UsageError for invalid values.

    faces: number of largest faces per picture, None for all. fps: frames per second of a video, None for all; every:
    every N-th frame instead. smooth: time constant in seconds of the filter on a track's outputs, None for no filter;
    smooth_embeddings: filter the embeddings too. abstain: lowest probability at which the most probable class is named.
    key_frames: use only frames that are coded without others. start, end: use the frames of a video between these
    seconds, unless the source has its own times. stream: number of the video stream in a file. sequence_fps: frame rate
    of folders of pictures that are videos, None if there are none. prior: class shares of the population to which
    the probabilities are turned, None to leave them as the network gives them.
    """

    faces: int | None = None
    fps: float | None = None
    every: int = 1
    smooth: float | None = None
    smooth_embeddings: bool = False
    abstain: float = 0.0
    key_frames: bool = False
    start: float = 0.0
    end: float | None = None
    stream: int = 0
    sequence_fps: float | None = None
    prior: Prior | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        fps_is_valid = self.fps is None or (0 < self.fps < math.inf and self.every == 1)
        rules = {
            "faces": ("None or at least 1", self.faces is None or (isinstance(self.faces, int) and self.faces >= 1)),
            "fps": ("more than 0, and cannot be used together with every", fps_is_valid),
            "every": ("a whole number of at least 1", isinstance(self.every, int) and self.every >= 1),
            "smooth": ("more than 0 seconds", self.smooth is None or 0 < self.smooth < math.inf),
            "smooth_embeddings": ("False unless smooth is given", self.smooth or not self.smooth_embeddings),
            "abstain": ("a probability from 0 to 1", 0 <= self.abstain <= 1),
            "start": ("at least 0 seconds", 0 <= self.start < math.inf),
            "end": ("later than start", self.end is None or self.start < self.end),
            "sequence_fps": ("more than 0", self.sequence_fps is None or 0 < self.sequence_fps < math.inf),
            "prior": (
                "known class shares together with smooth: a smoothed probability is no answer for one face",
                not (self.prior == "estimate" and self.smooth),
            ),
            "stream": ("a whole number of at least 0", isinstance(self.stream, int) and self.stream >= 0),
        }
        for name, (rule, is_kept) in rules.items():
            if not is_kept:
                raise UsageError(f"{name} must be {rule}. Received: {name}={getattr(self, name)}.")


@dataclass
class Sample:
    """One picture or video frame on its way to its rows.

    number: of its source, from 0. picture: from a worker; None again when it is no longer needed. repeated: the same
    frame as in the sample before, which was processed already. convert: returns a video frame's picture, or a view of
    it. size: of the picture, height and width. reduction: by which the sides of the picture were divided when it was
    read; detections and rows are in pixels of the full picture. crops: letterboxed, of the faces that become rows;
    tracks: their numbers in a video.
    """

    number: int
    source: Source
    picture: np.ndarray | None = None
    frame: int | None = None
    seconds: float | None = None
    problem: str = ""
    repeated: bool = False
    convert: Callable[[], np.ndarray | View | None] | None = None
    detections: Sequence[Detection] = ()
    size: tuple[int, ...] = ()
    reduction: int = 1
    crops: Sequence[np.ndarray] = ()
    tracks: Sequence[int | None] = ()
    rows: Sequence[Row] = ()


def scaled(place: Place, factor: float) -> Place:
    """Return a row or a detection in a picture whose sides are `factor` times as long."""
    if factor == 1 or place.box is None:
        return place
    left, top, right, bottom = place.box
    box = factor * left, factor * top, factor * right, factor * bottom
    landmarks = place.landmarks and tuple((factor * x, factor * y) for x, y in place.landmarks)
    return replace(place, box=box, landmarks=landmarks)
