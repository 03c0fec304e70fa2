"""Affect features of pictures, folders and videos: one row per face.

from tfaffect.embed import Embedder

outputs = Embedder("exports/model.tflite")(crops)
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfaffect import cli
from tfaffect.errors import UsageError, counted

if TYPE_CHECKING:
    from tfaffect.features.cluster.sharing import Shared
    from tfaffect.features.embedder import Embedder
    from tfaffect.features.job import Progress

# Modules that need NumPy, OpenCV or pyarrow are imported inside functions, so that --help takes under half a second.


def __getattr__(name: str) -> object:
    """Make `from tfaffect.embed import Embedder` work without importing OpenCV for --help."""
    if name == "Embedder":
        from tfaffect.features.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


Flag = Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help_behavior_hint="")]
"""A flag without its opposite: --resume, but no --no-resume."""


def main(
    inputs: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="INPUT...", help_behavior_hint="(required)")
    ],
    out: Annotated[Path | None, cli.option("FILE", "print one line per face")] = None,
    layout: Annotated[str, tyro.conf.arg(metavar="tfaffect|fex")] = "tfaffect",
    model: Annotated[Path | None, cli.option("MODEL", "the most accurate one installed")] = None,
    faces: Annotated[str, tyro.conf.arg(metavar="all|largest|N")] = "all",
    detect: Flag = True,
    fps: Annotated[float | None, cli.option("RATE", "all frames")] = None,
    every: Annotated[int, tyro.conf.arg(metavar="N")] = 1,
    key_frames: Flag = False,
    start: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 0.0,
    end: Annotated[float | None, cli.option("SECONDS", "to the end")] = None,
    start_column: Annotated[str, cli.option("NAME")] = "",
    end_column: Annotated[str, cli.option("NAME")] = "",
    stream: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
    sequence_fps: Annotated[float | None, cli.option("RATE")] = None,
    smooth: Annotated[float | None, cli.option("SECONDS", "no smoothing")] = None,
    smooth_embeddings: Flag = False,
    abstain: Annotated[float, tyro.conf.arg(metavar="PROBABILITY")] = 0.0,
    prior: Annotated[str, cli.option("training|uniform|estimate|FILE", "as the model answers")] = "",
    window: Annotated[float | None, cli.option("SECONDS")] = None,
    hop: Annotated[float | None, cli.option("SECONDS", "half a window")] = None,
    annotate: Annotated[Path | None, cli.option("DIR")] = None,
    blur_faces: Flag = False,
    timeline: Annotated[Path | None, cli.option("FILE.png")] = None,
    nova: Annotated[Path | None, cli.option("DIR")] = None,
    elan: Annotated[Path | None, cli.option("DIR")] = None,
    batch_size: Annotated[int | None, cli.option("N", "the fastest for the model")] = None,
    detect_side: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 640,
    min_score: Annotated[float, tyro.conf.arg(metavar="CONFIDENCE")] = 0.6,
    face_detector: cli.FaceDetector = None,
    resume: Flag = False,
    overwrite: Flag = False,
    strict: Flag = False,
    shard: Annotated[str | None, cli.option("I/N", "all sources in one job")] = None,
    piece_minutes: Annotated[float | None, cli.option("MINUTES", "whole videos")] = None,
    beam_runner: Annotated[str | None, cli.option("RUNNER")] = None,
    beam_options: Annotated[tuple[str, ...], cli.option("NAME=VALUE...")] = (),
    merge: Annotated[Path | None, cli.option("FOLDER")] = None,
) -> None:
    """Find faces in pictures and videos and write one row of features per face.

    A row has 8 class probabilities, valence, arousal and 256 affective features.

    tfaffect embed photo.jpg

    tfaffect embed photos/ --out faces.parquet

    tfaffect embed talk.mp4 --out talk.csv --fps 5 --timeline talk.png

    tfaffect embed list.csv --out faces.csv --faces largest --window 4 --hop 1

    Args:
        inputs: Pictures, videos, folders with all subfolders, a table (.csv, .tsv, .txt, .xlsx) with a column `path`, a
            .txt list of paths, or - for paths on stdin. They may be at gs://, s3:// or https://.
        out: Table to write: .parquet, .csv or .npz. FILE.columns.json beside it tells what its columns mean. It may be
            at gs:// or s3://.
        layout: Columns of the table: our own, or those of Py-Feat's class Fex.
        model: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json, or a name of `tfaffect models`.
        faces: Faces to use in each picture or frame: all, the largest, or the N largest.
        detect: Do not search for faces: every picture is a face crop.
        fps: Frames per second to use of a video.
        every: Use every N-th frame of a video. Not together with --fps.
        key_frames: Use only key frames of a video, for a quick survey: other frames are not decoded.
        start: Use frames of videos from this time on. Time 0 is the start of the file, also of its sound.
        end: Use frames of videos before this time.
        start_column: Column of the table with the start of each video, in seconds. Empty cells mean --start.
        end_column: Column of the table with the end of each video, in seconds. Empty cells mean --end.
        stream: Number of the video stream, for files with more than one.
        sequence_fps: Use each folder of picture files as one video with this frame rate.
        smooth: Smooth each person's probabilities, valence and arousal over time with this time constant.
        smooth_embeddings: With --smooth: smooth the 256 features too.
        abstain: Name no class below this probability. The model card tells how often a named class is then right.
        prior: Class shares to which the probabilities are turned: training, uniform, estimate (found from the answers
            themselves), or a .json or .csv file of class and share. docs/rare_classes.md tells when each is right.
        window: Also write a table of windows of this length: mean, deviation, slope, minimum, maximum per person.
        hop: Time from the start of one window to the start of the next.
        annotate: Also write copies of the pictures and videos with boxes, classes, valence and arousal drawn in.
        blur_faces: Make the faces in the annotated copies unrecognisable, to show results without showing people.
        timeline: Also plot classes, valence and arousal of a video over time. Several videos get one file each.
        nova: Also write the classes, valence and arousal of videos as annotations for NOVA.
        elan: Also write the classes, valence and arousal of videos as files of ELAN (.eaf).
        batch_size: Faces that the network processes at once.
        detect_side: Longest side to which pictures are scaled for the search for faces. Use 1280 for group photos.
        min_score: Lowest confidence of the face detector, from 0 to 1, at which a face is used.
        face_detector: Weights of the face detector YuNet.
        resume: Continue an interrupted run.
        overwrite: Replace files that exist.
        strict: Exit with status 1 if an input cannot be read.
        shard: Do part I of N of the work, from 1. All N jobs have the same inputs and flags, and --out is a folder,
            which may be at gs:// or s3://.
        piece_minutes: With --shard or --beam-runner: cut longer videos into pieces, which several jobs share.
        beam_runner: Do the work on a cluster with Apache Beam, for example FlinkRunner. --out is a folder.
        beam_options: Options of the Beam pipeline, without dashes.
        merge: Make one table of the folder that jobs with --shard filled: FOLDER.parquet, or the file of --out.
    """
    if merge:
        _merge(merge, out, inputs, overwrite)
        return
    from tfaffect.features import fex, flags, messages, uploading
    from tfaffect.features.job import Job
    from tfaffect.features.sample import Options
    from tfaffect.features.sources import Search, find_sources
    from tfaffect.features.tables import RESERVED
    from tfaffect.runtimes.shipped import default_model

    model = model or default_model()
    options = Options(
        *(flags.parse_faces(faces), fps, every, smooth, smooth_embeddings, abstain),
        *(key_frames, start, end, stream, sequence_fps, flags.population(prior, model) if prior else None),
    )
    if prior == "estimate" and (out is None or annotate or shard or beam_runner):
        raise UsageError(
            "--prior estimate needs the answers for all faces before it can turn the first one: it needs --out FILE, "
            "and does not go together with --annotate, --shard and --beam-runner. Run it on some of the inputs with "
            "--out faces.csv, then run again with --prior faces.csv.columns.json."
        )
    if hop is not None and window is None:
        raise UsageError("--hop is the time between the starts of two windows: add --window.")
    windows = None if window is None else (window, window / 2 if hop is None else hop)
    reserved = RESERVED | frozenset(fex.SCHEMA.names if layout == "fex" else ())
    search = Search(reserved, start_column, end_column, sequence_fps is not None)
    sources = find_sources(inputs, sys.stdin, search)
    if blur_faces and not (annotate and detect):
        raise UsageError(
            "--blur-faces blurs found faces in annotated copies. Add --annotate DIR; leave --no-detect out."
        )
    if shard is None and beam_runner is None:
        if piece_minutes is not None or beam_options:
            raise UsageError("--piece-minutes and --beam-options need --shard I/N or --beam-runner RUNNER.")
    else:
        if out is None or annotate or timeline or nova or elan or layout != "tfaffect" or overwrite:
            raise UsageError(
                "--shard and --beam-runner need --out FOLDER, and not --layout, --annotate, --timeline, --nova, --elan "
                "or --overwrite."
            )
        from tfaffect.features.cluster.sharing import Sharing, share

        sharing = Sharing(shard, beam_runner, beam_options, piece_minutes)
        open_embedder = partial(_open_embedder, model, face_detector, detect_side, min_score, batch_size)
        shared = share(sharing, out, sources, open_embedder, options, detect, windows, resume, _progress_bar)
        _print_shared(out, shared, strict)
        return
    if out is None:
        if windows or annotate or timeline or nova or elan or layout != "tfaffect" or resume or overwrite:
            raise UsageError(
                "--window, --layout, --annotate, --timeline, --nova, --elan, --resume and --overwrite need a table: "
                "add --out FILE."
            )
        embedder = _open_embedder(model, face_detector, detect_side, min_score, batch_size)
        unreadable = messages.print_lines(embedder.describe(list(enumerate(sources)), options, detect))
        if strict and unreadable:
            sys.exit(1)
        return
    paths = [Path(name) for name in inputs]
    out, target = uploading.local_file(out), out
    job = Job(
        *(sources, out, options, detect, windows, annotate, timeline, paths, blur_faces),
        *(layout, nova, elan),
    )
    uploading.check(job, target, resume, overwrite)
    job.check(resume, overwrite)
    embedder = _open_embedder(model, face_detector, detect_side, min_score, batch_size)
    if detect:
        embedder.find_detector()  # before the progress bar: its download has one too
    try:
        with _progress_bar(len(job.sources)) as advance:
            counts, done = job.run(embedder, resume, advance)
    except KeyboardInterrupt:  # before the first or after the last input; otherwise `job.run` returns
        cli.fail(f"Interrupted. {_how_to_go_on()}", status=130)
    if done == len(job.sources):
        uploading.upload(job, target)
    messages.print_counts(target, counts)
    messages.print_what_is_not_written(job, counts)
    if prior == "estimate":
        messages.print_estimate(counts)
    if search.passed_over:
        listed = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(search.passed_over.items()))
        print(f"  not pictures or videos, passed over: {listed}", file=sys.stderr)
    if done < len(job.sources):
        cli.fail(f"Interrupted after {done:,} of {len(job.sources):,} inputs. {_how_to_go_on()}", status=130)
    if strict and counts.unreadable:
        sys.exit(1)


def _how_to_go_on() -> str:
    return f"To go on: {cli.typed_again('embed', '--resume', without=('--resume', '--overwrite'))}"


def _open_embedder(
    model: Path, face_detector: Path | None, detect_side: int, min_score: float, batch_size: int | None
) -> Embedder:
    import cv2

    from tfaffect.features.embedder import Embedder
    from tfaffect.media import video

    cv2.setNumThreads(1)  # several frames are searched in parallel: threads inside OpenCV would take a fifth longer
    video.silence()  # an unreadable file becomes a row
    return Embedder(
        model, face_detector=face_detector, detect_side=detect_side, min_score=min_score, batch_size=batch_size
    )


@contextmanager
def _progress_bar(sources: int) -> Iterator[Progress]:
    """Yield a function that advances a progress bar. SIGTERM raises KeyboardInterrupt meanwhile."""
    from tfaffect.features.progress import progress_bar

    with cli.sigterm_as_ctrl_c(), progress_bar(sources) as advance:
        yield advance


def _print_shared(out: Path, shared: Shared, strict: bool) -> None:
    """Print the counts of one job's part of a shared folder, and how to go on. Exit where it is not as asked."""
    from tfaffect.features import messages
    from tfaffect.files.paths import printable

    messages.print_counts(out, shared.counts)
    if shared.left:
        cli.fail(f"Interrupted before {counted(shared.left, 'task')}. {_how_to_go_on()}", status=130)
    if shared.is_complete:
        print(f"  complete: {cli.typed(f'embed --merge {shlex.quote(printable(out))}')} makes one table of it")
    if strict and shared.counts.unreadable:
        sys.exit(1)


def _merge(folder: Path, out: Path | None, inputs: tuple[str, ...], overwrite: bool) -> None:
    from tfaffect.features import messages
    from tfaffect.features.cluster.merging import merge

    if inputs:
        raise UsageError(f"--merge reads a folder with rows and no inputs. Received: {', '.join(inputs)}.")
    out = out or folder.with_name(f"{folder.name}.parquet")
    messages.print_counts(out, merge(folder, out, overwrite))


if __name__ == "__main__":
    cli.run(main)
