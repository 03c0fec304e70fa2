"""Turn tracks into labels: ratings in [-1, 1] over time, and segments of our classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number
from tfaffect.labels import CLASS_OF_WORD, CLASSES
from tfrecords_builders import traces
from tfrecords_builders.annotations.steps import Steps
from tfrecords_builders.annotations.tracks import Curve, Tier, Track
from tfrecords_builders.base import Note
from tfrecords_builders.class_codes import MISSING, NO_CLASS
from tfrecords_builders.traces import Trace

ROUNDING = 1e-6
"""Share of the range by which a rating may lie outside: programs write and read numbers in several precisions."""

Classes = dict[str, Steps]
"""The segments of each class that one rater gave. The value is 1."""


def class_map(pairs: Sequence[str]) -> dict[str, str | None]:
    """Return the class of each label of `LABEL=CLASS` pairs; None for the class `none`. Raises UsageError."""
    found = {}
    for pair in pairs:
        label, _, word = pair.rpartition("=")
        if not label.strip() or word.strip().lower() not in (*CLASS_OF_WORD, NO_CLASS):
            raise UsageError(
                f"--class-map must have pairs LABEL=CLASS, with one of {', '.join((*CLASSES, NO_CLASS))}. "
                f"Received: {pair!r}."
            )
        found[label.strip().lower()] = CLASS_OF_WORD.get(word.strip().lower())
    return found


def ratings(path: Path, track: Track, limits: tuple[float, float]) -> Trace:
    """Return the ratings of a track in [-1, 1].

    limits: the lowest and the highest rating, for a file that does not state them. Raises UsageError for a file without
    a number, and for the first rating that is no number or lies outside the range.
    """
    if isinstance(track, Tier):
        return _rated_segments(path, track, limits)
    if track.wrong:
        raise UsageError(track.wrong)
    if not np.isfinite(track.values).any():
        raise UsageError(f"{printable(path)} has no rating in {track.name!r}: no cell of it is a number.")
    low, high = track.limits or limits
    outside = np.flatnonzero(_is_outside(track.values, low, high))
    if len(outside):
        place = f"{track.counted} {track.numbers[outside[0]]}"
        raise _out_of_range(
            track.data or path, place, float(track.values[outside[0]]), low, high, stated=track.limits is not None
        )
    values = np.clip((2 * track.values - low - high) / (high - low), -1, 1)
    trace = Trace.of(zip(track.seconds.tolist(), values.tolist(), strict=True))
    return traces.checked(Trace(trace.seconds, trace.values, (*track.notes, *trace.notes)), path)


def _rated_segments(path: Path, tier: Tier, limits: tuple[float, float]) -> Steps:
    """The numbers that stand as labels in segments."""
    low, high = limits
    spans = []
    for part in tier.segments:
        if part.label.lower() in MISSING:
            continue
        value = to_number(part.label)
        if value is None:
            raise UsageError(
                f"{part.place.capitalize()} of {printable(tier.data or path)}: a rating must be a number. "
                f"Received: {part.label[:50]!r}."
            )
        if _is_outside(value, low, high):
            raise _out_of_range(tier.data or path, part.place, value, low, high, stated=False)
        spans.append((part.start, part.end, float(np.clip((2 * value - low - high) / (high - low), -1, 1))))
    if not spans:
        raise UsageError(f"{printable(path)} has no rating in {tier.name!r}: no segment of it has a number.")
    steps = Steps.over(spans)
    _check_times(path, steps)
    return Steps(steps.seconds, steps.values, tier.notes)


def classes(path: Path, track: Track, known: Mapping[str, str | None]) -> tuple[Classes, list[Note]]:
    """Return the segments of each class, and notes.

    known: the classes of labels that are no words for a class. With it, other labels are left out with a note; without
    it, the first is an error.
    """
    if isinstance(track, Curve):
        raise UsageError(f"{printable(path)} has numbers in {track.name!r}, and a class is a word.")
    notes, spans = list(track.notes), dict[str, list[tuple[float, float, float]]]()
    for part in track.segments:
        word = part.label.lower()
        if word in known or word in CLASS_OF_WORD:
            name = known.get(word, CLASS_OF_WORD.get(word)) if word in known else CLASS_OF_WORD[word]
            if name:
                spans.setdefault(name, []).append((part.start, part.end, 1.0))
        elif word not in MISSING and known:
            notes.append(Note(f"label that --class-map does not name: {printable(part.label)[:50]!r}"))
        elif word not in MISSING:
            raise UsageError(
                f"{part.place.capitalize()} of {printable(track.data or path)}: {part.label[:50]!r} is no class. "
                f"Classes: {', '.join(CLASSES)}. Name the class of each label: "
                f"--class-map '{part.label[:50]}=happiness' ..., or {NO_CLASS} for no class."
            )
    found = {name: Steps.over(parts) for name, parts in spans.items()}
    for steps in found.values():
        _check_times(path, steps)
    return found, list(dict.fromkeys(notes))


def _check_times(path: Path, steps: Steps) -> None:
    if len(steps.seconds) and np.abs(steps.seconds).max() > traces.LONGEST_SECONDS:
        raise UsageError(f"{printable(path)} has times up to {np.abs(steps.seconds).max():g}; they must be seconds.")


def _is_outside(values: np.ndarray | float, low: float, high: float) -> np.ndarray:
    room = ROUNDING * (high - low)
    return np.asarray((values < low - room) | (values > high + room))


def _out_of_range(path: Path, place: str, value: float, low: float, high: float, stated: bool) -> UsageError:
    what = "that the file states" if stated else "or set the range with --affect-low and --affect-high"
    return UsageError(
        f"{place.capitalize()} of {printable(path)}: a rating must be in [{low:g}, {high:g}], {what}. "
        f"Received: {value:g}."
    )
