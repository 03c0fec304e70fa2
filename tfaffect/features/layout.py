"""Finds places for the labels and panels of faces in a picture. It computes rectangles and draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

Measure = Callable[[int, bool], tuple[int, int]]

MAX_COVERED = 0.2
"""The share of a face's box that its own panel may cover if there is no room beside it."""


class Area(NamedTuple):
    """A rectangle of whole pixels, without its right and bottom edges."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in pixels, 0 for an empty area."""
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        """Height in pixels, 0 for an empty area."""
        return max(0, self.bottom - self.top)

    @property
    def size(self) -> int:
        """The number of pixels."""
        return self.width * self.height

    def intersection(self, other: Area) -> Area:
        """Return the part that both areas have in common."""
        return Area(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))

    def hull(self, other: Area) -> Area:
        """Return the smallest area that contains both."""
        return Area(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))

    def shifted_into(self, other: Area) -> Area:
        """Return the area shifted as little as possible into another. If too large, it sticks out right and below."""
        x = max(other.left - self.left, min(0, other.right - self.right))
        y = max(other.top - self.top, min(0, other.bottom - self.bottom))
        return Area(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def overlap(self, others: Sequence[Area]) -> int:
        """Return the number of pixels in common with other areas, summed over these."""
        corners = np.array(others).reshape(-1, 4)
        sides = np.minimum(self[2:], corners[:, 2:]) - np.maximum(self[:2], corners[:, :2])
        return int(np.clip(sides, 0, None).prod(axis=1).sum())

    def fits(self, picture: Area, occupied: Sequence[Area]) -> bool:
        """Return whether the area is not empty, lies completely in a picture, and overlaps nothing that is occupied."""
        return self.overlap([picture]) == self.size > 0 == self.overlap(occupied)


class Place(NamedTuple):
    """The area of a panel, its text size in pixels, and whether its blocks are stacked."""

    area: Area
    unit: int
    stacked: bool


def place_label(box: Area, width: int, height: int, occupied: Sequence[Area], picture: Area) -> Area:
    """Place a label above or below a box, where it covers less. At the border of the picture it may cover the box."""
    above = Area(box.left, box.top - height, box.left + width, box.top)
    below = Area(box.left, box.bottom, box.left + width, box.bottom + height)
    return min((area.shifted_into(picture) for area in (above, below)), key=lambda area: area.overlap(occupied))


def place_panel(
    box: Area, label: Area, measure: Measure, units: Sequence[int], occupied: Sequence[Area], picture: Area
) -> Place | None:
    """Find room for the panel of a face: right, left, below or above it, else in a corner of the picture.

    Args:
      box: the visible part of the face's box.
      label: the label of this face.
      measure: returns width and height in pixels for a text size and whether the panel is stacked.
      units: text sizes, the best first; in a corner the last one is used.
      occupied: areas to leave free, including `box` and `label`. In a corner the panel may cover a fifth of `box`.
      picture: the area that the panel must not leave.
    """
    for unit in units:
        for face in (box, box.hull(label)):
            for area, stacked in _sides(face, measure, unit):
                if area.shifted_into(picture).fits(picture, occupied):
                    return Place(area.shifted_into(picture), unit, stacked)
    others = [area for area in occupied if area is not box]
    for area, stacked in _corners(picture, measure, units[-1]):
        if area.fits(picture, others) and area.overlap([box]) <= MAX_COVERED * box.size:
            return Place(area, units[-1], stacked)
    return None


def _sides(face: Area, measure: Measure, unit: int) -> Iterator[tuple[Area, bool]]:
    """Yield areas beside a face (tall panels first), then below and above it (wide panels first)."""
    gap = max(2, unit // 2)
    for stacked in (True, False):
        width, height = measure(unit, stacked)
        for left in (face.right + gap, face.left - gap - width):
            yield Area(left, face.top, left + width, face.top + height), stacked
    for stacked in (False, True):
        width, height = measure(unit, stacked)
        for top in (face.bottom + gap, face.top - gap - height):
            yield Area(face.left, top, face.left + width, top + height), stacked


def _corners(picture: Area, measure: Measure, unit: int) -> Iterator[tuple[Area, bool]]:
    for stacked in (True, False):
        width, height = measure(unit, stacked)
        for top in (picture.bottom - height, picture.top):
            for left in (picture.right - width, picture.left):
                yield Area(left, top, left + width, top + height), stacked
