"""The progress bar of a run, over its sources."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tfaffect.features.job import Progress
from tfaffect.features.source import Source
from tfaffect.media import video


@contextmanager
def progress_bar(sources: int) -> Iterator[Progress]:
    """Yield a function that advances the bar. A video advances it by fractions, by its time."""

    @lru_cache(maxsize=1)
    def duration(path: Path) -> float:
        try:
            return video.duration(path)
        except video.UnreadableVideoError:
            return math.inf

    columns = (
        TextColumn("{task.fields[done]} pictures and frames"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
    )
    console = Console(stderr=True)
    bar = Bar(*columns, TimeRemainingColumn(), TextColumn("left"), console=console, transient=True)
    with bar:
        task = bar.add_task("", total=sources, done=0)
        done = 0

        def advance(number: int, source: Source, seconds: float | None) -> None:
            nonlocal done
            done += 1
            fraction = 1.0 if seconds is None else min(1.0, seconds / duration(source.path))
            bar.update(task, completed=number + fraction, done=f"{done:,}")

        yield advance
