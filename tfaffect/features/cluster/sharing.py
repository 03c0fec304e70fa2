"""Does the part of one command in a shared folder: one shard here, or all of the work with Beam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.cluster import beam, jobs
from tfaffect.features.cluster.report import counts_of
from tfaffect.features.cluster.units import parse_shard
from tfaffect.features.embedder import Embedder
from tfaffect.features.job import Counts, Progress
from tfaffect.features.sample import Options
from tfaffect.features.source import Source


@dataclass(frozen=True)
class Sharing:
    """How the work is shared: the options --shard, --beam-runner, --beam-options and --piece-minutes."""

    shard: str | None
    runner: str | None
    runner_options: tuple[str, ...]
    piece_minutes: float | None


@dataclass(frozen=True)
class Shared:
    """What one command did.

    counts: of the complete rows of its part. left: tasks that a signal left undone. is_complete: whether the rows of
    all parts are there.
    """

    counts: Counts
    left: int
    is_complete: bool


def share(
    sharing: Sharing,
    out: Path,
    sources: Sequence[Source],
    open_embedder: Callable[[], Embedder],
    options: Options,
    detect: bool,
    windows: tuple[float, float] | None,
    resume: bool,
    show_progress: Callable[[int], AbstractContextManager[Progress]],
) -> Shared:
    """Do one shard here, or all of the work with Beam.

    show_progress: is given the number of sources, pieces of long videos as one each. Beam's workers show nothing.
    """
    if sharing.shard and sharing.runner:
        raise UsageError("--shard is for jobs that you start yourself, and Beam starts its own: choose one of them.")
    number = parse_shard(sharing.shard) if sharing.shard else (1, 1)
    jobs.check(out, windows, sharing.piece_minutes)
    if sharing.runner:
        beam.check(sharing.runner_options)
    embedder = open_embedder()
    if detect:
        embedder.find_detector()
    work, units = jobs.start(out, sources, embedder, options, detect, windows, sharing.piece_minutes)
    mine = jobs.shard_of(units, number)
    with jobs.alone(work.folder, mine, number, resume) as left:
        if sharing.runner:
            with suppress(KeyboardInterrupt):
                beam.run(work, left, open_embedder, sharing.runner, sharing.runner_options)
            done = len(left) - len(jobs.lacking(work.folder, left))
        else:
            with show_progress(len(work.items(left))) as advance:
                done = jobs.run(work, left, embedder, advance)
    found, is_complete = jobs.complete(work, units, mine)
    return Shared(counts_of(work.folder, found), len(left) - done, is_complete)
