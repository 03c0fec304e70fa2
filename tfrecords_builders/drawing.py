"""Draw shapes in face units as the pixels of a photograph: place, fill, light, blur.

The origin of face units is between eyes and nose. x points to the right of the picture, y points down. A face is about
1.6 wide and 2 high. OpenCV gets coordinates rounded to a sixteenth of a canvas pixel, and calculates with integers or
fixed-point numbers, so that a scene gives the same bytes on every machine.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Self

import cv2
import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue in 0 to 255."""

Point = tuple[float, float]
"""x and y in face units."""

SIDE = 128
"""Height and width of every picture in pixels."""

DETAIL = 2
"""Canvas pixels per picture pixel in each direction, for smooth edges. 4 looks no better and takes 50 % longer."""

SUBPIXEL_BITS = 4


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Place of the face in the picture, light and disturbances."""

    x: float = SIDE / 2  # of the face's origin, in pixels
    y: float = SIDE / 2
    pixels: float = 40.0  # per face unit
    degrees: float = 0.0  # clockwise
    yaw: float = 0.0  # shift of the features inside the face, in face units
    pitch: float = 0.0
    gaze: float = 0.0  # from -1, the picture's left, to 1, its right
    gain: float = 1.0  # of the light
    slope_x: float = 0.0  # of the light: relative change from the middle to the border
    slope_y: float = 0.0
    blur: float = 0.0  # standard deviation, in pixels
    noise: float = 0.0  # standard deviation, in grey levels
    seed: int = 0  # of the background and the noise

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return points of shape (..., 2) in face units as pixels of the picture."""
        return points @ self.turn + (self.x, self.y)

    @cached_property
    def turn(self) -> np.ndarray:
        """The rotation and scale of `place`, shape (2, 2)."""
        angle = np.deg2rad(self.degrees)
        along, across = self.pixels * np.cos(angle), self.pixels * np.sin(angle)
        return np.array([[along, across], [-across, along]])


class Pen:
    """Draws shapes in face units, enlarged and moved by `right` and `down`, at the face's place in the scene."""

    def __init__(
        self, canvas: np.ndarray, scene: Scene, right: float = 0.0, down: float = 0.0, enlarged: float = 1.0
    ) -> None:
        self.canvas, self.scene, self.offset, self.enlarged = canvas, scene, np.array((right, down)), enlarged
        # OpenCV takes fixed-point numbers; their integers are the centres of pixels.
        self._turn = scene.turn * enlarged * DETAIL * 2**SUBPIXEL_BITS
        self._origin = (scene.place(self.offset) * DETAIL - 0.5) * 2**SUBPIXEL_BITS

    def moved(self, right: float, down: float, enlarged: float = 1.0) -> Self:
        """Return a pen for the same canvas whose shapes are further right and down, and larger."""
        right, down = right + self.offset[0], down + self.offset[1]
        return type(self)(self.canvas, self.scene, right, down, self.enlarged * enlarged)

    def fill(self, outline: np.ndarray, colour: Colour) -> None:
        """Fill a polygon of shape (points, 2)."""
        cv2.fillPoly(self.canvas, [self._on_canvas(outline)], colour, cv2.LINE_AA, SUBPIXEL_BITS)

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        """Draw a line through points of shape (points, 2), `width` face units thick."""
        thickness = max(1, round(width * self.scene.pixels * self.enlarged * DETAIL))
        cv2.polylines(self.canvas, [self._on_canvas(points)], False, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def _on_canvas(self, points: np.ndarray) -> np.ndarray:
        return np.rint(points @ self._turn + self._origin).astype(np.int32)


def ellipse(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Return the outline of an ellipse from its centre and half axes, shape (24, 2)."""
    return circle(24) * (width, height) + (x, y)


@cache
def circle(points: int) -> np.ndarray:
    """Return the unit circle, shape (points, 2): it starts at the right and goes over the lowest point."""
    angles = np.arange(points) * (2 * np.pi / points)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def curve(first: Point, middle: Point, last: Point, power: float = 2.0) -> np.ndarray:
    """Return a curve from `first` over `middle` to `last`, shape (17, 2): a parabola, flatter with a higher power."""
    t = abs(np.arange(-8, 9) / 8)
    ends = np.repeat([first, last], (8, 9), axis=0)
    return np.array(middle) + (ends - np.array(middle)) * np.stack([t, t**power], axis=1)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a mixture of two colours, with a `share` of the second in [0, 1]."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def paint_background(rng: np.random.Generator) -> np.ndarray:
    """Return a canvas with a plain wall and a few discs, boards and wires, RGB uint8 (256, 256, 3)."""
    side = SIDE * DETAIL
    canvas = np.empty((side, side, 3), np.uint8)
    cv2.rectangle(canvas, (0, 0), (side, side), _muted(rng), cv2.FILLED)
    for shape in rng.integers(0, 3, rng.integers(3, 8)):
        colour = _muted(rng)
        (x, y), (u, v) = rng.integers(0, side, (2, 2)).tolist()
        if shape == 0:
            cv2.circle(canvas, (x, y), side // 16 + u // 8, colour, cv2.FILLED, cv2.LINE_AA)
        elif shape == 1:
            cv2.rectangle(canvas, (x, y), (x + u // 3, y + v // 3), colour, cv2.FILLED)
        else:
            cv2.line(canvas, (x, y), (u, v), colour, 1 + u % 6, cv2.LINE_AA)
    return canvas


def _muted(rng: np.random.Generator) -> Colour:
    """A random tinted grey, so that the background is not more colourful than the face."""
    return tuple((rng.integers(80, 200) + rng.integers(-35, 36, 3)).tolist())


def photograph(canvas: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Return a canvas as a photograph, RGB uint8 (128, 128, 3): shrunk, blurred and lit, with noise."""
    picture = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if scene.blur > 0:
        picture = cv2.GaussianBlur(picture, (5, 5), scene.blur)
    place = np.linspace(-1, 1, SIDE, dtype=np.float32)
    light = np.float32(scene.slope_y) * place[:, None] + np.float32(scene.slope_x) * place + np.float32(1)
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * np.float32(scene.noise)
    exposed = picture.astype(np.float32)
    exposed *= light[..., None] * np.float32(scene.gain)
    exposed += noise[..., None]
    return np.clip(np.rint(exposed, out=exposed), 0, 255, out=exposed).astype(np.uint8)
