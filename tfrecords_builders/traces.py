"""Time-stamped ratings, and the value at a frame.

Raters rate a clip while it plays. Each rater leaves a trace: times and values, with its own time step, start and end. A
frame takes the rating at its time, or `annotation_delay` later, because raters react late.

Between two ratings the value is interpolated. Outside a trace there is no value, and neither in a gap of more than half
a second. Several raters are averaged over those with a value at a time. The notes of a trace name its file's defects.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from tfaffect.errors import UsageError
from tfrecords_builders.base import Note

GAP_SECONDS = 0.5  # the widest gap between two ratings that is interpolated
TOLERANCE = 0.05  # a rating up to this far outside [-1, 1] is rounding or joystick play; beyond it, the rating is wrong
WRONG_SHARE = 0.01  # largest share of wrong ratings in a file; with more, the file is in another unit
LONGEST_SECONDS = 24 * 3600.0  # larger times are milliseconds or frame numbers
MICROSECOND = 1e-6  # largest difference between two ways to write one time


@dataclass(frozen=True, eq=False)
class Trace:
    """Ratings over time: ascending `seconds`, and `values`, float64 of shape (samples,); NaN where not rated."""

    seconds: np.ndarray
    values: np.ndarray
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, samples: Iterable[tuple[float | None, float | None]]) -> Self:
        """Make a trace of (time, value) pairs: drop pairs without a time, sort, and average values at equal times."""
        pairs = [(time, np.nan if value is None else value) for time, value in samples if time is not None]
        given, values = np.array(pairs, float).reshape(-1, 2).T
        seconds, place = np.unique(given, return_inverse=True)
        notes = []
        if (np.diff(given) < 0).any():
            notes.append(Note("ratings not in order of time: sorted"))
        if len(seconds) < len(given):
            notes.append(Note("several ratings at one time: averaged"))
        known = ~np.isnan(values)
        place, values = place[known], values[known]
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN where no value is known
            means = np.bincount(place, values, len(seconds)) / np.bincount(place, minlength=len(seconds))
        return cls(seconds, means, tuple(notes))

    def __bool__(self) -> bool:
        """Whether there is a rating at all."""
        return bool(np.isfinite(self.values).any())

    @property
    def step(self) -> float:
        """The median time between two samples in seconds; 0 for fewer than two."""
        return float(np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else 0.0

    def at(self, seconds: np.ndarray | float) -> np.ndarray:
        """Return the value at each of some times, NaN where there is none.

        Values are interpolated linearly between neighbours up to GAP_SECONDS apart (or one and a half steps, where
        steps are longer). Beyond the ends and in wider gaps, the nearest rating counts for half a step.
        """
        seconds = np.asarray(seconds, float)
        known = ~np.isnan(self.values)
        times, values = self.seconds[known], self.values[known]
        if not len(times):
            return np.full(seconds.shape, np.nan)
        after = np.searchsorted(times, seconds)
        before, after = np.maximum(after - 1, 0), np.minimum(after, len(times) - 1)
        nearest = np.where(np.abs(seconds - times[before]) <= np.abs(times[after] - seconds), before, after)
        gap = times[after] - times[before]
        bridged = (times[0] <= seconds) & (seconds <= times[-1]) & (gap <= max(GAP_SECONDS, 1.5 * self.step))
        close = np.abs(seconds - times[nearest]) <= self.step / 2 + MICROSECOND
        return np.where(bridged, np.interp(seconds, times, values), np.where(close, values[nearest], np.nan))


def mean(raters: Sequence[Trace]) -> Trace:
    """Return the mean of the raters, at every time at which one of them has a sample."""
    seconds, ratings = _align(raters)
    return Trace(seconds, _mean(ratings, axis=1), notes(raters))


def ccc_centred(raters: Sequence[Trace]) -> Trace:
    """Return the gold standard of AVEC 2018 (Ringeval et al., 2018): the mean, shifted towards the reliable raters.

    The mean of the raters at every time is shifted by a constant, so that its centre is no longer the mean of all
    ratings, but the mean of the raters' own means weighted by agreement. The agreement of a rater is the mean
    concordance correlation (CCC) with each other rater.
    """
    seconds, ratings = _align(raters)
    weights = _agreement(ratings)
    if not weights.sum() > 0:
        return replace(mean(raters), notes=(*notes(raters), Note("raters do not agree at all: plain mean")))
    centre = weights @ _mean(ratings, axis=0) / weights.sum()
    values = np.round(_mean(ratings, axis=1) - _mean(ratings) + centre, 6)
    clipped = (Note("gold standard outside [-1, 1]: clipped"),) if (np.abs(values) > 1).any() else ()
    return Trace(seconds, np.clip(values, -1, 1), (*notes(raters), *clipped))


def checked(trace: Trace, path: Path) -> Trace:
    """Return a trace with all ratings in [-1, 1]. Ratings up to TOLERANCE outside are clipped, others are dropped.

    Raises UsageError for a file that seems to be in another unit.
    """
    if len(trace.seconds) and np.abs(trace.seconds).max() > LONGEST_SECONDS:
        raise UsageError(f"{path} has times up to {np.abs(trace.seconds).max():g}; they must be seconds.")
    size = np.abs(trace.values)
    wrong, notes = size > 1 + TOLERANCE, []
    if wrong.sum() > max(1, WRONG_SHARE * np.isfinite(size).sum()):
        raise UsageError(
            f"{path} has {wrong.sum():,} ratings outside [-1, 1], up to {np.nanmax(size):g}. "
            "Scale the ratings of the corpus to [-1, 1], or correct the file."
        )
    if wrong.any():
        notes.append(Note(f"rating outside [-1, 1] by more than {TOLERANCE:g}: dropped"))
    if ((size > 1) & ~wrong).any():
        notes.append(Note(f"ratings outside [-1, 1] by up to {TOLERANCE:g}: clipped"))
    values = np.where(wrong, np.nan, np.clip(trace.values, -1, 1))
    return Trace(trace.seconds, values, (*trace.notes, *notes))


def _align(raters: Sequence[Trace]) -> tuple[np.ndarray, np.ndarray]:
    """The times of all raters, and their ratings, float64 (times, raters); NaN where a rater has none."""
    raters = [trace for trace in raters if trace]
    if not raters:
        return np.empty(0), np.empty((0, 0))
    if all(np.array_equal(trace.seconds, raters[0].seconds) for trace in raters):
        return raters[0].seconds, np.stack([trace.values for trace in raters], axis=1)
    seconds = np.unique(np.round(np.concatenate([trace.seconds for trace in raters]), 4))
    return seconds, np.stack([trace.at(seconds) for trace in raters], axis=1)


def _agreement(ratings: np.ndarray) -> np.ndarray:
    """The mean CCC of each rater with each other rater; 0 where it is not defined."""
    raters = range(ratings.shape[1])
    by_rater = ([ccc(ratings[:, one], ratings[:, other]) for other in raters if other != one] for one in raters)
    return np.array([np.nan_to_num(_mean(np.array(values, float))) for values in by_rater], float)


def ccc(one: np.ndarray, other: np.ndarray) -> float:
    """Lin's concordance correlation over the times that both rated; NaN for two equal constants."""
    both = ~np.isnan(one + other)
    if both.sum() < 2:
        return np.nan
    (one, away), (other, other_away) = ((x[both], x[both] - x[both].mean()) for x in (one, other))
    total = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return 2 * (away * other_away).mean() / total if total > 0 else np.nan


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """NumPy's nanmean without its warning for an empty mean, which is NaN."""
    return np.ma.filled(np.ma.masked_invalid(values).mean(axis), np.nan)


def notes(traces: Iterable[Trace]) -> tuple[Note, ...]:
    """Return the notes of several traces, each once."""
    return tuple(dict.fromkeys(note for trace in traces for note in trace.notes))
