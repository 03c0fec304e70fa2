"""A table of rows read back as what it was made of: the frames of each video, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tfaffect.features.tables import SCHEMA


class _Line(NamedTuple):
    path: str
    seconds: float
    frame: int
    face: int
    track: int
    values: np.ndarray
    carried: Mapping[str, str]


@dataclass(frozen=True)
class Video:
    """One video of a table; `frames` can be gone through once, before the next video is asked for.

    frames: the time of each sampled frame and the values (k,) of every track that has a face in it.
    """

    path: str
    carried: Mapping[str, str]
    frames: Iterator[tuple[float, dict[int, np.ndarray]]]


def videos(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[Video]:
    """Yield the videos of a table; `columns` are the values that are wanted."""
    for _, lines in groupby(_numbered(batches, columns), key=lambda numbered: numbered[0]):
        lines = (line for _, line in lines)
        first = next(lines)
        yield Video(first.path, first.carried, _frames(first, lines))


def _frames(first: _Line, rest: Iterator[_Line]) -> Iterator[tuple[float, dict[int, np.ndarray]]]:
    def lines() -> Iterator[_Line]:
        yield first
        yield from rest

    for (seconds, _), faces in groupby(lines(), key=lambda line: (line.seconds, line.frame)):
        yield seconds, {line.track: line.values for line in faces if line.track >= 0}


def _numbered(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[tuple[int, _Line]]:
    """Count the videos: another path begins the next; so does what does not come after it, of a file listed twice."""
    number, before = 0, None
    for line in _lines(batches, columns):
        if before is not None and (line.path != before.path or line[1:4] <= before[1:4]):
            number += 1
        yield number, line
        before = line


def _lines(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[_Line]:
    """The rows that are frames of a video; pictures have no time, nor has what could not be read."""
    for batch in batches:
        kept = batch.filter(batch.column("frame").is_valid())
        if not kept.num_rows:
            continue
        values = np.stack([kept.column(name).to_numpy(zero_copy_only=False) for name in columns], axis=1)
        carried = kept.select(kept.schema.names[len(SCHEMA) :]).to_pylist()
        paths, frames = kept.column("path").to_pylist(), kept.column("frame").to_pylist()
        faces, tracks = (kept.column(name).fill_null(-1).to_pylist() for name in ("face", "track"))
        for place, seconds in enumerate(kept.column("seconds").to_pylist()):
            extra = carried[place] if carried else {}
            yield _Line(paths[place], seconds, frames[place], faces[place], tracks[place], values[place], extra)
