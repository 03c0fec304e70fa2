"""Corruptions of face crops: bad framing, rotation, blur, occlusion, darkness, few pixels, colour cast, JPEG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from tfaffect.media import faces

CAMERA_DISTANCE = 3
"""Sides of the crop between a tilted face and the camera: 60 cm for a crop of 20 cm."""

Corrupt = Callable[[np.ndarray, float, Generator], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption: `apply` maps RGB uint8 (size, size, 3), a severity and a generator to a corrupted picture.

    severities: those that `tfaffect robustness` measures. unit: their unit, for display. clean: the severity that
    leaves a picture as it is, or None if that depends on the picture. people: the severity below which people recognise
    expressions less often, and the study that measured it; None where no study has this corruption in this unit.
    """

    apply: Corrupt
    severities: tuple[float, ...]
    unit: str
    clean: float | None = 0
    people: tuple[float, str] | None = None


def shift(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Shift the face by a percentage of the side, in a random direction, as after a misplaced bounding box."""
    angle, distance = rng.uniform(0, 2 * np.pi), picture.shape[0] * percent / 100
    return _warp(picture, np.array([[1, 0, distance * np.cos(angle)], [0, 1, distance * np.sin(angle)]]))


def zoom(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Enlarge the face by a percentage, or shrink it by a negative one: a bounding box of the wrong size."""
    middle = (picture.shape[0] - 1) / 2
    return _warp(picture, cv2.getRotationMatrix2D((middle, middle), 0, 1 + percent / 100))


def turn(picture: np.ndarray, degrees: float, rng: Generator) -> np.ndarray:
    """Rotate the face in the plane of the picture, to the left or to the right at random: a head that leans."""
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


def tilt(picture: np.ndarray, degrees: float, rng: Generator) -> np.ndarray:
    """Turn the face away from the camera, to a side, up or down at random, as a flat picture in perspective."""
    angle, middle = np.deg2rad(degrees) * rng.choice((-1, 1)), (picture.shape[0] - 1) / 2
    away = np.diag([np.cos(angle), 1, 1])
    away[2, 0] = np.sin(angle) / (CAMERA_DISTANCE * picture.shape[0])
    if rng.random() < 0.5:
        away = away[[1, 0, 2]][:, [1, 0, 2]]
    centre = np.array([[1, 0, -middle], [0, 1, -middle], [0, 0, 1]])
    size = (picture.shape[1], picture.shape[0])
    matrix = np.linalg.inv(centre) @ away @ centre
    return cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def resample(picture: np.ndarray, pixels: float, rng: Generator) -> np.ndarray:
    """Show the crop as from a camera that gave its side this number of pixels, scaled to the input by `faces.resize`.

    Fewer pixels than the picture has are means of areas. More are interpolated: they add no detail, and show what the
    scaling to the input takes away.
    """
    size, side = picture.shape[0], round(pixels)
    seen = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if side < size else cv2.INTER_CUBIC)
    return faces.resize(seen, size, size)


def cast(picture: np.ndarray, percent: float, rng: Generator) -> np.ndarray:
    """Give red a percentage more and blue as much less, or the reverse for a negative one: light of another colour.

    43 % is the light of a lamp (CIE illuminant A) for a camera that is balanced for daylight (D65, sRGB).
    """
    gains = np.array([1 + percent / 100, 1, 1 - percent / 100], np.float32)
    return np.clip(np.round(picture * gains), 0, 255).astype(np.uint8)


def compress(picture: np.ndarray, quality: float, rng: Generator) -> np.ndarray:
    """Store the picture as JPEG of a quality from 0 to 100, as libjpeg defines it, with colours at half the sides."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    success, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    assert success
    return faces.decode(encoded.tobytes())


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
    "tilt": Corruption(tilt, (15, 30, 45), "degrees"),
    "resolution": Corruption(resample, (24, 36, 72, 150, 300), "pixels", clean=None, people=(30, "Du & Martinez 2011")),
    "cast": Corruption(cast, (-40, -20, 20, 40), "% more red"),
    "compression": Corruption(compress, (75, 50, 25, 10), "JPEG quality", clean=100),
}
