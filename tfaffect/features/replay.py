"""Reads the frames of each video back from a table of rows, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
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
    """One video of a table. `frames` can be read once, before the next video is requested.

    frames: the time of each sampled frame, and the values (k,) of every track with a face in it.
    """

    path: str
    carried: Mapping[str, str]
    frames: Iterator[tuple[float, dict[int, np.ndarray]]]


def videos(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[Video]:
    """Yield the videos of a table with the values in `columns`."""
    for _, numbered in groupby(_numbered(batches, columns), key=lambda pair: pair[0]):
        lines = (line for _, line in numbered)
        first = next(lines)
        yield Video(first.path, first.carried, _frames(chain([first], lines)))


def _frames(lines: Iterator[_Line]) -> Iterator[tuple[float, dict[int, np.ndarray]]]:
    for (seconds, _), faces in groupby(lines, key=lambda line: (line.seconds, line.frame)):
        yield seconds, {line.track: line.values for line in faces if line.track >= 0}


def _numbered(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[tuple[int, _Line]]:
    """Number the videos. A file that is listed several times is several videos.

    A new one starts with another path or with other carried values, which tell segments of a file apart, or with an
    earlier frame.
    """
    number, last = 0, None
    for line in _lines(batches, columns):
        if last is not None and ((line.path, line.carried) != (last.path, last.carried) or line[1:4] <= last[1:4]):
            number += 1
        yield number, line
        last = line


def _lines(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[_Line]:
    """Yield the rows that are frames of a video, not pictures and not unreadable files."""
    for batch in batches:
        kept = batch.filter(batch.column("frame").is_valid())
        if not kept.num_rows:
            continue
        values = np.stack([kept.column(name).to_numpy(zero_copy_only=False) for name in columns], axis=1)
        carried = kept.select(kept.schema.names[len(SCHEMA) :]).to_pylist() or [{}] * kept.num_rows
        known = (kept.column(name).to_pylist() for name in ("path", "seconds", "frame"))
        numbers = (kept.column(name).fill_null(-1).to_pylist() for name in ("face", "track"))
        yield from map(_Line, *known, *numbers, values, carried)
