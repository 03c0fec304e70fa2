"""CARMA (one axis, a slider) and DARMA (two axes, a joystick): the mean rating of each bin of time.

Girard: CARMA: Software for Continuous Affect Rating and Media Annotation, Journal of Open Research Software 2, 2014.
Girard and Wright: DARMA: Software for dual axis rating and media annotation, Behavior Research Methods 50, 2018.
`Second` is the end of a bin, as the sources of both programs show. A rating is put into the middle of its bin.

- Older files of CARMA have seven lines of facts, and those of DARMA have three; then follow the names of the columns
  and a line of percent signs. CARMA's range is its Minimum and Maximum Value, DARMA's is its Magnitude, up and down.
- Newer files of CARMA are one table, with the facts in every row.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.files.separated import bare, read_rows
from tfaffect.files.tables import to_number
from tfrecords_builders.annotations.tracks import Track, curve

LOWEST, HIGHEST, MAGNITUDE, SECOND, RATING = "minimum value", "maximum value", "magnitude", "second", "rating"
FACTS = (LOWEST, HIGHEST, MAGNITUDE, "time of rating", "multimedia file", "lower label", "upper label")
MOST_FACTS = 15


def is_carma(text: str) -> bool:
    """Return whether a text is a file of CARMA or DARMA: it has their facts before, or beside, a column `Second`."""
    lines = [re.split(r"[,;\t]", line.lower()) for line in text.splitlines()[:MOST_FACTS]]
    first = next((number for number, cells in enumerate(lines) if SECOND in map(bare, cells)), None)
    return first is not None and any(bare(cell) in FACTS for cells in lines[: first + 1] for cell in cells)


def read(path: Path) -> list[Track]:
    """Return the curve of CARMA, called Rating, or the two of DARMA, called by the labels of their axes.

    Raises UsageError for a file without a range, or with a time that is no number.
    """
    rows = [(line, list(map(bare, cells))) for line, cells in read_rows(path, (SECOND, RATING), 2, [])[1]]
    head = next((place for place, (_, cells) in enumerate(rows) if SECOND in map(str.lower, cells)), None)
    if head is None:
        raise UsageError(f"{printable(path)} has no column Second.")
    names, data = rows[head][1], [row for row in rows[head + 1 :] if any(row[1]) and not row[1][0].startswith("%")]
    lower = list(map(str.lower, names))
    facts = {cells[0].lower(): cells[1] for _, cells in rows[:head] if len(cells) > 1}
    if data:
        facts |= {name: cell for name, cell in zip(lower, data[0][1], strict=False) if name in FACTS}
    limits = _limits(path, facts)
    seconds = _middles(path, data, lower.index(SECOND))
    if RATING in lower:
        columns = [lower.index(RATING)]
    else:
        columns = [place for place, name in enumerate(lower) if name not in ("", SECOND, "button")]
    return [
        curve(
            path,
            names[place],
            [
                (line, time, cells[place] if place < len(cells) else "")
                for (line, cells), time in zip(data, seconds, strict=True)
            ],
            limits,
        )
        for place in columns
    ]


def _limits(path: Path, facts: dict[str, str]) -> tuple[float, float]:
    low, high, magnitude = (to_number(facts.get(name, "")) for name in (LOWEST, HIGHEST, MAGNITUDE))
    if low is None and high is None and magnitude is not None:
        low, high = -magnitude, magnitude
    if low is None or high is None or not low < high:
        raise UsageError(
            f"{printable(path)} must state a range: Minimum Value and Maximum Value (CARMA), or Magnitude (DARMA). "
            f"Received: {facts}."
        )
    return low, high


def _middles(path: Path, rows: Sequence[tuple[int, list[str]]], place: int) -> list[float]:
    """The middle of each bin. The first bin starts at 0, so a single one is as wide as its end."""
    ends = []
    for line, cells in rows:
        text = cells[place] if place < len(cells) else ""
        if (end := to_number(text)) is None:
            raise UsageError(f"Line {line} of {printable(path)}: Second must be a number. Received: {text[:50]!r}.")
        ends.append(end)
    steps = np.diff(np.unique(ends))
    width = float(np.median(steps)) if len(steps) else max(ends, default=0.0)
    return [end - width / 2 for end in ends]
