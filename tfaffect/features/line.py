"""A row as a line for people."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tfaffect.features.row import Row
from tfaffect.labels import AFFECT, CLASSES

TOLD = 0.1
"""Probability from which a class is told beside the most probable one."""


def line(row: Row) -> str:
    """Return what is known of a face: where it is, its most probable classes, and what was learned of affect."""
    when = "" if row.seconds is None else f" {row.seconds:.2f} s"
    if row.face is None:
        return f"{row.source}{when}: {row.problem}"
    where = "" if row.box is None else " at " + ",".join(f"{side:.0f}" for side in row.box)
    return f"{row.source}{when}: face {row.face}{where}: {', '.join(_words(row))}"


def _words(row: Row) -> Iterator[str]:
    order = np.argsort(-row.expression)
    if row.has_classes and row.top_class is None:
        yield "no class is sure enough"
    for place in order if row.has_classes else ():
        if row.expression[place] >= TOLD or (place == order[0] and row.top_class):
            yield f"{CLASSES[place]} {100 * row.expression[place]:.0f} %"
    for name in AFFECT:
        if not math.isnan(value := getattr(row, name)):
            yield f"{name} {value:+.2f}"
