"""Affect features out of pictures, folders and videos: one row per face.

from tfaffect.embed import Embedder

outputs = Embedder("exports/model.tflite")(crops)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfaffect import cli
from tfaffect.errors import UsageError

if TYPE_CHECKING:
    from tfaffect.features.embedder import Embedder
    from tfaffect.features.job import Counts, Job
    from tfaffect.features.pipeline import Options
    from tfaffect.features.sources import Source

# What works with arrays and tables is imported where it is used: --help answers within half a second.


def __getattr__(name: str):
    """Make `from tfaffect.embed import Embedder` work without importing OpenCV for --help."""
    if name == "Embedder":
        from tfaffect.features.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _option(metavar: str, hint: str = "") -> object:
    """How --help shows an option; "(default: None)", as it would end otherwise, says nothing."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint)


Flag = Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help_behavior_hint="")]
"""Only the word that changes something: no --no-resume."""


def main(
    inputs: Annotated[tyro.conf.Positional[tuple[str, ...]], _option("INPUT...", "(required)")],
    out: Annotated[Path | None, _option("FILE")] = None,
    model: Annotated[Path | None, _option("MODEL")] = None,
    faces: Annotated[str, tyro.conf.arg(metavar="all|largest|N")] = "all",
    detect: Flag = True,
    fps: Annotated[float | None, _option("RATE")] = None,
    every: Annotated[int, tyro.conf.arg(metavar="N")] = 1,
    smooth: Annotated[float | None, _option("SECONDS")] = None,
    smooth_embeddings: Flag = False,
    abstain: Annotated[float, tyro.conf.arg(metavar="PROBABILITY")] = 0.0,
    window: Annotated[float | None, _option("SECONDS")] = None,
    hop: Annotated[float | None, _option("SECONDS")] = None,
    annotate: Annotated[Path | None, _option("DIR")] = None,
    timeline: Annotated[Path | None, _option("FILE.png")] = None,
    batch_size: Annotated[int | None, _option("N")] = None,
    detect_side: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 640,
    face_detector: Annotated[Path | None, _option("FILE")] = None,
    resume: Flag = False,
    overwrite: Flag = False,
    strict: Flag = False,
) -> None:
    """Turn faces into affect features: 256 numbers, eight class probabilities, valence and arousal a face.

    python -m tfaffect.embed photo.jpg

    python -m tfaffect.embed photos/ --model RUN --out faces.parquet

    python -m tfaffect.embed interview.mp4 --model model.tflite --out interview.csv --fps 5 --timeline interview.png

    python -m tfaffect.embed sessions.csv --model RUN --out sessions.parquet --faces largest --window 4 --hop 1

    Args:
        inputs: Pictures, videos, folders (with all below), a CSV with a column `path`, or - for a list on stdin.
        out: Table to write, one row per face: .parquet, .csv or .npz. A line per face is printed when not given.
        model: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json; the shipped one when not given.
        faces: Which faces of a picture: all, the largest, or the N largest.
        detect: Look for faces, or take every picture as the crop of one.
        fps: Pictures a second of a video that are looked at; all frames when not given.
        every: Look at every N-th frame of a video.
        smooth: Time constant of a filter on classes, valence and arousal of each person's track.
        smooth_embeddings: Filter the embeddings as well.
        abstain: Name no class below this probability; the model's card says how often a named one is then right.
        window: Also write one row per window of so many seconds and track: mean, deviation, slope, extremes.
        hop: From the begin of one window to the next; half a window when not given.
        annotate: Folder for pictures and videos with boxes, classes and affect drawn in.
        timeline: Plot classes and affect over time; of several videos one file each.
        batch_size: Faces that go through the network at once; what is fastest for the model when not given.
        detect_side: Longest side at which pictures are searched for faces; 1280 for group photos.
        face_detector: Weights of YuNet; TFAFFECT_FACE_DETECTOR when not given, else downloaded once.
        resume: Go on where an interrupted run stopped.
        overwrite: Replace what is there.
        strict: Exit with status 1 when something could not be read.
    """
    from tfaffect.features.job import Job
    from tfaffect.features.pipeline import Options
    from tfaffect.features.sources import find_sources
    from tfaffect.features.tables import RESERVED
    from tfaffect.runtimes.shipped import default_model

    model = model or default_model()
    options = Options(_count(faces), fps, every, smooth, smooth_embeddings, abstain)
    if hop is not None and window is None:
        raise UsageError("hop is from the begin of one window to the next: name --window as well.")
    windows = None if window is None else (window, window / 2 if hop is None else hop)
    sources = find_sources(inputs, sys.stdin, RESERVED)
    if out is None:
        if windows or annotate or timeline or resume or overwrite:
            raise UsageError("Lines are printed when no table is written. Name its file with --out.")
        _print_lines(_open(model, face_detector, detect_side, batch_size), sources, options, detect, strict)
        return
    job = Job(sources, out, options, detect, windows, annotate, timeline, [Path(name) for name in inputs])
    job.check(resume, overwrite)
    embedder = _open(model, face_detector, detect_side, batch_size)
    with _bar(len(job.sources)) as advance:
        counts, done = job.run(embedder, resume, advance)
    _tell(job, counts)
    if done < len(job.sources):
        cli.fail(f"Interrupted after {done:,} of {len(job.sources):,} inputs; go on with --resume.", status=130)
    if strict and counts.unreadable:
        sys.exit(1)


def _print_lines(embedder: Embedder, sources: list[Source], options: Options, detect: bool, strict: bool) -> None:
    """Print a line per face as the inputs are read."""
    from tfaffect.features.line import line
    from tfaffect.features.row import NO_FACE

    unreadable = False
    for sample in embedder.describe(list(enumerate(sources)), options, detect):
        for row in sample.rows:
            print(line(row), flush=True)
            unreadable = unreadable or (row.face is None and row.problem != NO_FACE)
    if strict and unreadable:
        sys.exit(1)


def _open(model: Path, face_detector: Path | None, detect_side: int, batch_size: int | None) -> Embedder:
    import cv2

    from tfaffect.features.embedder import Embedder
    from tfaffect.media import video

    cv2.setNumThreads(1)  # frames are searched side by side: threads within each cost a fifth more
    video.silence()  # what cannot be decoded is a row
    return Embedder(model, face_detector=face_detector, detect_side=detect_side, batch_size=batch_size)


def _count(faces: str) -> int | None:
    """The number of faces that --faces asks for; None for all."""
    words = {"all": None, "largest": 1}
    if faces in words:
        return words[faces]
    if faces.isdecimal() and int(faces) > 0:
        return int(faces)
    raise UsageError(f"--faces is all, largest or a number of at least 1. Received: {faces!r}.")


@contextmanager
def _bar(sources: int) -> Iterator[Callable[[int, Source, float | None], None]]:
    """Yield what moves a bar of all sources on, which a video does as its time passes."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tfaffect.media import video

    @lru_cache(maxsize=1)
    def duration(path: Path) -> float:
        try:
            return video.duration(path)
        except video.UnreadableVideoError:
            return math.inf

    columns = (
        TextColumn("{task.fields[seen]} pictures and frames"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
    )
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=console, transient=True) as bar:
        task = bar.add_task("", total=sources, seen=0)
        seen = 0

        def advance(number: int, source: Source, seconds: float | None) -> None:
            nonlocal seen
            seen += 1
            within = 1.0 if seconds is None else min(1.0, seconds / duration(source.path))
            bar.update(task, completed=number + within, seen=f"{seen:,}")

        yield advance


def _tell(job: Job, counts: Counts) -> None:
    """Say what was written, and what could not be read."""
    print(f"{job.out}: {counts.rows:,} rows, {counts.faces:,} faces", end="")
    print(f"; {counts.empty:,} pictures or frames without a face" if counts.empty else "", end="")
    print(f"; {counts.unreadable:,} not readable" if counts.unreadable else "")
    for path, problem in counts.problems:
        print(f"  {path}: {problem}", file=sys.stderr)
    if not counts.frames and (job.windows or job.timeline):
        print("  no video among the inputs: nothing for --window and --timeline")
    if counts.unreadable > len(counts.problems):
        print(f"  and {counts.unreadable - len(counts.problems):,} more, in the column `problem`", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main)
