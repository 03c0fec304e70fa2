"""The face detector YuNet. `detector_file` finds its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tfaffect.media import yunet
from tfaffect.media.detector_file import FILE, VARIABLE, find_weights
from tfaffect.media.faces import Box
from tfaffect.media.views import View, shrink

__all__ = ["FILE", "MIN_SCORE", "SIDES", "VARIABLE", "Detection", "FaceDetector", "find_weights"]

SIDES = (640, 192)
"""Longest sides in pixels to which a picture is scaled for the search, one after the other until a face is found. Of
faces that fill the picture, 67 % are found at 640 and 96 % at 192 (199 enlarged faces of FER+). Of small faces in a
large picture, more are found at 640."""

QUICK_SIDE, QUICK_PIXELS = 320, 32
"""Longest side of a quick search for the largest faces, whose network takes 1.4 instead of 6 ms at 720p, and the
shortest side of a face, in its pixels, from which its result is used: a face that it misses is smaller. If it finds too
few, the full search follows. Of 300 faces of FER+ in 1080p, it finds 285 of those with 700 pixels a side (full search:
297) and 221 with 300 pixels (286). The boxes of both searches overlap by 0.87. With a side of 224, the boxes
of faces of 350 pixels in 720p vary more, which changes the network's classes by 7 % more from frame to frame."""


MIN_SCORE = 0.6
"""Lowest confidence at which a face is returned."""


@dataclass(frozen=True)
class Detection:
    """A face: its box in pixels of the picture, the detector's confidence from 0 to 1, and its five landmarks.

    The landmarks are x and y in pixels of the right eye, left eye, nose, right and left corner of the mouth. Right is
    the person's right, on the left of the picture.
    """

    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def area(self) -> float:
        """The area of the box in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def centre(self) -> tuple[float, float]:
        """The centre of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class FaceDetector:
    """YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023) as a function from a picture to its faces.

    It can be pickled, and called from several threads: each opens its own networks. `sides` are the longest sides in
    pixels to which a picture is scaled for the search, one after the other until a face is found.
    """

    weights: Path
    min_score: float = MIN_SCORE
    sides: tuple[int, ...] = SIDES

    def __call__(self, picture: np.ndarray | View, most: int | None = None) -> list[Detection]:
        """Return the faces in a picture, RGB uint8 (height, width, 3), the largest first.

        With `most`, only the `most` largest faces are needed: a quick search may find them (see QUICK_SIDE), but others
        may be missing.
        """
        if most is not None and self.sides[0] > QUICK_SIDE:
            quick = self._search(picture, _halved_to(picture, QUICK_SIDE))
            if len(quick) >= most and all(_is_large(face, picture) for face in quick[:most]):
                return quick
        picture = np.asarray(picture)
        return next(filter(None, (self._search(picture, _scaled_to(picture, side)) for side in self.sides)), [])

    def _search(self, picture: np.ndarray | View, scaled: np.ndarray) -> list[Detection]:
        """Search a scaled picture; return boxes and landmarks in pixels of the original picture."""
        rows = yunet.search(self.weights, scaled, self.min_score)
        scale_x, scale_y = scaled.shape[1] / picture.shape[1], scaled.shape[0] / picture.shape[0]
        found = [_detection(row, scale_x, scale_y) for row in rows]
        return sorted(found, key=lambda face: face.area, reverse=True)


def _is_large(face: Detection, picture: np.ndarray | View) -> bool:
    """Return whether any face that the quick search missed is smaller than this one."""
    left, top, right, bottom = face.box
    return min(right - left, bottom - top) * QUICK_SIDE / max(picture.shape[:2]) >= QUICK_PIXELS


def _scaled_to(picture: np.ndarray, longest_side: int) -> np.ndarray:
    """Scale with a box filter. The letterbox's filter gives the same detections, but takes 6 ms at 720p, not 0.4."""
    interpolation = cv2.INTER_AREA if longest_side < max(picture.shape[:2]) else cv2.INTER_LINEAR
    return cv2.resize(picture, _size(picture, longest_side), interpolation=interpolation)


def _halved_to(picture: np.ndarray | View, longest_side: int) -> np.ndarray:
    size = _size(picture, longest_side)
    return picture.shrunk(*size) if isinstance(picture, View) else shrink(picture, *size)


def _size(picture: np.ndarray | View, longest_side: int) -> tuple[int, int]:
    """Return width and height of a picture that is scaled to this longest side."""
    height, width = picture.shape[:2]
    scale = longest_side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _detection(row: np.ndarray, scale_x: float, scale_y: float) -> Detection:
    """Convert a row: left, top, width, height, x and y of five landmarks, score."""
    (left, top), (width, height), *landmarks = (row[:14].reshape(7, 2) / (scale_x, scale_y)).tolist()
    box = (left, top, left + width, top + height)
    return Detection(box, float(row[14]), tuple(map(tuple, landmarks)))
