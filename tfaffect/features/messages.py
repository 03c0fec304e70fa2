"""What `tfaffect embed` prints about its result."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tfaffect.errors import counted
from tfaffect.features.job import Counts, Job
from tfaffect.features.line import line
from tfaffect.features.row import NO_FACE
from tfaffect.features.sample import Sample
from tfaffect.files.paths import printable
from tfaffect.scoring import priors


def print_lines(samples: Iterable[Sample]) -> bool:
    """Print one line per face as soon as its input is processed. Return whether something could not be read."""
    unreadable = False
    for sample in samples:
        for row in sample.rows:
            print(line(row), flush=True)
            unreadable = unreadable or (row.face is None and row.problem != NO_FACE)
    return unreadable


def print_counts(out: Path, counts: Counts) -> None:
    """Print what a table has, and on standard error what could not be read."""
    print(f"{printable(out)}: {counted(counts.rows, 'row')}, {counted(counts.faces, 'face')}", end="")
    print(f"; {counts.empty:,} pictures or frames without a face" if counts.empty else "", end="")
    print(f"; {counts.unreadable:,} not readable" if counts.unreadable else "")
    for path, problem in counts.problems:
        print(f"  {path}: {problem}", file=sys.stderr)
    if counts.unreadable > len(counts.problems):
        print(f"  and {counts.unreadable - len(counts.problems):,} more, in the column `problem`", file=sys.stderr)


def print_what_is_not_written(job: Job, counts: Counts) -> None:
    """Print which outputs of videos were asked for where there is no video."""
    of_videos = {"--window": job.windows, "--timeline": job.timeline, "--nova": job.nova, "--elan": job.elan}
    if not counts.frames and (asked := [flag for flag, value in of_videos.items() if value]):
        print(f"  no video among the inputs: nothing for {' and '.join(asked)}")


def print_estimate(counts: Counts) -> None:
    """Print the class shares that were estimated from the faces."""
    if counts.estimated is None:
        print("  no face with class probabilities, so no class shares were estimated")
    else:
        print(f"  estimated class shares: {priors.describe(counts.estimated.values())}")
        print(priors.WARNING, file=sys.stderr)
