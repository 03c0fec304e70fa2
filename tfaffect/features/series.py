"""The tracks of one video as arrays: values over time, segments of one class, and values at a fixed rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfaffect.features.replay import Video
from tfaffect.features.tables import PROBABILITIES
from tfaffect.labels import AFFECT, CLASSES

COLUMNS = (*PROBABILITIES, *AFFECT)
"""The columns of a table that a series holds."""

TOLERANCE = 0.1
"""Share of a step by which a frame may be late: containers round time stamps, often to milliseconds."""

REGULAR = 0.05
"""Largest relative difference of mean and median step at which the mean is the step. It averages rounding errors."""


class Segment(NamedTuple):
    """A time in which one class is the most probable one of a track.

    start, end: in seconds. label: its place in CLASSES. confidence: mean of its probability over the frames.
    """

    start: float
    end: float
    label: int
    confidence: float


@dataclass(frozen=True, eq=False)
class Track:
    """One person in a video.

    frames: int (k,), ascending, the frames with this person, counted from 0 among the sampled frames.
    values: float32 (k, 10), of COLUMNS in these frames.
    """

    number: int
    frames: np.ndarray
    values: np.ndarray

    def affect(self, name: str) -> np.ndarray:
        """Return valence or arousal, (k,), in [-1, 1]."""
        return self.values[:, COLUMNS.index(name)]


@dataclass(frozen=True, eq=False)
class Series:
    """The sampled frames of one video. `seconds` (n,) are their times, ascending; tracks are in order of number."""

    seconds: np.ndarray
    tracks: tuple[Track, ...]

    @property
    def step(self) -> float:
        """The time from one frame to the next, in seconds; 1 where it is unknown, with one frame."""
        steps = np.diff(self.seconds)
        steps = steps[steps > 0]
        if not len(steps):
            return 1.0
        mean, median = float(np.mean(steps)), float(np.median(steps))
        return mean if abs(mean - median) <= REGULAR * median else median

    @property
    def rate(self) -> float:
        """Samples per second of `regular`, with six digits, so that files state it exactly."""
        return float(f"{1 / self.step:.6g}")

    def regular(self, track: Track, values: np.ndarray) -> np.ndarray:
        """Return `values` (k,) of a track at times 0, 1 / rate, 2 / rate ... until after the last frame.

        A sample has the value of the last frame on screen. It is NaN before the first frame, and where the frame on
        screen does not show the person.
        """
        count = math.ceil(self.seconds[-1] * self.rate - TOLERANCE) + 1
        of_frame = np.full(len(self.seconds) + 1, np.nan)  # the last one: before the first frame, number -1
        of_frame[track.frames] = values
        latest = (np.arange(count) + TOLERANCE) / self.rate
        return of_frame[np.searchsorted(self.seconds, latest, side="right") - 1]

    def segments(self, track: Track, abstain: float = 0.0) -> list[Segment]:
        """Return the segments of a track in order of time, without those below the probability `abstain`.

        A segment ends when the next frame begins that has another class or does not show the person. The last frame
        lasts one step.
        """
        probabilities = track.values[:, : len(CLASSES)]
        named = probabilities.max(axis=1) >= abstain  # false for NaN
        frames, probabilities = track.frames[named], probabilities[named]
        if not len(frames):
            return []
        labels = probabilities.argmax(axis=1)
        changes = (np.diff(frames) != 1) | (np.diff(labels) != 0)
        first = np.flatnonzero(np.concatenate([[True], changes]))
        last = np.append(first[1:], len(frames)) - 1
        ends = np.append(self.seconds[1:], self.seconds[-1] + self.step)
        return [
            Segment(
                float(self.seconds[frames[begin]]),
                float(ends[frames[end]]),
                int(labels[begin]),
                float(probabilities[begin : end + 1, labels[begin]].mean(dtype=np.float64)),
            )
            for begin, end in zip(first, last, strict=True)
        ]


def read_series(video: Video) -> Series:
    """Read a video with the values of COLUMNS. An hour of video with one person takes 5 MB."""
    seconds: list[float] = []
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for frame, (time, faces) in enumerate(video.frames):
        seconds.append(time)
        for track, values in faces.items():
            found.setdefault(track, []).append((frame, values))
    tracks = []
    for number in sorted(found):
        frames, values = zip(*found[number], strict=True)
        tracks.append(Track(number, np.array(frames), np.stack(values).astype(np.float32)))
    return Series(np.array(seconds), tuple(tracks))
