"""Finds places for the labels and panels of faces in a picture. It computes rectangles and draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress, product
from typing import NamedTuple

import numpy as np

Measure = Callable[[int, bool], tuple[int, int]]

MAX_COVERED = 0.2
"""The share of a face's box that its own panel may cover if there is no room beside it."""

HAIR = 0.25
"""Share of a box's sides around it that the panels of other faces leave free where they can: hair, ears and chin."""


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

    def grown(self, share: float) -> Area:
        """Return the area with a share of its sides added on every side."""
        x, y = round(share * self.width), round(share * self.height)
        return Area(self.left - x, self.top - y, self.right + x, self.bottom + y)


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
    box: Area,
    label: Area,
    measure: Measure,
    units: Sequence[int],
    occupied: Sequence[Area],
    picture: Area,
    others: Sequence[Area] = (),
) -> Place | None:
    """Find room for the panel of a face: right, left, below or above it, else in the nearest free place or a corner.

    The panel is nearer to its own face than to any other. Where there is room, it leaves their hair free too.

    Args:
      box: the visible part of the face's box.
      label: the label of this face.
      measure: returns width and height in pixels for a text size and whether the panel is stacked.
      units: text sizes, the best first; away from the sides of the face the last one is used.
      occupied: areas to leave free, including `box` and `label`. In a corner the panel may cover a fifth of `box`.
      picture: the area that the panel must not leave.
      others: the boxes of the other faces.
    """
    with_hair = [*occupied, *(other.grown(HAIR) for other in others)]
    for unit in units:
        places = [
            Place(area.shifted_into(picture), unit, stacked)
            for face in (box, box.hull(label))
            for area, stacked in _sides(face, measure, unit)
        ]
        for taken in (with_hair, occupied):
            free = np.flatnonzero(_are_free(places, taken, picture) & _are_nearest(places, box, others))
            if free.size:
                return places[free[0]]
    nearest = _nearest(box, measure, units[-1], occupied, picture, others) if others else None
    return nearest or _in_corner(box, measure, units[-1], occupied, picture, others)


def _nearest(
    box: Area, measure: Measure, unit: int, occupied: Sequence[Area], picture: Area, others: Sequence[Area]
) -> Place | None:
    """Find the free place nearest to a box. There may be thousands."""
    places = [Place(area, unit, stacked) for area, stacked in _neighbours(occupied, measure, unit)]
    free = _are_free(places, occupied, picture) & _are_nearest(places, box, others)
    far = np.where(free, distances([place.area for place in places], [box])[:, 0], np.inf)
    return places[int(np.argmin(far))] if free.any() else None


def _in_corner(
    box: Area, measure: Measure, unit: int, occupied: Sequence[Area], picture: Area, others: Sequence[Area]
) -> Place | None:
    places = [Place(area, unit, stacked) for area, stacked in _corners(picture, measure, unit)]
    elsewhere = [area for area in occupied if area is not box]
    covers_little = np.array([place.area.overlap([box]) <= MAX_COVERED * box.size for place in places])
    free = covers_little & _are_free(places, elsewhere, picture) & _are_nearest(places, box, others)
    return next(compress(places, free), None)


def _are_free(places: Sequence[Place], occupied: Sequence[Area], picture: Area) -> np.ndarray:
    """Return which of n places (n,) are not empty, lie completely in a picture and overlap nothing occupied."""
    corners = np.array([place.area for place in places])
    first, last = corners[:, :2], corners[:, 2:]
    inside = ((first >= picture[:2]) & (first < last) & (last <= picture[2:])).all(axis=1)
    overlaps = (_gaps([place.area for place in places], occupied) < 0).all(axis=2)
    return inside & (overlaps.sum(axis=1) == 0)


def _are_nearest(places: Sequence[Place], box: Area, others: Sequence[Area]) -> np.ndarray:
    """Return which of n places (n,) are not nearer to others than to a box: a reader sees to which they belong."""
    own, *other = distances([place.area for place in places], [box, *others]).T
    return np.all([own <= distance for distance in other], axis=0) if other else np.ones(len(places), bool)


def distances(areas: Sequence[Area], others: Sequence[Area]) -> np.ndarray:
    """Return how far n and m areas are apart in pixels (n, m), 0 where they touch."""
    return np.hypot(*np.moveaxis(np.maximum(0, _gaps(areas, others)), -1, 0))


def _gaps(areas: Sequence[Area], others: Sequence[Area]) -> np.ndarray:
    """Return how far n and m areas are apart in x and y (n, m, 2), negative where they overlap."""
    first, second = np.array(areas).reshape(-1, 1, 4), np.array(others).reshape(1, -1, 4)
    return np.maximum(first[..., :2], second[..., :2]) - np.minimum(first[..., 2:], second[..., 2:])


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


def _neighbours(occupied: Sequence[Area], measure: Measure, unit: int) -> Iterator[tuple[Area, bool]]:
    """Yield areas whose sides are beside, or in line with, any sides of what is occupied."""
    gap = max(2, unit // 2)
    for stacked in (True, False):
        width, height = measure(unit, stacked)
        lefts = {x for area in occupied for x in (area.right + gap, area.left - gap - width, area.left)}
        tops = {y for area in occupied for y in (area.bottom + gap, area.top - gap - height, area.top)}
        for left, top in product(sorted(lefts), sorted(tops)):
            yield Area(left, top, left + width, top + height), stacked


def _corners(picture: Area, measure: Measure, unit: int) -> Iterator[tuple[Area, bool]]:
    for stacked in (True, False):
        width, height = measure(unit, stacked)
        for top in (picture.bottom - height, picture.top):
            for left in (picture.right - width, picture.left):
                yield Area(left, top, left + width, top + height), stacked
