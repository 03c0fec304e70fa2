"""A row as a line of text."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tfaffect.features.row import Row
from tfaffect.labels import AFFECT, CLASSES

MIN_PROBABILITY = 0.1
"""Classes below this probability are not printed, except the most probable one."""


def line(row: Row) -> str:
    """Return source, time and place of a face, its most probable classes, and the affect that the network learned."""
    time = "" if row.seconds is None else f" {row.seconds:.2f} s"
    if row.face is None:
        return f"{row.source}{time}: {row.problem}"
    place = "" if row.box is None else " at " + ",".join(f"{side:.0f}" for side in row.box)
    return f"{row.source}{time}: face {row.face}{place}: {', '.join(_outputs(row))}"


def _outputs(row: Row) -> Iterator[str]:
    order = np.argsort(-row.expression)
    if row.has_classes and row.top_class is None:
        yield "no class is sure enough"
    for index in order if row.has_classes else ():
        if row.expression[index] >= MIN_PROBABILITY or (index == order[0] and row.top_class):
            yield f"{CLASSES[index]} {100 * row.expression[index]:.0f} %"
    for name in AFFECT:
        if not math.isnan(value := getattr(row, name)):
            yield f"{name} {value:+.2f}"
