"""Recordings and their ratings: join files by name, and make a face of every sampled frame that is rated."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfaffect.errors import UsageError
from tfrecords_builders.base import Corpus, Face, Frame, Note, Skip
from tfrecords_builders.traces import MICROSECOND, Trace, notes

VIDEO = (".mp4", ".avi", ".mkv", ".mov", ".mpg", ".mpeg", ".wmv")
NO_VIDEO = Skip("ratings without a video")
NO_RATINGS = Skip("video without ratings")
WITHHELD = Skip("no ratings (AVEC withholds those of its test)", intended=True)


@dataclass(frozen=True)
class RatedVideos(Corpus):
    """A corpus of videos with ratings over time."""

    frames_per_second: float = 5.0
    """Frames taken from each second of video."""
    annotation_delay: float = 0.0
    """Delay of the raters in seconds: a frame takes the rating that was given this much later."""

    def check_sampling(self) -> None:
        """Raise UsageError for options with which no video can be sampled."""
        if not 0 < self.frames_per_second <= 1000:
            raise UsageError(f"--frames-per-second must be more than 0. Received: {self.frames_per_second:g}.")
        if not 0 <= self.annotation_delay <= 60:
            raise UsageError(
                f"--annotation-delay must be between 0 and 60 seconds. Received: {self.annotation_delay:g}."
            )

    def rated_frames(
        self, unit: str, video: Path, affect: Mapping[str, Trace], clock: Trace | None = None, **facts: Any
    ) -> Iterator[Face | Skip | Note]:
        """Yield what `rated_frames` yields with the options of this corpus."""
        return rated_frames(unit, video, affect, (self.frames_per_second, self.annotation_delay), clock, **facts)


def without_ratings(split: str | None) -> Skip:
    """Return the reason why a video has no ratings: AVEC withholds those of its test, and others are missing."""
    return WITHHELD if split == "test" else NO_RATINGS


def by_stem(folder: Path | None, *suffixes: str) -> dict[str, Path]:
    """Return the files below a folder by lower-case name without suffix; of equal names the shallowest file wins.

    Recordings and ratings are joined by complete names, because P6 is also the end of P16.
    """
    walk = os.walk(folder) if folder else ()
    paths = [Path(place, name) for place, _, names in walk for name in names if not name.startswith(".")]
    found = [path for path in paths if path.suffix.lower() in suffixes]
    return {path.stem.lower(): path for path in sorted(found, key=lambda path: (len(path.parts), path), reverse=True)}


def natural_order(names: Iterable[str]) -> list[str]:
    """Return names sorted with their numbers as numbers: P6 before P16."""
    return sorted(names, key=lambda name: [(len(part), part) for part in re.split(r"(?<=\D)(?=\d)", name)])


def rated_frames(
    unit: str,
    video: Path,
    affect: Mapping[str, Trace],
    sampling: tuple[float, float],
    clock: Trace | None = None,
    **facts: Any,
) -> Iterator[Face | Skip | Note]:
    """Yield a face for every sampled frame that is rated, in order of time.

    affect: the traces of "valence" and "arousal"; either may be missing.
    sampling: frames per second, and the delay of the ratings in seconds.
    clock: the time of the ratings (values) for a time of the video (seconds), where the two differ.
    facts: further fields of every face.

    Frames are taken at k / frames per second, from the first rating until before the last one: RECOLA has 7,501 ratings
    for 7,500 frames, and the last is at the end of the last frame.
    """
    rated = {name: trace for name, trace in affect.items() if trace}
    yield from notes(list(affect.values()))
    if not rated:
        yield Skip("recording without ratings")
        return
    if len(rated) == 1:
        yield Note(f"recording with ratings of {next(iter(rated))} only")
    frame_times, rating_times = _sample_times(list(rated.values()), *sampling, clock)
    values = {name: trace.at(rating_times) for name, trace in rated.items()}
    unrated = 0
    for place, seconds in enumerate(frame_times.tolist()):
        labels = {name: round(float(value[place]), 6) for name, value in values.items() if not np.isnan(value[place])}
        unrated += not labels
        if labels:
            key = f"{unit}_{round(seconds * 1000):07d}"
            yield Face(**{"key": key, "image": Frame(video, seconds), "detect": True, **labels, **facts})
    if unrated:
        yield Note("recording with a gap in its ratings: frames in the gap left out")
    if unrated == len(frame_times):
        yield Skip("recording without a rating at any sampled frame")


def _sample_times(
    rated: Sequence[Trace], rate: float, delay: float, clock: Trace | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of a video at which frames are taken, and the times of their ratings."""
    start = min(trace.seconds[0] - trace.step / 2 for trace in rated) - MICROSECOND
    end = max(trace.seconds[-1] for trace in rated) - MICROSECOND
    last = end - delay if clock is None else clock.seconds[-1]
    frame_times = np.arange(max(0, int(last * rate) + 1)) / rate
    rating_times = (frame_times if clock is None else clock.at(frame_times)) + delay
    within = (start <= rating_times) & (rating_times < end)
    return frame_times[within], rating_times[within]
