"""A picture or video to describe, and how the inputs of a command are searched for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A picture or a video, which may be missing or broken.

    name: as typed, listed, or found in a typed folder. Bytes of a file name that are not UTF-8 are written as `\\xe9`,
    because tables cannot store them. carried: the other columns of the table that lists it. start, end: seconds between
    which a video is used; None for the whole.
    """

    path: Path
    name: str
    carried: dict[str, str] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None


@dataclass
class Search:
    """How inputs become sources, and what was passed over.

    reserved: the columns of the output, which a table must not have. start_column, end_column: columns of a table with
    the start and end of each video in seconds, "" for none. sequences: whether a folder of picture files is one video.
    passed_over: number of files in folders that are neither pictures nor videos, by suffix.
    """

    reserved: Collection[str] = ()
    start_column: str = ""
    end_column: str = ""
    sequences: bool = False
    passed_over: Counter[str] = field(default_factory=Counter)
