"""From pictures and videos to rows: read, find faces, link them over time, and run the network on full batches."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import numpy as np

from tfaffect.contract import Contract
from tfaffect.features.ordered import Stream, ordered_map
from tfaffect.features.population import for_population
from tfaffect.features.row import NO_FACE, Row
from tfaffect.features.sample import Options, Sample, scaled
from tfaffect.features.smoothing import Smoother
from tfaffect.features.sources import Source, kind, sequence
from tfaffect.features.tracks import Linker
from tfaffect.files import processors
from tfaffect.media import faces, video
from tfaffect.media.animation import sequence_frames
from tfaffect.media.detector import Detection
from tfaffect.media.views import View
from tfaffect.runtimes.runtime import Outputs, Runtime

Detector = Callable[[np.ndarray | View, int | None], list[Detection]]

WORKERS = 4
"""Most threads that search for faces. Each may have two pictures in memory; 9 pictures of 4K are 220 MB."""

SECONDS_AHEAD = 1.0
"""Most seconds that a frame waits for its batch to fill. So rows appear, and Ctrl-C works, while there is no face."""

BYTES_AHEAD = 64 * 2**20
"""Most bytes of pictures that wait for a batch to fill, where pictures are kept. Four batches exist at once."""

BATCHES = 2
"""Batches in the network at once. With one, processors are idle during its slowest part and while rows are made."""


def describe(
    sources: Sequence[tuple[int, Source]],
    network: Runtime,
    detector: Detector | None,
    options: Options,
    keep_pictures: bool = False,
) -> Stream[Sample]:
    """Yield every picture and frame of numbered sources with its rows, in order.

    Without a detector every picture is taken as a face crop. An unreadable file raises nothing: it becomes a row with
    the reason. Memory is limited for any length of input. `keep_pictures` keeps the picture in each sample.
    """
    ahead = 4 if keep_pictures else 2 * network.batch_size + 8
    detect = partial(_detect, detector, options.faces, network.contract, keep_pictures)
    run = partial(_run_network, for_population(network, options.prior), options.abstain)
    workers = min(WORKERS, processors.count())
    views = detector is not None and options.faces is not None and not keep_pictures  # all else needs complete pictures
    with (
        closing(ordered_map(detect, _read(sources, options, views), workers, ahead)) as detected,
        closing(ordered_map(run, _batches(link(detected), network.batch_size), BATCHES, results_ahead=1)) as batches,
    ):
        samples = repeat_rows(chain.from_iterable(batches))
        yield from samples if options.smooth is None else smooth(samples, options.smooth, options.smooth_embeddings)


def _read(sources: Sequence[tuple[int, Source]], options: Options, views: bool) -> Stream[Sample]:
    """Decode videos from start to end in this thread. The workers convert frames and read pictures, several at once."""
    for number, source in sources:
        try:
            is_sequence = options.sequence_fps is not None and os.path.isdir(source.path)
            if not is_sequence and kind(source.path) == "picture":
                yield Sample(number, source)
                continue
            last = None
            for frame in _frames(source, options):
                repeated = frame.number == last
                convert = None if repeated else frame.view if views else frame.convert
                yield Sample(number, source, None, frame.number, round(frame.seconds, 6), "", repeated, convert)
                last = frame.number
        except (video.UnreadableVideoError, OSError) as error:
            yield Sample(number, source, problem=_reason(error))


def _frames(source: Source, options: Options) -> Iterator[video.VideoFrame]:
    """Yield the frames of a video that are used."""
    start = options.start if source.start is None else source.start
    end = options.end if source.end is None else source.end
    end = math.inf if end is None else end
    if options.sequence_fps is not None and os.path.isdir(source.path):
        pictures = sequence_frames(source.path, sequence(source.path), options.sequence_fps)
        return video.sample(pictures, source.path, options.fps, options.every, start, end)
    return video.sample_frames(
        *(source.path, options.fps, options.every),
        key_frames=options.key_frames,
        start=start,
        end=end,
        stream=options.stream,
    )


def _detect(detector: Detector | None, most: int | None, contract: Contract, keep: bool, sample: Sample) -> Sample:
    """Find the faces of a picture and crop them."""
    picture = None if sample.problem or sample.repeated else _open(sample)
    if picture is None:
        return sample
    sample.size = picture.shape[:2]
    if detector is None:
        sample.crops = [faces.letterbox(np.asarray(picture), contract.input_size)]
    else:
        found = [face for face in detector(picture, most) if _is_inside(picture.shape, face.box)]
        crops = [faces.crop(picture, face.box, contract.crop_margin) for face in found[:most]]
        sample.crops = [faces.letterbox(crop, contract.input_size) for crop in crops]
        sample.detections = [scaled(face, sample.reduction) for face in found]
    sample.picture = np.asarray(picture) if keep else None
    return sample


def _open(sample: Sample) -> np.ndarray | View | None:
    """Return the picture of a sample: decode a file, or convert a video's frame. Else set the sample's problem."""
    convert, sample.convert = sample.convert, None  # it holds the frame's memory
    picture: np.ndarray | View | None = None
    try:
        if convert:
            picture = convert()
        else:
            picture, sample.reduction = faces.read_reduced(sample.source.path, upright=True)
    except (faces.UnreadablePictureError, video.UnreadableVideoError, OSError) as error:
        sample.problem = _reason(error)
    else:
        sample.problem = "" if picture is not None else "unreadable: the frame cannot be decoded"
    return picture


def _is_inside(shape: tuple[int, ...], box: faces.Box) -> bool:
    """Return whether a box has some of the picture's pixels: the detector can put a box outside the border."""
    try:
        faces.crop_place(shape, box)
    except faces.EmptyBoxError:
        return False
    return True


def link(samples: Iterator[Sample]) -> Stream[Sample]:
    """Set the tracks of each video's faces. Faces without a row are linked too, because the largest face may change.

    Tracks end where the size of the frames changes: boxes before and after it cannot be compared.
    """
    number, linker = -1, Linker()
    size: tuple[int, ...] = ()
    for sample in samples:
        if sample.number != number:
            number, linker = sample.number, Linker()
        elif sample.size and sample.size != size:
            linker.end_tracks()
        size = sample.size or size
        if sample.seconds is None or sample.repeated:
            sample.tracks = [None] * len(sample.crops)
        elif sample.crops and not sample.detections:
            sample.tracks = [0]  # without a detector a video shows one person
        else:
            sample.tracks = linker.link(sample.seconds, [face.box for face in sample.detections])
        yield sample


def _batches(samples: Iterator[Sample], size: int) -> Stream[list[Sample]]:
    """Collect samples until they fill a batch of faces, across frames and files."""
    batch, crops, stored, start = list[Sample](), 0, 0, time.monotonic()
    for sample in samples:
        batch.append(sample)
        crops += len(sample.crops)
        stored += 0 if sample.picture is None else sample.picture.nbytes
        late = time.monotonic() - start > SECONDS_AHEAD
        if crops >= size or late or stored >= BYTES_AHEAD:
            yield batch
            batch, crops, stored, start = [], 0, 0, time.monotonic()
    yield batch


def _run_network(
    network: Callable[[np.ndarray], Outputs], abstain: float, samples: Sequence[Sample]
) -> Sequence[Sample]:
    """Run the network on a batch and make its rows."""
    crops = [crop for sample in samples for crop in sample.crops]
    outputs = zip(*network(np.stack(crops)), strict=True) if crops else iter(())
    for sample in samples:
        sample.rows = list(_rows(sample, islice(outputs, len(sample.crops)), abstain))
        sample.crops = ()
    return samples


def _rows(sample: Sample, outputs: Iterable[tuple], abstain: float) -> Iterator[Row]:
    """Yield a row per face, or one row with the reason why there is no face."""
    source = sample.source
    row = partial(Row, source.name, frame=sample.frame, seconds=sample.seconds, carried=source.carried)
    if not sample.crops:
        yield row(problem=sample.problem or NO_FACE)
    for face, (expression, valence, arousal, embedding) in enumerate(outputs):
        face_row = partial(row, face=face, track=sample.tracks[face], abstain=abstain)
        if sample.detections:
            found = sample.detections[face]
            face_row = partial(face_row, box=found.box, landmarks=found.landmarks, score=found.score)
        yield face_row(expression=expression, valence=float(valence), arousal=float(arousal), embedding=embedding)


def repeat_rows(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Copy the rows of a frame that stays on screen to each later time."""
    rows: Sequence[Row] = ()
    picture, detections = None, list[Detection]()
    for sample in samples:
        if sample.repeated:
            sample.rows = [replace(row, seconds=sample.seconds) for row in rows]
            sample.picture, sample.detections = picture, detections
        rows, picture, detections = sample.rows, sample.picture, list(sample.detections)
        yield sample


def smooth(samples: Iterator[Sample], time_constant: float, embeddings: bool) -> Iterator[Sample]:
    """Filter the outputs of each track of a video over time."""
    number, smoother = -1, Smoother(time_constant)
    for sample in samples:
        if sample.number != number:
            number, smoother = sample.number, Smoother(time_constant)
        sample.rows = [_smooth_row(row, smoother, embeddings) for row in sample.rows]
        yield sample


def _smooth_row(row: Row, smoother: Smoother, embeddings: bool) -> Row:
    if row.track is None or row.seconds is None:  # no face, or a picture
        return row
    values = np.array([*row.expression, row.valence, row.arousal, *(row.embedding if embeddings else ())])
    smooth = smoother.smooth(row.track, row.seconds, values).astype(np.float32)
    expression, (valence, arousal), embedding = np.split(smooth, (8, 10))
    embedding = embedding if embeddings else row.embedding
    return replace(row, expression=expression, valence=float(valence), arousal=float(arousal), embedding=embedding)


def _reason(error: Exception) -> str:
    """The text of a row's `problem`, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"unreadable: {' '.join(text.split())}"
