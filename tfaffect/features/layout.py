"""Where there is room in a picture for the labels and panels of its faces: rectangles only, nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

MOST_COVERED = 0.2
"""How much of a face's box its own panel may cover where there is no room beside it."""


class Area(NamedTuple):
    """A rectangle of whole pixels; right and bottom lie outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Its width in pixels, 0 when it is empty."""
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        """Its height in pixels, 0 when it is empty."""
        return max(0, self.bottom - self.top)

    @property
    def size(self) -> int:
        """The number of its pixels."""
        return self.width * self.height

    def within(self, other: Area) -> Area:
        """The part of it that lies in another one."""
        return Area(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))

    def around(self, other: Area) -> Area:
        """The smallest one that holds both."""
        return Area(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))

    def moved_into(self, other: Area) -> Area:
        """Itself, moved as little as brings it into another one; what is too large sticks out at right and bottom."""
        x = max(other.left - self.left, min(0, other.right - self.right))
        y = max(other.top - self.top, min(0, other.bottom - self.bottom))
        return Area(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def covered(self, others: Sequence[Area]) -> int:
        """How many of its pixels lie under others, counted once for each of them."""
        corners = np.array(others).reshape(-1, 4)
        sides = np.minimum(self[2:], corners[:, 2:]) - np.maximum(self[:2], corners[:, :2])
        return int(np.clip(sides, 0, None).prod(axis=1).sum())

    def fits(self, picture: Area, taken: Sequence[Area]) -> bool:
        """Whether it lies in a picture as a whole, and under nothing."""
        return self.covered([picture]) == self.size > 0 == self.covered(taken)


class Place(NamedTuple):
    """Where a panel goes, the size of its letters in pixels, and whether its blocks are stacked."""

    area: Area
    unit: int
    stacked: bool


def place_label(box: Area, width: int, height: int, taken: Sequence[Area], picture: Area) -> Area:
    """Put a label above a box or under it, where it covers less; it may lie in the box at the picture's rim."""
    above = Area(box.left, box.top - height, box.left + width, box.top)
    under = Area(box.left, box.bottom, box.left + width, box.bottom + height)
    return min((area.moved_into(picture) for area in (above, under)), key=lambda area: area.covered(taken))


def place_panel(
    box: Area,
    label: Area,
    measure: Callable[[int, bool], tuple[int, int]],
    units: Sequence[int],
    taken: Sequence[Area],
    picture: Area,
) -> Place | None:
    """Find room for the panel of a face: at its right, left, lower or upper side, else in a corner of the picture.

    Args:
      box: the visible part of the face's box.
      label: of this face.
      measure: from the size of the letters, and whether the panel is stacked, to its width and height in pixels.
      units: sizes of letters, the best first; a corner gets the last.
      taken: what must stay free, with `box` and `label`. A corner may cover a fifth of `box`.
      picture: which the panel must not leave.
    """
    for unit in units:
        for hull in (box, box.around(label)):
            for area, stacked in _sides(hull, measure, unit):
                if area.moved_into(picture).fits(picture, taken):
                    return Place(area.moved_into(picture), unit, stacked)
    others = [area for area in taken if area is not box]
    for area, stacked in _corners(picture, measure, units[-1]):
        if area.fits(picture, others) and area.covered([box]) <= MOST_COVERED * box.size:
            return Place(area, units[-1], stacked)
    return None


def _sides(hull: Area, measure: Callable, unit: int) -> Iterator[tuple[Area, bool]]:
    """Upright panels at the sides first, broad ones below and above first."""
    gap = max(2, unit // 2)
    for stacked in (True, False):
        width, height = measure(unit, stacked)
        for left in (hull.right + gap, hull.left - gap - width):
            yield Area(left, hull.top, left + width, hull.top + height), stacked
    for stacked in (False, True):
        width, height = measure(unit, stacked)
        for top in (hull.bottom + gap, hull.top - gap - height):
            yield Area(hull.left, top, hull.left + width, top + height), stacked


def _corners(picture: Area, measure: Callable, unit: int) -> Iterator[tuple[Area, bool]]:
    for stacked in (True, False):
        width, height = measure(unit, stacked)
        for top in (picture.bottom - height, picture.top):
            for left in (picture.right - width, picture.left):
                yield Area(left, top, left + width, top + height), stacked
