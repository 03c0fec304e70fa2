"""Recordings and their ratings: files joined by name, and a face for every sampled frame that is rated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Frame, Note, Skip
from tfrecords_builders.traces import MICROSECOND, Trace, notes

VIDEO = (".mp4", ".avi", ".mkv", ".mov", ".mpg", ".mpeg", ".wmv")


def by_stem(folder: Path | None, *suffixes: str) -> dict[str, Path]:
    """Return the files below a folder by name without suffix, in small letters; the shallowest of one name wins.

    Recordings and ratings are joined by the whole name: P6 is the tail of P16.
    """
    walk = os.walk(folder) if folder else ()
    paths = [Path(place, name) for place, _, names in walk for name in names if not name.startswith(".")]
    found = [path for path in paths if path.suffix.lower() in suffixes]
    return {path.stem.lower(): path for path in sorted(found, key=lambda path: (len(path.parts), path), reverse=True)}


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted with their numbers as numbers: P6 before P16."""
    return sorted(names, key=lambda name: [(len(part), part) for part in re.split(r"(?<=\D)(?=\d)", name)])


def check_sampling(frames_per_second: float, annotation_delay: float) -> None:
    """Raise UsageError for options that no video can be sampled with."""
    if not 0 < frames_per_second <= 1000:
        raise UsageError(f"--frames-per-second must be more than 0. Received: {frames_per_second:g}.")
    if not 0 <= annotation_delay <= 60:
        raise UsageError(f"--annotation-delay must be between 0 and 60 seconds. Received: {annotation_delay:g}.")


def rated_frames(
    unit: str,
    video: Path,
    affect: Mapping[str, Trace],
    sampling: tuple[float, float],
    clock: Trace | None = None,
    **facts: object,
) -> Iterator[Face | Skip | Note]:
    """Yield a face for every sampled frame that is rated, in the order of time.

    affect: the traces of "valence" and "arousal"; either may be missing.
    sampling: frames per second, and by how many seconds the ratings lag.
    clock: the time of the ratings (values) at a time of the video (seconds), where the two differ.
    facts: further facts of every face.

    Frames are taken at k / frames per second from where the ratings begin and before they end: the last of RECOLA's
    7,501 ratings is not of a frame but at the end of the last of 7,500.
    """
    rated = {name: trace for name, trace in affect.items() if trace}
    yield from notes(list(affect.values()))
    if not rated:
        yield Skip("recording without ratings")
        return
    if len(rated) == 1:
        yield Note(f"recording with ratings of {next(iter(rated))} only")
    shown, times = _sampled(list(rated.values()), *sampling, clock)
    values = {name: trace.at(times) for name, trace in rated.items()}
    holes = 0
    for place, seconds in enumerate(shown.tolist()):
        labels = {name: round(float(value[place]), 6) for name, value in values.items() if not np.isnan(value[place])}
        holes += not labels
        if labels:
            key = f"{unit}_{round(seconds * 1000):07d}"
            yield Face(key=key, image=Frame(video, seconds), detect=True, **labels, **facts)
    if holes:
        yield Note("recording with a hole in its ratings: its frames left out")
    if holes == len(shown):
        yield Skip("recording of which no sampled frame is rated")


def _sampled(rated: Sequence[Trace], rate: float, delay: float, clock: Trace | None) -> tuple[np.ndarray, np.ndarray]:
    """The times of a video at which frames are taken, and the times of their ratings."""
    begin = min(trace.seconds[0] - trace.step / 2 for trace in rated) - MICROSECOND
    end = max(trace.seconds[-1] for trace in rated) - MICROSECOND
    last = end - delay if clock is None else clock.seconds[-1]
    shown = np.arange(max(0, int(last * rate) + 1)) / rate
    times = (shown if clock is None else clock.at(shown)) + delay
    within = (begin <= times) & (times < end)
    return shown[within], times[within]
