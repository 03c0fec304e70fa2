"""A row for every few seconds: what the values of each track did within a window of time."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tfaffect.errors import UsageError

STATISTICS = ("mean", "deviation", "slope", "minimum", "maximum")

SIZE = 266
"""Values a face: 8 probabilities, valence, arousal and 256 features."""

INSTANT = 1e-6
"""Seconds that are no time: multiples of a hop and time stamps are rounded, and no container counts finer than 1e-5."""

STEPS = 1000
"""How many of the last steps between frames tell how long the last frame is shown."""

Frame = tuple[float, Mapping[int, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Window:
    """What one track did from `begin_seconds` until just before `end_seconds`.

    track: its number, None in a window without any face.
    frames: sampled frames within the window; faces: those that show the track.
    statistics: float32 (5, k), one row for each of STATISTICS; NaN where there is nothing to count.
    """

    begin_seconds: float
    end_seconds: float
    track: int | None
    frames: int
    faces: int
    statistics: np.ndarray

    @property
    def share(self) -> float:
        """The share of the frames that show the track, from 0 to 1; 0 in a window without frames."""
        return self.faces / self.frames if self.frames else 0.0


def windows(frames: Iterable[Frame], seconds: float, hop_seconds: float, size: int = SIZE) -> Iterator[Window]:
    """Yield the windows of one video, a Window for every track that has a face in it, in order of time and track.

    `frames` are the sampled frames in order of time: each its time in seconds and the values (size,) of every track in
    it, an empty mapping for a frame without a face. One whose time falls behind the frame before it counts at that
    frame's time; frames of equal times all count.

    Windows last `seconds` and begin at multiples of `hop_seconds`, the first at the one at or before the first frame. A
    window without any face yields one Window of track None, so that the series stays regular, through pauses of the
    video too. Only windows that end within the video are yielded, but at least one of any video that has a frame. The
    video ends one median step after its last frame.

    Frames are held for one window at most. Raises UsageError unless both lengths are positive and finite.
    """
    for name, length in (("window", seconds), ("hop", hop_seconds)):
        if not (length > 0 and math.isfinite(length)):
            raise UsageError(f"The {name} must be a positive number of seconds. Received: {length}.")
    return _windows(frames, seconds, hop_seconds, size)


def _windows(frames: Iterable[Frame], length: float, hop: float, size: int) -> Iterator[Window]:
    held: deque[Frame] = deque()  # the frames so far of window `number`, all before its end
    steps: deque[float] = deque(maxlen=STEPS)
    first = number = last = None
    for time, values in frames:
        if last is None:
            first = number = math.floor((time + INSTANT) / hop)
        elif time > last:
            steps.append(time - last)
        last = time if last is None else max(time, last)
        while last >= number * hop + length - INSTANT:
            yield from _summarise(held, number * hop, length, size)
            number += 1
            _drop(held, number * hop)
        if last >= number * hop - INSTANT:
            held.append((last, values))
    if last is None:
        return
    # A tenth of a step more, because containers round time stamps: of 30 frames a second to 33, 33 and 34 ms.
    end = last + 1.1 * (statistics.median(steps) if steps else 0)
    while number == first or number * hop + length <= end:
        yield from _summarise(held, number * hop, length, size)
        number += 1
        _drop(held, number * hop)


def _drop(held: deque[Frame], begin: float) -> None:
    while held and held[0][0] < begin - INSTANT:
        held.popleft()


def _summarise(held: Iterable[Frame], begin: float, length: float, size: int) -> Iterator[Window]:
    begin, end = round(begin, 6), round(begin + length, 6)  # 3 hops of 0.1 s are 0.3 s, not 0.30000000000000004
    count, tracks = 0, {}
    for time, values in held:
        count += 1
        for track, value in values.items():
            tracks.setdefault(track, []).append((time, value))
    if not tracks:
        yield Window(begin, end, None, count, 0, np.full((len(STATISTICS), size), np.nan, np.float32))
    for track in sorted(tracks):
        times, values = zip(*tracks[track], strict=True)
        if np.shape(values[0]) != (size,):
            raise ValueError(f"Every face must have `size` values. Received: {np.shape(values[0])}, size={size}.")
        summary = describe(np.array(times), np.stack(values))
        yield Window(begin, end, track, count, len(times), summary)


def describe(seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the STATISTICS, float32 (5, k), of values (n, k) at times (n,); NaN values are left out one by one.

    The deviation is the population's. The slope is the least-squares change a second, NaN for fewer than two times.
    """
    values = values.astype(np.float64)
    minimum, maximum = np.fmin.reduce(values), np.fmax.reduce(values)  # both pass over NaN
    known = ~np.isnan(values)
    values[~known] = 0
    weight = known.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing known: 0 / 0 is the NaN that is wanted
        count = weight.sum(0)
        mean = values.sum(0) / count
        from_mean = (values - mean) * weight
        deviation = np.sqrt(_products(from_mean, from_mean) / count)
        from_time = (seconds[:, None] - seconds @ weight / count) * weight  # about the mean: hours eat no digits
        spread = _products(from_time, from_time)
        slope = np.where(spread > INSTANT**2, _products(from_time, from_mean) / spread, np.nan)
    return np.stack([mean, deviation, slope, minimum, maximum]).astype(np.float32)


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The sum over rows of the products of two arrays, without an array of the products."""
    return np.einsum("ij,ij->j", first, second)
