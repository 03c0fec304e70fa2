"""Corruptions of face crops: bad framing, rotation, blur, occlusion, darkness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

Corrupt = Callable[[np.ndarray, float, Generator], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption: `apply` maps RGB uint8 (size, size, 3), a severity and a generator to a corrupted picture.

    severities: those that `tfaffect robustness` measures. unit: their unit, for display.
    """

    apply: Corrupt
    severities: tuple[float, ...]
    unit: str


def shift(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Shift the face by a percentage of the side, in a random direction, as after a misplaced bounding box."""
    angle, distance = rng.uniform(0, 2 * np.pi), picture.shape[0] * percent / 100
    return _warp(picture, np.array([[1, 0, distance * np.cos(angle)], [0, 1, distance * np.sin(angle)]]))


def zoom(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Enlarge the face by a percentage, or shrink it by a negative one: a bounding box of the wrong size."""
    middle = (picture.shape[0] - 1) / 2
    return _warp(picture, cv2.getRotationMatrix2D((middle, middle), 0, 1 + percent / 100))


def turn(picture: np.ndarray, degrees: float, rng: Generator) -> np.ndarray:
    """Rotate the face to the left or to the right at random: a tilted head."""
    middle = (picture.shape[0] - 1) / 2
    return _warp(picture, cv2.getRotationMatrix2D((middle, middle), degrees * rng.choice((-1, 1)), 1))


def blur(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Blur by a Gaussian whose standard deviation is a percentage of the side: a face out of focus or far away."""
    return cv2.GaussianBlur(picture, (0, 0), picture.shape[0] * percent / 100, borderType=cv2.BORDER_REPLICATE)


def cover(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Cover a percentage of the area by a grey square at a random place: hands, hair, masks."""
    size = picture.shape[0]
    side = round(size * float(np.sqrt(percent / 100)))
    top, left = rng.integers(0, size - side, 2, endpoint=True)
    covered = picture.copy()
    covered[top : top + side, left : left + side] = 128
    return covered


def darken(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Remove a percentage of the light; the 8-bit rounding loses detail as in a dark photo."""
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
