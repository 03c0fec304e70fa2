"""Traces of another kind: values that hold for a time, as constants and segments do, and parts of longer traces."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tfrecords_builders.traces import MICROSECOND, Trace, notes


@dataclass(frozen=True, eq=False)
class Part(Trace):
    """A trace without values before `start`, and from `end` on."""

    start: float = -np.inf
    end: float = np.inf

    def at(self, seconds: np.ndarray | float) -> np.ndarray:
        """Return the value at each of some times, NaN where there is none."""
        seconds = np.asarray(seconds, float) + MICROSECOND
        return np.where((self.start <= seconds) & (seconds < self.end), super().at(seconds - MICROSECOND), np.nan)


class Steps(Trace):
    """A trace whose `values[i]` holds from `seconds[i]` until before `seconds[i + 1]`. The last value is NaN."""

    @classmethod
    def over(cls, spans: Iterable[tuple[float, float, float]]) -> Self:
        """Make steps of (start, end, value). Where spans overlap, the value is their mean."""
        rows = np.array([span for span in spans if span[0] < span[1]], float).reshape(-1, 3)
        borders = np.unique(rows[:, :2])
        if not len(borders):
            return cls(np.empty(0), np.empty(0))
        first, last = (np.searchsorted(borders, rows[:, side]) for side in (0, 1))

        def running(weights: np.ndarray) -> np.ndarray:
            changes = [np.bincount(place, weights, len(borders)) for place in (first, last)]
            return np.cumsum(changes[0] - changes[1])

        counts = running(np.ones(len(rows)))
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(borders, np.where(counts > 0.5, running(rows[:, 2]) / counts, np.nan))

    @property
    def step(self) -> float:
        """Always 0: a value ends at its border."""
        return 0.0

    def at(self, seconds: np.ndarray | float) -> np.ndarray:
        """Return the value at each of some times, NaN where there is none."""
        seconds = np.asarray(seconds, float)
        if not len(self.seconds):
            return np.full(seconds.shape, np.nan)
        place = np.searchsorted(self.seconds, seconds + MICROSECOND, side="right") - 1
        return np.where(place >= 0, self.values[place], np.nan)

    def between(self, start: float, end: float) -> Self:
        """Return the part from `start` until before `end`."""
        inside = self.seconds[(start < self.seconds) & (self.seconds < end)]
        times = np.unique([*(side for side in (start, end) if np.isfinite(side)), *inside])
        values = np.where(times + MICROSECOND < end, self.at(times), np.nan)
        return type(self)(times, values, self.notes)

    def later(self, delay: float) -> Self:
        """Return the same values some seconds later."""
        return type(self)(self.seconds + delay, self.values, self.notes)


def mean(raters: Sequence[Steps]) -> Steps:
    """Return the mean of the raters who have a value, at every time."""
    borders = np.unique(np.concatenate([rater.seconds for rater in raters]))
    values = np.ma.masked_invalid(np.stack([rater.at(borders) for rater in raters]))
    return Steps(borders, np.ma.filled(values.mean(axis=0), np.nan), notes(raters))


def between(trace: Trace, start: float, end: float) -> Trace:
    """Return the part of a trace from `start` until before `end`, with its values at both borders."""
    if isinstance(trace, Steps):
        return trace.between(start, end)
    if (start == -np.inf and end == np.inf) or not trace:
        return trace
    inside = trace.seconds[(start < trace.seconds) & (trace.seconds < end)]
    times = np.unique([*(side for side in (start, end - 2 * MICROSECOND) if np.isfinite(side)), *inside])
    return Part(times, trace.at(times), trace.notes, start, end)
