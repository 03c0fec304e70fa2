"""An exponential moving average of each track's values, for frames at uneven times: it reduces flicker."""

from __future__ import annotations

import math

import numpy as np

from tfaffect.errors import UsageError

FORGOTTEN_AFTER = 50
"""A track without a value for this many time constants is forgotten. This changes no result: exp(-50) is below the
precision of float64, so the old average would have no weight."""


class Smoother:
    """The exponential moving average of the values of each track of one video.

    `y += w * (x - y)` with `w = 1 - exp(-dt / tau)`: x is the new value, dt the time since the previous one, tau the
    time constant. This is a first-order low-pass filter (an RC circuit) for uneven times. It uses only past values. The
    result does not depend on how often a constant value is sampled. The weights add up to 1, so probabilities still add
    up to 1 and the result stays between the input values.

    Changes above the cut-off frequency 1 / (2 pi tau) Hz are damped; at it, they keep 0.71 of their size. After a step,
    63 % is reached in tau seconds and 95 % in 3 tau. A steady slope lags by dt / (exp(dt / tau) - 1), which is about
    tau for dense frames. With tau = 0.5 s the cut-off is 0.32 Hz and the lag half a second.

    Source: EMA_next of Eckner, Algorithms for Unevenly Spaced Time Series: Moving Averages and Other Rolling Operators,
    2017.
    """

    def __init__(self, time_constant_seconds: float) -> None:
        """Set tau in seconds. Raises UsageError unless it is positive and finite."""
        if not (time_constant_seconds > 0 and math.isfinite(time_constant_seconds)):
            raise UsageError(
                "The time constant of smoothing must be a positive number of seconds, or left out for no smoothing. "
                f"Received: {time_constant_seconds}."
            )
        self._time_constant = time_constant_seconds
        self._tracks: dict[int, tuple[float, np.ndarray, np.ndarray]] = {}  # oldest first

    def smooth(self, track: int, seconds: float, values: np.ndarray) -> np.ndarray:
        """Return the current average of a track's values, with the shape and floating type of `values`.

        `seconds` is the time of the frame. The first value of a track is its own average. A component that is NaN stays
        NaN and does not change the average; its next number is weighted by the time since its last number. The weight
        is 0 at a time that is not later than the last one.
        """
        new = np.asarray(values, np.float64)
        self._forget(seconds)
        unknown = np.full(new.shape, np.nan)
        _, last, average = self._tracks.pop(track, (seconds, unknown, unknown))
        weight = -np.expm1(-np.maximum(0, seconds - last) / self._time_constant)
        known = ~np.isnan(new)
        updated = np.where(np.isnan(average), new, average + weight * (new - average))
        average, last = np.where(known, updated, average), np.where(known, np.fmax(last, seconds), last)
        self._tracks[track] = seconds, last, average
        return np.where(known, average, np.nan).astype(np.result_type(values, np.float32))

    def _forget(self, seconds: float) -> None:
        while self._tracks:
            track, (last_seen, *_) = next(iter(self._tracks.items()))
            if seconds - last_seen <= FORGOTTEN_AFTER * self._time_constant:
                return
            del self._tracks[track]
