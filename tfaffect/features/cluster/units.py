"""Units of work: consecutive sources whose rows are one file, and pieces of long videos."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.kinds import VIDEOS, kind
from tfaffect.features.sample import Options
from tfaffect.features.source import Source
from tfaffect.files import remote
from tfaffect.media import video
from tfaffect.media.animation import is_animated

VIDEO = 64
"""A video counts as so many pictures."""

LARGEST = 32 * VIDEO
"""Most pictures of a unit. A job that is killed does at most one unit again."""

COUNT = 100
"""Units that are made of few sources. Each costs 20 ms for its file, as much as two frames."""

OPENED_AT_ONCE = 16
"""Videos whose lengths are read at once: on network storage each waits for a reply."""


@dataclass(frozen=True)
class Unit:
    """The sources from number `first` to `last`. cuts: the seconds at which a long video, alone in its unit, is cut."""

    first: int
    last: int
    cuts: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The name of its file of rows: names in order are sources in order."""
        return f"{self.first:09d}-{self.last:09d}"


@dataclass(frozen=True)
class Task:
    """What one job does at once: a unit, or the piece with this number of a unit that is a long video."""

    unit: Unit
    piece: int | None = None


def units(sources: Sequence[Source], options: Options, piece_minutes: float | None) -> list[Unit]:
    """Cut sources into units, in order. The same sources always give the same units.

    Without `piece_minutes` no file is opened. Longer videos than that are units with cuts.
    """
    cuts = cuts_of(sources, options, 60 * piece_minutes) if piece_minutes else [()] * len(sources)
    weights = [VIDEO if remote.suffix(source.path) in VIDEOS else 1 for source in sources]
    largest = min(LARGEST, max(1, sum(weights) // COUNT))
    found: list[Unit] = []
    first, weight = 0, 0
    for number in range(len(sources)):
        if number > first and (weight + weights[number] > largest or cuts[number] or cuts[number - 1]):
            found.append(Unit(first, number - 1, cuts[first]))
            first, weight = number, 0
        weight += weights[number]
    return [*found, Unit(first, len(sources) - 1, cuts[first])]


def tasks(of: Sequence[Unit]) -> list[Task]:
    """Return the tasks of units, in order."""
    pieces = ((unit, range(len(unit.cuts) + 1) if unit.cuts else (None,)) for unit in of)
    return [Task(unit, piece) for unit, numbers in pieces for piece in numbers]


def piece(source: Source, cuts: Sequence[float], number: int) -> Source:
    """Return a long video between two of its cuts."""
    start = cuts[number - 1] if number else source.start
    return replace(source, start=start, end=cuts[number] if number < len(cuts) else source.end)


def parse_shard(text: str) -> tuple[int, int]:
    """Return the number of a shard, from 1, and how many there are, from I/N. Raises UsageError."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"--shard is I/N with I from 1 to N, such as 3/40. Received: {text!r}.")
    return int(number), int(count)


def cuts_of(sources: Sequence[Source], options: Options, longest: float) -> list[tuple[float, ...]]:
    """Return where each source is cut so that no piece has more seconds than `longest`; () for pictures."""
    with ThreadPoolExecutor(OPENED_AT_ONCE) as pool:
        durations = list(pool.map(_duration, (source.path for source in sources)))
    return [
        _cuts(source, options, duration, longest) if duration > longest else ()
        for source, duration in zip(sources, durations, strict=True)
    ]


def _duration(path: Path) -> float:
    """Return the seconds of a video that can be cut; 0 for others, and for what cannot be read."""
    try:
        return 0 if os.path.isdir(path) or kind(path) == "picture" or is_animated(path) else video.duration(path)
    except (video.UnreadableVideoError, OSError, ValueError):
        return 0


def _cuts(source: Source, options: Options, duration: float, longest: float) -> tuple[float, ...]:
    """Cut the used time of a video into equal pieces. With a rate, cuts lie in the middle between two sampled times."""
    start = options.start if source.start is None else source.start
    end = options.end if source.end is None else source.end
    end = duration if end is None else min(end, duration)
    count = math.ceil((end - start) / longest - 1e-6)
    wanted = [start + number * (end - start) / count for number in range(1, count)]
    if options.fps is not None:
        wanted = [(round(cut * options.fps) - 0.5) / options.fps for cut in wanted]
    return tuple(sorted({cut for cut in wanted if start < cut < end}))
