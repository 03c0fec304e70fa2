"""Less flicker: an exponential moving average of each track's values that knows how long ago the last one was."""

from __future__ import annotations

import math

import numpy as np

from tfaffect.errors import UsageError

FORGOTTEN_AFTER = 50
"""Time constants without a value after which a track is forgotten: exp(-50) is less than float64 can add to 1, so that
the next value would have counted alone anyhow."""


class Smoother:
    """The exponential moving average of the values of each track of one video.

    `y += w * (x - y)` with `w = 1 - exp(-dt / tau)`: x is the new value, dt the time since the one before it, tau the
    time constant. It is the first-order low-pass filter (an RC circuit) at uneven times: it looks only back, and the
    result does not depend on how densely a steady value is sampled. The weights add up to 1, so that probabilities stay
    a distribution and the result stays between the values that went in.

    Changes faster than the cut-off frequency 1 / (2 pi tau) Hz are damped, at it to 0.71 times. A step is followed to
    63 % after tau seconds and to 95 % after 3 tau; a steady slope lags by dt / (exp(dt / tau) - 1), which is tau where
    frames are dense. With tau = 0.5 s that is 0.32 Hz and half a second.

    Source: EMA_next of Eckner, Algorithms for Unevenly Spaced Time Series: Moving Averages and Other Rolling Operators,
    2017.
    """

    def __init__(self, time_constant_seconds: float) -> None:
        """Take tau in seconds. Raises UsageError unless it is positive and finite."""
        if not (time_constant_seconds > 0 and math.isfinite(time_constant_seconds)):
            raise UsageError(
                "The time constant of smoothing must be a positive number of seconds; leave it out not to smooth. "
                f"Received: {time_constant_seconds}."
            )
        self._time_constant = time_constant_seconds
        self._tracks: dict[int, tuple[float, np.ndarray, np.ndarray]] = {}  # the one seen longest ago first

    def smooth(self, track: int, seconds: float, values: np.ndarray) -> np.ndarray:
        """Return the average of a track's values up to now, of the shape and the floating type of `values`.

        `seconds` is the time of the frame. The first value of a track is its own average. A NaN stays NaN and is left
        out of the average, component by component: the next number counts by its distance from the last number. At a
        time that is not later than the last one the weight is 0.
        """
        new = np.asarray(values, np.float64)
        self._forget(seconds)
        nothing = np.full(new.shape, np.nan)
        _, then, average = self._tracks.pop(track, (seconds, nothing, nothing))
        weight = -np.expm1(-np.maximum(0, seconds - then) / self._time_constant)
        known = ~np.isnan(new)
        updated = np.where(np.isnan(average), new, average + weight * (new - average))
        average, then = np.where(known, updated, average), np.where(known, np.fmax(then, seconds), then)
        self._tracks[track] = seconds, then, average
        return np.where(known, average, np.nan).astype(np.result_type(values, np.float32))

    def _forget(self, seconds: float) -> None:
        while self._tracks:
            track, (last_seen, *_) = next(iter(self._tracks.items()))
            if seconds - last_seen <= FORGOTTEN_AFTER * self._time_constant:
                return
            del self._tracks[track]
