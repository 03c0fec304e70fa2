"""What a file of annotations holds: curves of ratings, and tiers of segments with labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number
from tfrecords_builders.base import Note
from tfrecords_builders.class_codes import MISSING


@dataclass(frozen=True, eq=False)
class Curve:
    """Ratings over time, in the units of the file.

    name: as the file calls them; may be empty.
    seconds, values: float64 (samples,); a value is NaN where it is missing.
    numbers: int (samples,), where the file has each sample; `counted` says what is counted: "line" or "sample".
    limits: the lowest and the highest rating that the file allows, where it says so.
    wrong: what is wrong with the first cell that is no number; it is an error only for a curve that is used.
    data: the file with the samples, where it is not the file that was named.
    """

    name: str
    seconds: np.ndarray
    values: np.ndarray
    numbers: np.ndarray
    counted: str = "line"
    limits: tuple[float, float] | None = None
    wrong: str = ""
    notes: tuple[Note, ...] = ()
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A label that holds from `start` until before `end`, in seconds. `place` is where the file has it."""

    start: float
    end: float
    label: str
    place: str


@dataclass(frozen=True)
class Tier:
    """Segments of one kind.

    media: the file name of the video that they describe, where the file says so.
    data: the file with the segments, where it is not the file that was named.
    """

    name: str
    segments: tuple[Segment, ...]
    media: str = ""
    notes: tuple[Note, ...] = ()
    data: Path | None = None


Track = Curve | Tier


def curve(
    path: Path,
    name: str,
    cells: Sequence[tuple[int, float, str]],
    limits: tuple[float, float] | None = None,
    notes: tuple[Note, ...] = (),
) -> Curve:
    """Return the curve of (line, seconds, text) cells. A cell is a number, or a word that means "missing"."""
    values = [to_number(text) for _, _, text in cells]
    wrong = ""
    for (line, _, text), value in zip(cells, values, strict=True):
        if value is None and text.strip().lower() not in MISSING:
            wrong = f"Line {line} of {printable(path)}: a rating must be a number. Received: {text.strip()[:50]!r}."
            break
    numbers = np.array([line for line, _, _ in cells], int)
    seconds = np.array([time for _, time, _ in cells], float)
    return Curve(name, seconds, np.array(values, float), numbers, limits=limits, wrong=wrong, notes=notes, data=path)


def segment(path: Path, times: Sequence[float | None], label: str, place: str) -> Segment:
    """Return a segment. Raises UsageError for times that are no numbers, or an end before the start."""
    start, end = times
    if start is None or end is None or not -np.inf < start <= end < np.inf:
        raise UsageError(
            f"{place.capitalize()} of {printable(path)}: a segment must have a start and a later end in seconds. "
            f"Received: {start} to {end}."
        )
    return Segment(start, end, label.strip(), place)
