"""Plain tables of times and ratings, and FEELtrace's pairs of time and rating on a line."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.encodings import read_text
from tfaffect.files.paths import printable
from tfaffect.files.tables import open_table, to_number, with_point
from tfaffect.labels import AFFECT
from tfrecords_builders.annotations.tracks import Segment, Tier, Track, curve
from tfrecords_builders.base import Note
from tfrecords_builders.class_codes import MISSING

SECONDS = {"s", "sec", "secs", "second", "seconds"}
MILLISECONDS = {"ms", "msec", "millis", "millisecond", "milliseconds", "jstime"}  # jstime: the joystick files of CASE
TIME = {"time", "times", "timestamp", "t", *SECONDS, *MILLISECONDS}
CASE = {"x": "valence", "y": "arousal"}
"""The axes in the joystick files of CASE, whose times are called jstime."""
TAKEN_AS_SECONDS = Note("times without a unit, in steps below 1: seconds, as no rater gives 1,000 ratings a second")

Row = tuple[int, list[str]]


def read(path: Path, unit: str) -> list[Track]:
    """Return the columns of a table: a curve for each with numbers, a tier for each with words.

    unit: "seconds" or "milliseconds" for a file that does not say it, or an empty text. Raises UsageError for a file
    without times, with several unnamed columns, or whose unit is neither said nor plain.
    """
    names, rows = _pairs(path) or _table(path)
    tokens = [re.findall("[a-z]+", name.lower()) for name in names]
    places = [place for place, words in enumerate(tokens) if words and words[0] in TIME]
    if not places:
        raise UsageError(
            f"{printable(path)} has no column of times. Name it in the first line: seconds or milliseconds. "
            f"Received: {names}."
        )
    place = max(places, key=lambda column: bool({*tokens[column]} & (SECONDS | MILLISECONDS)))
    times = [_time(path, line, cells, place) for line, cells in rows]
    factor, notes = _unit(path, names[place], {*tokens[place]}, times, unit)
    seconds = [factor * time for time in times]
    if "jstime" in tokens[place]:
        names = [CASE.get(name.lower(), name) for name in names]
    columns = [column for column in range(len(names)) if column not in places and names[column]]
    return [_track(path, names[column], column, rows, seconds, notes) for column in columns]


def _pairs(path: Path) -> tuple[list[str], list[Row]] | None:
    """The rows of a text whose first line is two numbers, with blanks or a semicolon between; None for other files."""
    texts = [(line, text.strip()) for line, text in enumerate(read_text(path).splitlines(), 1) if text.strip()]
    lines = [(line, [with_point(cell) for cell in re.split(r"[,;]?\s+|;", text)]) for line, text in texts]
    if not lines or len(lines[0][1]) != 2 or None in map(to_number, lines[0][1]):
        return None
    if wrong := next(((line, cells) for line, cells in lines if len(cells) != 2), None):
        raise UsageError(
            f"Line {wrong[0]} of {printable(path)} must have a time and a rating. Received: {wrong[1][:4]}."
        )
    return ["time", "value"], lines


def _table(path: Path) -> tuple[list[str], list[Row]]:
    known = ("time", "seconds", "milliseconds", *AFFECT)
    table = open_table(path, known)
    if table.names and not any(table.number(name) is None for name in table.names):
        if len(table.names) != 2:
            raise UsageError(
                f"{printable(path)} has {len(table.names)} columns without names. Name them in the first line, for "
                f"example: seconds,valence,arousal. Received: {table.names}."
            )
        table = open_table(path, header=("time", "value"))
    convert = with_point if table.decimal_comma else str
    return table.names, [(line, [convert(cell) for cell in cells]) for line, cells in table.rows]


def _time(path: Path, line: int, cells: Sequence[str], place: int) -> float:
    text = cells[place] if place < len(cells) else ""
    if (time := to_number(text)) is None:
        raise UsageError(f"Line {line} of {printable(path)}: a time must be a number. Received: {text[:50]!r}.")
    return time


def _unit(path: Path, name: str, words: set[str], times: Sequence[float], unit: str) -> tuple[float, tuple[Note, ...]]:
    """The seconds of one unit, and a note where they follow from the steps between the times."""
    if words & (SECONDS | MILLISECONDS):
        return (0.001 if words & MILLISECONDS else 1.0), ()
    if unit:
        return (0.001 if unit == "milliseconds" else 1.0), ()
    steps = np.diff(np.unique(times))
    if len(steps) and np.median(steps) < 1:
        return 1.0, (TAKEN_AS_SECONDS,)
    raise UsageError(
        f"{printable(path)} does not say whether its times ({name!r}, up to {max(times, default=0):g}) are seconds or "
        "milliseconds. Say it with --time-unit seconds or --time-unit milliseconds, or call the column seconds or "
        "milliseconds."
    )


def _track(
    path: Path, name: str, column: int, rows: Sequence[Row], seconds: Sequence[float], notes: tuple[Note, ...]
) -> Track:
    texts = [cells[column] if column < len(cells) else "" for _, cells in rows]
    words = [text for text in texts if text.lower() not in MISSING]
    if words and all(to_number(word) is None for word in words):
        return Tier(name, tuple(_segments(rows, seconds, texts)), notes=notes)
    cells = [(line, time, text) for (line, _), time, text in zip(rows, seconds, texts, strict=True)]
    return curve(path, name, cells, notes=notes)


def _segments(rows: Sequence[Row], seconds: Sequence[float], texts: Sequence[str]) -> list[Segment]:
    """The segments of a column of words: a word holds until the time of the next row."""
    order = np.argsort(seconds, kind="stable")
    times = np.array(seconds)[order]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    ends = [*times[1:].tolist(), times[-1] + step]
    return [
        Segment(time, end, texts[place].strip(), f"line {rows[place][0]}")
        for place, time, end in zip(order, times.tolist(), ends, strict=True)
        if texts[place].lower() not in MISSING
    ]
