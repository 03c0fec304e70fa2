"""Statistics of each track's values over windows of time."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from tfaffect.errors import UsageError

STATISTICS = ("mean", "deviation", "slope", "minimum", "maximum")

SIZE = 266
"""Values per face: 8 probabilities, valence, arousal and 256 features."""

TOLERANCE = 1e-6
"""Seconds of rounding error to allow: containers store time stamps in units of 1e-5 s or more."""

STEPS = 1000
"""How many of the last steps between frames are used to estimate the duration of the last frame."""

Frame = tuple[float, Mapping[int, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Window:
    """Statistics of one track from `begin_seconds` to just before `end_seconds`.

    track: its number, None in a window without any face.
    frames: number of sampled frames in the window; faces: number of those that have the track.
    statistics: float32 (5, k), one row for each of STATISTICS; NaN where there is no value.
    """

    begin_seconds: float
    end_seconds: float
    track: int | None
    frames: int
    faces: int
    statistics: np.ndarray

    @property
    def share(self) -> float:
        """The share of the frames that have the track, from 0 to 1; 0 in a window without frames."""
        return self.faces / self.frames if self.frames else 0.0


def windows(frames: Iterable[Frame], seconds: float, hop_seconds: float, size: int = SIZE) -> Iterator[Window]:
    """Yield the windows of one video, one Window per track with a face in it, in order of time and track.

    `frames` are the sampled frames in order of time: the time in seconds, and the values (size,) of every track in the
    frame (an empty mapping without a face). A time that is earlier than the previous frame's is replaced by it. Frames
    with equal times all count.

    Windows last `seconds` and start at multiples of `hop_seconds`, the first at or before the first frame. A window
    without any face, or without frames, yields one Window of track None: so the series has no holes. Only windows that
    end within the video are yielded, but at least one if there is a frame. The video ends one median step after its
    last frame.

    At most one window of frames is in memory. Raises UsageError unless both lengths are positive and finite.
    """
    for name, length in (("window", seconds), ("hop", hop_seconds)):
        if not (length > 0 and math.isfinite(length)):
            raise UsageError(f"The {name} must be a positive number of seconds. Received: {length}.")
    return _windows(iter(frames), seconds, hop_seconds, size)


def _windows(frames: Iterator[Frame], length: float, hop: float, size: int) -> Iterator[Window]:
    if (first := next(frames, None)) is None:
        return
    buffer: deque[Frame] = deque()  # the frames of window `number` that were read so far
    steps: deque[float] = deque(maxlen=STEPS)
    last = first[0]
    start = number = math.floor((last + TOLERANCE) / hop)
    for time, values in chain([first], frames):
        if time > last:
            steps.append(time - last)
            last = time
        while last >= number * hop + length - TOLERANCE:
            yield from _summarise(buffer, number * hop, length, size)
            number += 1
            _drop_before(buffer, number * hop)
        if last >= number * hop - TOLERANCE:
            buffer.append((last, values))
    # A tenth of a step more, because containers round time stamps: 30 frames per second are 33, 33 and 34 ms apart.
    end = last + 1.1 * (statistics.median(steps) if steps else 0)
    while number == start or number * hop + length <= end:
        yield from _summarise(buffer, number * hop, length, size)
        number += 1
        _drop_before(buffer, number * hop)


def _drop_before(buffer: deque[Frame], seconds: float) -> None:
    while buffer and buffer[0][0] < seconds - TOLERANCE:
        buffer.popleft()


def _summarise(buffer: Iterable[Frame], begin: float, length: float, size: int) -> Iterator[Window]:
    begin, end = round(begin, 6), round(begin + length, 6)  # 3 hops of 0.1 s are 0.3 s, not 0.30000000000000004
    count, tracks = 0, dict[int, list[tuple[float, np.ndarray]]]()
    for time, faces in buffer:
        count += 1
        for track, value in faces.items():
            tracks.setdefault(track, []).append((time, value))
    if not tracks:
        yield Window(begin, end, None, count, 0, np.full((len(STATISTICS), size), np.nan, np.float32))
    for track in sorted(tracks):
        times, values = zip(*tracks[track], strict=True)
        if np.shape(values[0]) != (size,):
            raise ValueError(f"Every face must have `size` values. Received: {np.shape(values[0])}, size={size}.")
        yield Window(begin, end, track, count, len(times), describe(np.array(times), np.stack(values)))


def describe(seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the STATISTICS, float32 (5, k), of values (n, k) at times (n,). NaN values are left out one by one.

    The deviation is that of a population (divided by n). The slope is the least-squares change per second, NaN for
    fewer than two different times.
    """
    values = values.astype(np.float64)
    minimum, maximum = np.fmin.reduce(values), np.fmax.reduce(values)  # both ignore NaN
    known = ~np.isnan(values)
    values[~known] = 0
    weight = known.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # without values, 0 / 0 gives the wanted NaN
        count = weight.sum(0)
        mean = values.sum(0) / count
        from_mean = (values - mean) * weight
        deviation = np.sqrt(_sum_products(from_mean, from_mean) / count)
        from_time = (seconds[:, None] - seconds @ weight / count) * weight  # from the mean time: late times stay exact
        spread = _sum_products(from_time, from_time)
        slope = np.where(spread > TOLERANCE**2, _sum_products(from_time, from_mean) / spread, np.nan)
    return np.stack([mean, deviation, slope, minimum, maximum]).astype(np.float32)


def _sum_products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The sum over rows of the products of two arrays, without a temporary array."""
    return np.einsum("ij,ij->j", first, second)
