"""Random picture changes for training, each with its own probability.

`CHANGES` holds the eleven of the recipe; a config can add `flip_vertically`, `erase` and `degrade`, and `affine`, which
comes before all others. A change maps RGB uint8 (size, size, 3) to the same, with the random numbers of the given
generator. It uses OpenCV on single pictures: a chain of Keras layers under `tf.cond` reaches a fifth of the speed of
decoding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import copysign, cos, radians, sin, sqrt

import cv2
import numpy as np
from numpy.random import Generator

from tfaffect.config import Config

Change = Callable[[np.ndarray, Generator], np.ndarray]

NOISE_STARTS = 65_536
"""Places in the stored noise where the noise of a picture can start."""

AFFINE_DRAWS = 5
"""Numbers in [-1, 1] that `affine` needs: for the angle, the scale, the shift right and down, and the side."""


def change_probabilities(config: Config) -> list[tuple[Change, float]]:
    """Return the possible changes in their order, each with its probability; `affine` is not among them."""
    possible: list[tuple[Change, float]] = [(change, config.augmentation_probability) for change in CHANGES]
    if config.vertical_flip:
        possible.append((flip_vertically, config.augmentation_probability))
    possible += [(erase, config.erasing_probability), (degrade, config.degradation_probability)]
    return [(change, probability) for change, probability in possible if probability]


def draw_changes(possible: Sequence[tuple[Change, float]], rng: Generator, count: int) -> list[list[Change]]:
    """Draw the changes of each of `count` pictures, independently, from the result of `change_probabilities`.

    It draws for a complete batch at once. Drawing for each picture made the decoding threads wait for one another and
    took more CPU time than the changes: 0.16 ms per face of 48 pixels instead of 0.06.
    """
    drawn = rng.random((count, len(possible))) < [probability for _, probability in possible]
    return [[change for (change, _), chosen in zip(possible, row, strict=True) if chosen] for row in drawn]


def augment(picture: np.ndarray, changes: Sequence[Change], rng: Generator) -> np.ndarray:
    """Apply changes one after the other."""
    for change in changes:
        picture = change(picture, rng)
    return picture


def pad_and_crop(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Shift by up to an eighth of the side in both directions, and fill with black."""
    border = picture.shape[0] // 8
    padded = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_CONSTANT)
    top, left = rng.integers(0, 2 * border, 2, endpoint=True)
    return padded[top : top + picture.shape[0], left : left + picture.shape[1]]


def greyscale(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Convert to greyscale."""
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def jitter_colour(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Change brightness, contrast and saturation by up to 40 %, hue by up to 18 degrees.

    Lookup tables of 256 values take 0.4 ms at 240 pixels; floating-point arithmetic took 1.3 ms.
    """
    brightness, contrast, saturation = rng.uniform(0.6, 1.4, 3)
    values = np.arange(256, dtype=np.float32)
    hue = (values + rng.uniform(-9, 9)) % 180  # OpenCV's 8-bit hue counts in steps of 2 degrees
    table = np.stack([hue, np.minimum(values * saturation, 255), values], axis=-1).astype(np.uint8)
    hsv = cv2.LUT(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), table[None])
    coloured = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    mean = np.mean(cv2.mean(coloured)[:3])
    return cv2.LUT(coloured, np.clip(((values - mean) * contrast + mean) * brightness, 0, 255).astype(np.uint8))


def blur(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Blur with a Gaussian of 0.1 to 2 pixels at a side of 240, in proportion at other sides."""
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.1, 2.0) * max(picture.shape[0] / 240, 0.25))


def perspective(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Move each corner inwards by up to an eighth of the side."""
    size = picture.shape[0]
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    moved = size * unit + (1 - 2 * unit) * rng.uniform(0, size / 8, (4, 2)).astype(np.float32)
    return _warp(picture, cv2.getPerspectiveTransform(size * unit, moved), size)


def rotate(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Rotate by up to 15 degrees about the centre, and fill with black."""
    size = picture.shape[0]
    turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), rng.uniform(-15, 15), 1.0)
    return _warp(picture, turn, size)


def crop_and_resize(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Crop a random square of 0.7 to 0.9 of the side, and enlarge it to the full size."""
    size = picture.shape[0]
    side = round(size * rng.uniform(0.7, 0.9))
    top, left = rng.integers(0, size - side, 2, endpoint=True)
    return cv2.resize(picture[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_LINEAR)


def posterise(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Keep the upper four bits of every value."""
    return picture & np.uint8(0xF0)


def sharpen(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Sharpen: add the difference between the picture and its 3 x 3 Gaussian blur."""
    return cv2.addWeighted(picture, 2.0, cv2.GaussianBlur(picture, (3, 3), 0), -1.0, 0)


def equalise(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Equalise the histogram of every colour channel."""
    return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(picture)])


def flip(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Mirror left and right."""
    return cv2.flip(picture, 1)


def flip_vertically(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Flip upside down; not in `CHANGES`, because cameras do not see faces like this."""
    return cv2.flip(picture, 0)


def affine(picture: np.ndarray, draws: Sequence[float], strength: float, size: int) -> np.ndarray:
    """Scale a square picture to `size`, mirror half of them, and rotate, scale and shift it by AFFINE_DRAWS numbers.

    A strength of 1 means up to 15 degrees, 15 % and an eighth of the side. Border pixels fill the uncovered area. It is
    one interpolation, so the picture must not be much larger than `size`.
    """
    angle, zoom, right, down, mirror = draws
    turn, scale = radians(15 * strength * angle), size / len(picture) * (1 + 0.15 * strength * zoom)
    a, b, side = scale * cos(turn), scale * sin(turn), copysign(1, mirror)
    frame, shift = len(picture) // 8, size / 8 * strength
    before, after = frame + (len(picture) - 1) / 2, (size - 1) / 2
    x, y = after + shift * right - before * (side * a + b), after + shift * down - before * (a - side * b)
    return _warp(picture, np.array([[side * a, b, x], [-side * b, a, y]]), size, frame)


def erase(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Replace a rectangle of 2 to 20 % of the area, at a random place, with noise.

    Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    size = picture.shape[0]
    area, shape = rng.uniform(0.02, 0.2) * size**2, 0.3 ** rng.uniform(-1, 1)
    height, width = round(sqrt(area / shape)), round(sqrt(area * shape))
    top, left = rng.integers(size - height + 1), rng.integers(size - width + 1)
    erased = picture.copy()
    noise = np.frombuffer(rng.bytes(height * width * 3), np.uint8)
    erased[top : top + height, left : left + width] = noise.reshape(height, width, 3)
    return erased


def degrade(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Imitate a poor camera: blur or darken, each with probability 1/2.

    Blur: a Gaussian of 0.5 to 5 % of the side. Darken: 5 to 60 % of the light and noise of standard deviation up to 3.
    """
    if rng.random() < 0.5:
        return _blur_widely(picture, picture.shape[0] * rng.uniform(0.5, 5) / 100)
    light, noise = 0.05 * 12 ** rng.random(), rng.uniform(0, 3)
    start = rng.integers(NOISE_STARTS)
    normal = _noise(picture.size)[start : start + picture.size].reshape(picture.shape)
    return cv2.addWeighted(picture, light, normal, noise / 32, -4 * noise)


@cache
def _noise(count: int) -> np.ndarray:
    """Return noise for pictures of `count` values, as 128 + 32 z, where z has the standard normal distribution.

    Every picture uses a part of it: to draw 172,800 values takes as long as to decode a face.
    """
    z = np.random.default_rng(0).standard_normal(count + NOISE_STARTS, np.float32)
    return np.clip(np.round(128 + 32 * z), 0, 255).astype(np.uint8)


def _warp(picture: np.ndarray, matrix: np.ndarray, size: int, frame: int = 0) -> np.ndarray:
    """Warp to (size, size, 3) by an affine (2, 3) or a perspective matrix (3, 3), with bilinear interpolation.

    Outside the picture is black, or, with a frame, its border pixels. The matrix counts from the corner of the frame.

    It takes a detour over four channels: OpenCV 5.0 takes 0.17 ms for them at 240 pixels, and 0.39 ms for three. The
    frame saves a tenth of the time at 240 pixels, a quarter at 48: OpenCV reads slower outside a picture.
    """
    warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    four, border = cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), cv2.BORDER_REPLICATE if frame else cv2.BORDER_CONSTANT
    if frame:
        four = cv2.copyMakeBorder(four, frame, frame, frame, frame, border)
    return cv2.cvtColor(warp(four, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border), cv2.COLOR_RGBA2RGB)


def _blur_widely(picture: np.ndarray, deviation: float) -> np.ndarray:
    """Blur with a Gaussian, a wide one in a picture of half the sides: 0.2 ms at 240 pixels, where it takes up to 5.

    Halving and doubling blur as well, each by a variance of 1 pixel. OpenCV doubles with reflected borders, so the
    border is continued by 2 pixels before, and cut off again.
    """
    if deviation < 1.8:
        return cv2.GaussianBlur(picture, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    framed = cv2.copyMakeBorder(picture, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    half = _blur_widely(cv2.pyrDown(framed, borderType=cv2.BORDER_REPLICATE), sqrt(deviation**2 - 2) / 2)
    return cv2.pyrUp(half, dstsize=framed.shape[1::-1])[2:-2, 2:-2]


CHANGES: tuple[Change, ...] = (
    pad_and_crop,
    greyscale,
    jitter_colour,
    blur,
    perspective,
    rotate,
    crop_and_resize,
    posterise,
    sharpen,
    equalise,
    flip,
)
