"""Makes faces unrecognisable, to show results without showing people."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from tfaffect.media.faces import Box

MARGIN = 0.25
"""Share of a box's sides that is covered around it: the box of the detector leaves out hair, chin and ears."""

CELLS = 5
"""Colours per side that are left of a face. Recognition needs more than ten times as many."""


def blur_faces(picture: np.ndarray, boxes: Iterable[Box]) -> np.ndarray:
    """Return a copy of a picture, RGB uint8, in which the ellipse around each box has CELLS x CELLS blurred colours."""
    blurred = picture.copy()
    height, width = picture.shape[:2]
    for left, top, right, bottom in boxes:
        x, y = MARGIN * (right - left), MARGIN * (bottom - top)
        columns = slice(max(0, round(left - x)), min(width, round(right + x)))
        rows = slice(max(0, round(top - y)), min(height, round(bottom + y)))
        part = picture[rows, columns]
        if not part.size:
            continue
        small = cv2.resize(part, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        smooth = cv2.resize(small, part.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        inside = np.zeros(part.shape[:2], np.uint8)
        centre = ((left + right) / 2 - columns.start, (top + bottom) / 2 - rows.start)
        axes = ((right - left) / 2 + x, (bottom - top) / 2 + y)
        cv2.ellipse(inside, (centre, (2 * axes[0], 2 * axes[1]), 0), 1, cv2.FILLED)
        blurred[rows, columns] = np.where(inside[..., None] == 1, smooth, blurred[rows, columns])
    return blurred
