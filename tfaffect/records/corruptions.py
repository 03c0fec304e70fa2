"""What happens to face crops outside of corpora: cut askew, turned, out of focus, covered, dark, small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

Corrupt = Callable[[np.ndarray, float, Generator], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """One kind: RGB uint8 (size, size, 3), a severity of those that are looked at, and a generator -> such a picture.

    unit: what the severities mean, for people.
    """

    apply: Corrupt
    severities: tuple[float, ...]
    unit: str


def shift(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Move the face by a share of the side, in a random direction: a box beside the face."""
    angle, far = rng.uniform(0, 2 * np.pi), picture.shape[0] * percent / 100
    return _warp(picture, np.float64([[1, 0, far * np.cos(angle)], [0, 1, far * np.sin(angle)]]))


def zoom(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Enlarge the face by a share, or shrink it: a box too small, or too large."""
    middle = (picture.shape[0] - 1) / 2
    return _warp(picture, cv2.getRotationMatrix2D((middle, middle), 0, 1 + percent / 100))


def turn(picture: np.ndarray, degrees: float, rng: Generator) -> np.ndarray:
    """Turn the face to the left or to the right: a tilted head."""
    middle = (picture.shape[0] - 1) / 2
    return _warp(picture, cv2.getRotationMatrix2D((middle, middle), degrees * rng.choice((-1, 1)), 1))


def blur(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Blur by a Gaussian whose deviation is a share of the side: out of focus, or far away."""
    return cv2.GaussianBlur(picture, None, picture.shape[0] * percent / 100, borderType=cv2.BORDER_REPLICATE)


def cover(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Cover a share of the area by a grey square at a random place: hands, hair, masks."""
    size = picture.shape[0]
    side = round(size * float(np.sqrt(percent / 100)))
    top, left = rng.integers(0, size - side, 2, endpoint=True)
    covered = picture.copy()
    covered[top : top + side, left : left + side] = 128
    return covered


def darken(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Take a share of the light away, and keep what 8 bits keep of the rest."""
    return cv2.convertScaleAbs(picture, alpha=1 - percent / 100)


def _warp(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


CORRUPTIONS = {
    "shift": Corruption(shift, (5, 10, 15, 20), "% of the side"),
    "zoom": Corruption(zoom, (-30, -15, 15, 30), "% larger"),
    "turn": Corruption(turn, (10, 20, 30, 45), "degrees"),
    "blur": Corruption(blur, (1, 2, 4, 6), "% of the side"),
    "cover": Corruption(cover, (5, 10, 20, 30), "% of the area"),
    "darken": Corruption(darken, (50, 75, 90), "% of the light"),
}
