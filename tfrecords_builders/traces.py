"""Time-stamped ratings, and the value at a frame.

People rate a clip while it plays, so each leaves a trace: times and values, at a step of their own and with ends of
their own. A frame takes the rating at its time, or `annotation_delay` later, because raters lag behind what they see.

Between two ratings the value is interpolated; outside of a trace there is none, and none in a hole of more than half a
second. Raters are averaged over what exists at a time. What was wrong with a file and survived is in a trace's notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfrecords_builders.base import Note

GAP_SECONDS = 0.5  # the widest hole between two ratings that is bridged
SLACK = 0.05  # a rating this far outside of [-1, 1] is rounding or a joystick's play; further out it is wrong
STRAY_SHARE = 0.01  # of a file's ratings may be wrong; more are another unit
LONGEST_SECONDS = 24 * 3600.0  # times beyond are milliseconds or frame numbers
MICROSECOND = 1e-6  # what two ways to write one time may differ by


@dataclass(frozen=True, eq=False)
class Trace:
    """Ratings over time: ascending `seconds` and `values`, float64 of shape (samples,); NaN = not rated then."""

    seconds: np.ndarray
    values: np.ndarray
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, samples: Iterable[tuple[float | None, float | None]]) -> Trace:
        """Make a trace of (time, value) pairs: without those of no time, in order, and with one value at a time."""
        pairs = [(time, np.nan if value is None else value) for time, value in samples if time is not None]
        given, values = np.array(pairs, float).reshape(-1, 2).T
        seconds, place = np.unique(given, return_inverse=True)
        notes = []
        if (np.diff(given) < 0).any():
            notes.append(Note("ratings out of the order of time: sorted"))
        if len(seconds) < len(given):
            notes.append(Note("several ratings at one time: averaged"))
        known = ~np.isnan(values)
        counts = np.bincount(place[known], minlength=len(seconds))
        sums = np.bincount(place[known], values[known], minlength=len(seconds))
        return cls(seconds, _ratio(sums, counts), tuple(notes))

    def __bool__(self) -> bool:
        """Whether there is a rating at all."""
        return bool(np.isfinite(self.values).any())

    @property
    def step(self) -> float:
        """The usual time between two samples in seconds; 0 when there are less than two."""
        return float(np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else 0.0

    def at(self, seconds: np.ndarray | float) -> np.ndarray:
        """Return the value at each of some times, NaN where there is none.

        It is interpolated linearly between neighbours no more than GAP_SECONDS (or one and a half steps, where steps
        are longer) apart. Beyond the ends, and in wider holes, the nearest rating counts for half a step.
        """
        seconds = np.asarray(seconds, float)
        known = ~np.isnan(self.values)
        times, values = self.seconds[known], self.values[known]
        if not len(times):
            return np.full(seconds.shape, np.nan)
        after = np.searchsorted(times, seconds)
        before, after = np.maximum(after - 1, 0), np.minimum(after, len(times) - 1)
        nearest = np.where(np.abs(seconds - times[before]) <= np.abs(times[after] - seconds), before, after)
        apart = times[after] - times[before]
        bridged = (times[0] <= seconds) & (seconds <= times[-1]) & (apart <= max(GAP_SECONDS, 1.5 * self.step))
        close = np.abs(seconds - times[nearest]) <= self.step / 2 + MICROSECOND
        alone = np.where(close, values[nearest], np.nan)
        return np.where(bridged, np.interp(seconds, times, values), alone)


def mean(raters: Sequence[Trace]) -> Trace:
    """Return the mean of the raters at every time at which one of them has a sample."""
    seconds, ratings = _together(raters)
    return Trace(seconds, _mean(ratings, axis=1), notes(raters))


def ccc_centred(raters: Sequence[Trace]) -> Trace:
    """Return the gold standard of AVEC 2018 (Ringeval et al., 2018): the mean, moved to where reliable raters put it.

    At every time the mean of the raters, minus the mean of all ratings, plus the mean of the raters' own means weighted
    by their agreement: a rater's mean concordance correlation (CCC) with each other rater.
    """
    seconds, ratings = _together(raters)
    weights = _agreement(ratings)
    if not weights.sum() > 0:
        return replace(mean(raters), notes=(*notes(raters), Note("raters do not agree at all: plain mean")))
    centre = weights @ _mean(ratings, axis=0) / weights.sum()
    values = np.round(_mean(ratings, axis=1) - _mean(ratings) + centre, 6)
    beyond = (Note("gold standard outside of [-1, 1]: clipped"),) if (np.abs(values) > 1).any() else ()
    return Trace(seconds, np.clip(values, -1, 1), (*notes(raters), *beyond))


def checked(trace: Trace, path: Path) -> Trace:
    """Return a trace with every rating in [-1, 1]: those up to SLACK outside are clipped, others dropped, both noted.

    Raises UsageError for a file that seems to be in another unit.
    """
    if len(trace.seconds) and np.abs(trace.seconds).max() > LONGEST_SECONDS:
        raise UsageError(f"{path} has times up to {np.abs(trace.seconds).max():g}; they must be seconds.")
    size = np.abs(trace.values)
    stray, notes = size > 1 + SLACK, []
    if stray.sum() > max(1, STRAY_SHARE * np.isfinite(size).sum()):
        raise UsageError(
            f"{path} has {stray.sum():,} ratings outside of [-1, 1], up to {np.nanmax(size):g}. "
            "Scale the ratings of the corpus to [-1, 1], or mend the file."
        )
    if stray.any():
        notes.append(Note(f"rating outside of [-1, 1] by more than {SLACK:g}: dropped"))
    if ((size > 1) & ~stray).any():
        notes.append(Note(f"ratings outside of [-1, 1] by up to {SLACK:g}: clipped"))
    values = np.where(stray, np.nan, np.clip(trace.values, -1, 1))
    return Trace(trace.seconds, values, (*trace.notes, *notes))


def _together(raters: Sequence[Trace]) -> tuple[np.ndarray, np.ndarray]:
    """The samples of raters with any, float64 (samples, raters), at the times of all; NaN where one has none."""
    raters = [trace for trace in raters if trace]
    if not raters:
        return np.empty(0), np.empty((0, 0))
    if all(np.array_equal(trace.seconds, raters[0].seconds) for trace in raters):
        return raters[0].seconds, np.stack([trace.values for trace in raters], axis=1)
    seconds = np.unique(np.round(np.concatenate([trace.seconds for trace in raters]), 4))
    return seconds, np.stack([trace.at(seconds) for trace in raters], axis=1)


def _agreement(ratings: np.ndarray) -> np.ndarray:
    """The mean CCC of each rater with each other; 0 where it is not defined."""
    raters = range(ratings.shape[1])
    with_others = ([_ccc(ratings[:, one], ratings[:, other]) for other in raters if other != one] for one in raters)
    return np.array([np.nan_to_num(_mean(np.array(with_each, float))) for with_each in with_others], float)


def _ccc(one: np.ndarray, other: np.ndarray) -> float:
    """Lin's concordance correlation over the times that both rated, NaN for two equal constants."""
    both = ~np.isnan(one + other)
    if both.sum() < 2:
        return np.nan
    (one, away), (other, other_away) = ((x[both], x[both] - x[both].mean()) for x in (one, other))
    total = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return 2 * (away * other_away).mean() / total if total > 0 else np.nan


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """NumPy's nanmean without its warning: NaN where there is nothing to average."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis), known.sum(axis))


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=np.asarray(counts) > 0)


def notes(traces: Sequence[Trace]) -> tuple[Note, ...]:
    """Return the notes of several traces, each once."""
    return tuple(dict.fromkeys(note for trace in traces for note in trace.notes))
