"""Draws the results for each face into its picture: box, landmarks, label and panel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from tfaffect.features import panel
from tfaffect.features.layout import Area, Place, place_label, place_panel
from tfaffect.features.row import NO_FACE, Row

TRACK_COLOURS: tuple[panel.Colour, ...] = (
    (86, 180, 233),
    (240, 228, 66),
    (213, 94, 0),
    (0, 158, 115),
    (230, 159, 0),
    (204, 121, 167),
    (255, 255, 255),
    (90, 130, 255),
)
"""RGB of the boxes by track, in a picture by face, repeated for more. They are those of Okabe and Ito (Color Universal
Design, 2008), with a lighter blue and white for black, so that dark text on them is readable."""

SMALLEST_SIDE = 360  # pixels; a smaller picture is enlarged, because a readable panel would cover it
SMALLEST_TEXT = 10  # pixels; smaller letters touch each other
TINY = 4  # times the smallest text size; a smaller face gets no landmarks and no panel
PANELS = 6  # with more faces, only the largest gets a panel
CROWD = 30  # with more faces, labels may have the smallest text size so that they do not cover other faces
LABEL_HEIGHT = 1.6  # times the text size


def draw(picture: np.ndarray, rows: Sequence[Row]) -> np.ndarray:
    """Return a copy of a picture with boxes, landmarks, labels and panels, or the reason why there is no face.

    A panel has the eight probabilities and the valence-arousal plane, as far as the network learned them. It is beside
    its face, or in the nearest free place or a corner, never over another face. Tiny faces and faces without room get
    only a label. With more than six faces, only the largest gets a panel.

    Args:
      picture: RGB uint8 (height, width, 3).
      rows: the rows of this picture or frame, with boxes in its pixels.

    Returns:
      RGB uint8. It is larger than `picture` by a whole factor if a side is under 360 pixels, and by a strip at the
      right if the picture is a face crop, whose row has no box. All frames of a video get the same size.
    """
    factor = _enlargement(*picture.shape[:2])
    canvas = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    faces = [row for row in rows if row.face is not None]
    if not faces:
        _write_problem(canvas, next((row.problem for row in rows if row.problem), NO_FACE))
    elif faces[0].box is None:
        canvas = _add_strip(canvas, faces[0])
    else:
        _draw_faces(canvas, faces, factor)
    return canvas


def _enlargement(height: int, width: int) -> int:
    """The whole factor by which the shorter side gets at least 360 pixels, but the longer one at most 1,440."""
    return max(1, min(-(-SMALLEST_SIDE // min(height, width)), 4 * SMALLEST_SIDE // max(height, width)))


def _text_sizes(canvas: np.ndarray) -> tuple[int, int]:
    """Largest and smallest text size in pixels: 11 and 10 up to 600 x 600, 26 and 16 in 1080p, 52 and 31 in 4K."""
    largest = max(SMALLEST_TEXT + 1, round(np.sqrt(canvas.shape[0] * canvas.shape[1]) / 55))
    return largest, max(SMALLEST_TEXT, round(0.6 * largest))


def _write_problem(canvas: np.ndarray, problem: str) -> None:
    """Write into the lower left corner, shortened to the width of the picture."""
    size, _ = _text_sizes(canvas)
    text, room = problem, canvas.shape[1] - 3 * size
    for length in range(min(len(problem), 200), 0, -2):
        if panel.text_width(text, size) <= room:
            break
        text = f"{problem[:length].rstrip()} …"
    bottom = max(canvas.shape[0] - size // 2, 1)
    top = max(bottom - round(LABEL_HEIGHT * size), 0)
    panel.shade(canvas, size // 2, top, panel.text_width(text, size) + 2 * size, bottom)
    panel.write_text(canvas, text, 1.25 * size, (top + bottom) / 2, size, panel.INK)


def _add_strip(canvas: np.ndarray, row: Row) -> np.ndarray:
    """Add label and panel of a face crop in a strip at its right, so that they do not cover the face."""
    unit = max(SMALLEST_TEXT, min(round(1.4 * _text_sizes(canvas)[0]), canvas.shape[0] // 26))
    left, (width, _) = canvas.shape[1], panel.panel_size(row, unit, stacked=True)
    if not width:
        return canvas
    canvas = cv2.copyMakeBorder(canvas, 0, 0, 0, width, cv2.BORDER_CONSTANT, value=panel.BACKGROUND)
    panel.write_text(canvas, _label(row), left + panel.PADDING * unit, 1.5 * unit, unit, _colour(row), panel.BOLD)
    panel.draw_panel(canvas, left, 2 * unit, row, unit, stacked=True)
    return canvas


def _draw_faces(canvas: np.ndarray, rows: Sequence[Row], factor: int) -> None:
    """Draw boxes first, then panels between boxes and labels, and labels last, that of the largest face on top."""
    picture, (text, smallest) = Area(0, 0, *canvas.shape[1::-1]), _text_sizes(canvas)
    faces = [(_box_area(row, factor).intersection(picture), row) for row in rows]
    faces = sorted((face for face in faces if face[0].size), key=lambda face: face[0].size, reverse=True)
    occupied, labels = [box for box, _ in faces], []
    smallest_label = SMALLEST_TEXT if len(faces) > CROWD else smallest
    for box, row in faces:
        _draw_box(canvas, row, factor, _is_tiny(box, smallest))
        labels.append(place_label(box, *_label_size(row, box, text, smallest_label), occupied, picture))
        occupied.append(labels[-1])
    for (box, row), label in list(zip(faces, labels, strict=True))[: PANELS if len(faces) <= PANELS else 1]:
        units = range(max(smallest, min(text, box.height // 18)), smallest - 1, -1)
        if _is_tiny(box, smallest):
            continue
        others = [other for other, _ in faces if other is not box]
        place = place_panel(box, label, partial(panel.panel_size, row), units, occupied, picture, others)
        if place:
            _draw_panel(canvas, row, place)
            occupied.append(place.area)
    for (_, row), label in reversed(list(zip(faces, labels, strict=True))):
        _draw_label(canvas, row, label)


def _box_area(row: Row, factor: int) -> Area:
    return Area(*(round(factor * edge) for edge in row.box or (0, 0, 0, 0)))


def _is_tiny(box: Area, smallest_text: int) -> bool:
    return min(box.width, box.height) < TINY * smallest_text


def _draw_box(canvas: np.ndarray, row: Row, factor: int, tiny: bool) -> None:
    """Draw box and landmarks with a dark edge, which is visible on any background; a tiny face gets a plain box."""
    text, _ = _text_sizes(canvas)
    left, top, right, bottom = _box_area(row, factor)
    side = min(right - left, bottom - top)
    line, radius = max(1, min(round(text / 6), side // 20)), max(1, min(round(text / 5), side // 45))
    for colour, edge in ((_colour(row), 0),) if tiny else ((panel.BACKGROUND, 1), (_colour(row), 0)):
        cv2.rectangle(canvas, (left, top), (right, bottom), colour, line + 2 * edge)
        for x, y in () if tiny else row.landmarks or ():
            point = round(factor * x), round(factor * y)
            cv2.circle(canvas, point, radius + edge, colour, cv2.FILLED, cv2.LINE_AA)


def _colour(row: Row) -> panel.Colour:
    number = row.track if row.track is not None else row.face
    return TRACK_COLOURS[(number or 0) % len(TRACK_COLOURS)]


def _label(row: Row) -> str:
    """Return the track number and the top class (or "unsure") with its probability, as far as there are any."""
    track = [] if row.track is None else [f"#{row.track}"]
    name = row.top_class or "unsure,"
    expression = [f"{name} {100 * row.expression.max():.0f} %"] if row.has_classes else []
    return " ".join(track + expression)


def _label_size(row: Row, box: Area, largest: int, smallest: int) -> tuple[int, int]:
    """Return width and height in pixels. A larger face gets larger text."""
    size = min(largest, max(smallest, box.width // 7))
    width = panel.text_width(_label(row), size, panel.BOLD)
    return (width + size, round(LABEL_HEIGHT * size)) if width else (0, 0)


def _draw_label(canvas: np.ndarray, row: Row, area: Area) -> None:
    size = round(area.height / LABEL_HEIGHT)
    canvas[area.top : area.bottom, area.left : area.right] = _colour(row)
    middle = (area.top + area.bottom) / 2
    panel.write_text(canvas, _label(row), area.left + size / 2, middle, size, panel.BACKGROUND, panel.BOLD)


def _draw_panel(canvas: np.ndarray, row: Row, place: Place) -> None:
    """Draw a panel on a dark background, with an upper edge in the colour of its face's box."""
    area, unit, stacked = place
    panel.shade(canvas, *area)
    canvas[area.top : area.top + max(2, unit // 6), area.left : area.right] = _colour(row)
    panel.draw_panel(canvas, area.left, area.top, row, unit, stacked)
