"""The panel beside a face in annotated pictures: class probabilities as bars, and valence and arousal as a plane."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tfaffect.features.row import Row
from tfaffect.labels import CLASSES

Colour = tuple[int, int, int]

CLASS_COLOURS: tuple[Colour, ...] = (
    (138, 144, 160),  # neutral
    (224, 164, 0),  # happiness
    (63, 126, 232),  # sadness
    (22, 166, 166),  # surprise
    (139, 95, 214),  # fear
    (79, 157, 58),  # disgust
    (216, 64, 47),  # anger
    (160, 112, 74),  # contempt
)
"""RGB in the order of CLASSES, for panels and timelines. They are visible on black and on white."""

BACKGROUND, INK, MUTED, FAINT = (20, 22, 28), (245, 246, 248), (184, 189, 200), (116, 122, 136)
OPACITY = 0.86
"""Of the background: the picture is still visible, and text keeps its contrast on a white wall."""

REGULAR, BOLD = 400, 600
PADDING = 0.7
BARS_WIDTH, PLANE_WIDTH, BLOCK_HEIGHT = 10.4, 8, 10.4
NAME_WIDTH = 5.6
PLANE_SIDE = 7
"""Font weights, and lengths in units of the text size. "happiness" in bold is at most 5.4 wide."""


def text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Return the width in pixels of a line of text with letters of `size` pixels."""
    return cv2.getTextSize((0, 0), _printable(text), (0, 0), cv2.FontFace("sans"), size, weight)[2]


def write_text(
    canvas: np.ndarray, text: str, x: float, middle: float, size: int, colour: Colour, weight: int = REGULAR
) -> None:
    """Write a line of text that starts at column `x`, with its letters centred on row `middle`.

    OpenCV 5 includes the fonts (Rubik, and another for Chinese and Japanese). Every call makes its own font object,
    which takes less than a microsecond: with a shared one, 148 of 9,600 texts that 8 threads wrote were wrong.
    """
    place = (round(x), round(middle + 0.35 * size))
    cv2.putText(canvas, _printable(text), place, colour, cv2.FontFace("sans"), size, weight)


def _printable(text: str) -> str:
    """Join lines, and replace surrogates (undecodable bytes of a file name): OpenCV 5.0 crashes on them."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def shade(canvas: np.ndarray, left: int, top: int, right: int, bottom: int) -> None:
    """Darken a part of the canvas, as the background of a panel."""
    part = canvas[top:bottom, left:right]
    if part.size:
        part[:] = cv2.addWeighted(part, 1 - OPACITY, np.full_like(part, BACKGROUND), OPACITY, 0)


def panel_size(row: Row, unit: int, stacked: bool) -> tuple[int, int]:
    """Return width and height in pixels of a row's panel with letters of `unit` pixels; (0, 0) if no head was learned.

    The bars are above the plane if `stacked`, else to the left of it.
    """
    widths = [width for width, _ in _blocks(row)]
    if not widths:
        return 0, 0
    gaps = PADDING * (len(widths) + 1)
    width, height = max(widths) + 2 * PADDING, BLOCK_HEIGHT * len(widths) + gaps
    if not stacked:
        width, height = sum(widths) + gaps, BLOCK_HEIGHT + 2 * PADDING
    return round(width * unit), round(height * unit)


def draw_panel(canvas: np.ndarray, left: int, top: int, row: Row, unit: int, stacked: bool) -> None:
    """Draw the panel of a row onto a background that was drawn before."""
    x, y = left + PADDING * unit, top + PADDING * unit
    room = panel_size(row, unit, stacked)[0] - 2 * PADDING * unit
    for width, draw_block in _blocks(row):
        if stacked:
            draw_block(canvas, x + (room - width * unit) / 2, y, row, unit)
            y += (BLOCK_HEIGHT + PADDING) * unit
        else:
            draw_block(canvas, x, y, row, unit)
            x += (width + PADDING) * unit


def _blocks(row: Row) -> list[tuple[float, Callable]]:
    """Return width and drawing function of the bars and the plane, as far as the network learned them."""
    bars = [(BARS_WIDTH, _draw_bars)] if row.has_classes else []
    plane = [] if np.isnan([row.valence, row.arousal]).any() else [(PLANE_WIDTH, _draw_plane)]
    return bars + plane


def _draw_bars(canvas: np.ndarray, x: float, y: float, row: Row, unit: int) -> None:
    step, first = BLOCK_HEIGHT * unit / len(CLASSES), round(x + NAME_WIDTH * unit)
    full, half = (BARS_WIDTH - NAME_WIDTH) * unit, max(1, round(0.3 * unit))
    for index, (name, share) in enumerate(zip(CLASSES, row.expression.tolist(), strict=True)):
        middle = round(y + (index + 0.5) * step)
        top = name == row.top_class
        write_text(canvas, name, x, middle, unit, INK if top else MUTED, BOLD if top else REGULAR)
        cv2.line(canvas, (first, middle), (round(first + full), middle), FAINT)
        colour = CLASS_COLOURS[index] if top else FAINT
        canvas[middle - half : middle + half + 1, first : first + round(share * full) + 1] = colour


def _draw_plane(canvas: np.ndarray, x: float, y: float, row: Row, unit: int) -> None:
    """Draw valence to the right and arousal upwards, both from -1 to 1, with axes through 0 and Russell's circle."""
    half, line = round(PLANE_SIDE * unit / 2), max(1, round(unit / 14))
    x, y = round(x + PLANE_WIDTH * unit / 2), round(y + BLOCK_HEIGHT * unit / 2)
    cv2.rectangle(canvas, (x - half, y - half), (x + half, y + half), FAINT, line)
    cv2.circle(canvas, (x, y), half, FAINT, line, cv2.LINE_AA)
    cv2.line(canvas, (x - half, y), (x + half, y), MUTED, line)
    cv2.line(canvas, (x, y - half), (x, y + half), MUTED, line)
    valence, arousal = np.clip((row.valence, row.arousal), -1, 1).tolist()
    dot = round(x + half * valence), round(y - half * arousal)
    colour = FAINT if row.top_class is None else CLASS_COLOURS[CLASSES.index(row.top_class)]
    cv2.circle(canvas, dot, max(3, round(0.55 * unit)), INK, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(canvas, dot, max(2, round(0.4 * unit)), colour, cv2.FILLED, cv2.LINE_AA)
    for name, value, side in (("arousal", row.arousal, -1), ("valence", row.valence, 1)):
        text = f"{name} {value:+z.2f}".replace("-", "\N{MINUS SIGN}")
        middle = y + side * (BLOCK_HEIGHT - 1) * unit / 2
        write_text(canvas, text, x - text_width(text, unit) / 2, middle, unit, MUTED)
