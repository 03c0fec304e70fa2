"""Pictures and videos to rows: read, find faces, link them over time, and run the network on full batches."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

import numpy as np

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.features.ordered import in_order
from tfaffect.features.row import NO_FACE, Row
from tfaffect.features.smoothing import Smoother
from tfaffect.features.sources import Source, kind
from tfaffect.features.tracks import Linker
from tfaffect.media import faces, video
from tfaffect.media.detector import Detection
from tfaffect.runtimes.runtime import Runtime

Detector = Callable[[np.ndarray, int | None], list[Detection]]

WORKERS = 4
"""Threads that look for faces, at most: each may hold two pictures, and 9 of 4K are 220 MB."""

SECONDS_AHEAD = 1.0
"""How long frames wait at most for a batch to fill: rows come, and Ctrl-C ends, while nobody is seen."""

BYTES_AHEAD = 64 * 2**20
"""Bytes of pictures that wait at most for a batch to fill, where pictures are kept; four such batches are under way."""

BATCHES = 2
"""Batches in the network at once: with one, processors wait for its slowest part and while its rows are made."""


@dataclass(frozen=True)
class Options:
    """What is looked at.

    faces: how many of the largest faces of a picture become rows; None for all. fps: pictures a second of a video that
    are looked at, None for all; every: or each so many-th frame. smooth: time constant in seconds of the filter on the
    outputs of a track, None for none; smooth_embeddings: filter the embeddings as well. abstain: the probability that
    the most probable class must reach to be named. Raises UsageError for what makes no sense.
    """

    faces: int | None = None
    fps: float | None = None
    every: int = 1
    smooth: float | None = None
    smooth_embeddings: bool = False
    abstain: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        rules = {
            "faces": ("None or at least 1", self.faces is None or (isinstance(self.faces, int) and self.faces >= 1)),
            "fps": ("more than 0, and is not for use beside every", self._fps_is_fine()),
            "every": ("a whole number of at least 1", isinstance(self.every, int) and self.every >= 1),
            "smooth": ("more than 0 seconds", self.smooth is None or 0 < self.smooth < math.inf),
            "smooth_embeddings": ("False where smooth is not given", self.smooth or not self.smooth_embeddings),
            "abstain": ("a probability from 0 to 1", 0 <= self.abstain <= 1),
        }
        for name, (rule, kept) in rules.items():
            if not kept:
                raise UsageError(f"{name} must be {rule}. Received: {name}={getattr(self, name)}.")

    def _fps_is_fine(self) -> bool:
        return self.fps is None or (0 < self.fps < math.inf and self.every == 1)


@dataclass
class Sample:
    """One picture or frame on its way to its rows.

    number: of its source, from 0. picture: read already of a frame, None of a picture file until a worker reads it, and
    None again when it is needed no more. still: the frame before is still on screen, and has been seen. crops:
    letterboxed, of the faces that become rows; tracks: theirs, of a video.
    """

    number: int
    source: Source
    picture: np.ndarray | None = None
    frame: int | None = None
    seconds: float | None = None
    problem: str = ""
    still: bool = False
    detections: Sequence[Detection] = ()
    crops: Sequence[np.ndarray] = ()
    tracks: Sequence[int | None] = ()
    rows: Sequence[Row] = ()


def describe(
    sources: Sequence[tuple[int, Source]],
    network: Runtime,
    detector: Detector | None,
    options: Options,
    keep_pictures: bool = False,
) -> Iterator[Sample]:
    """Yield every picture and frame of numbered sources with its rows, in order.

    Without a detector each picture is taken as a face crop. Nothing is raised for what cannot be read: it becomes a row
    with the reason. Memory is bounded whatever the length; `keep_pictures` leaves the picture in what is yielded.
    """
    ahead = 4 if keep_pictures else 2 * network.batch_size + 8
    see = partial(_see, detector, options.faces, network.contract, keep_pictures)
    run = partial(_with_rows, network, options.abstain)
    with (
        closing(in_order(see, _samples(sources, options), min(WORKERS, os.cpu_count() or 1), ahead)) as seen,
        closing(in_order(run, _batches(_linked(seen), network.batch_size), BATCHES, results_ahead=1)) as described,
    ):
        yield from _smoothed(_held(chain.from_iterable(described)), options)


def _samples(sources: Sequence[tuple[int, Source]], options: Options) -> Iterator[Sample]:
    """Videos are decoded here, front to back; pictures by the workers, several at once."""
    for number, source in sources:
        try:
            if kind(source.path) == "picture":
                yield Sample(number, source)
                continue
            before = None
            for shown in video.sampled(source.path, options.fps, options.every):
                still = shown.number == before
                picture = None if still else shown.picture
                yield Sample(number, source, picture, shown.number, round(shown.seconds, 6), still=still)
                before = shown.number
        except (video.UnreadableVideoError, OSError) as error:
            yield Sample(number, source, problem=_reason(error))


def _see(detector: Detector | None, most: int | None, contract: Contract, keep_picture: bool, sample: Sample) -> Sample:
    """Find the faces of a picture and cut them out."""
    if sample.picture is None and not sample.problem and not sample.still:
        try:
            sample.picture = faces.read(sample.source.path, upright=True)
        except (faces.UnreadablePictureError, OSError) as error:
            sample.problem = _reason(error)
    if sample.picture is None:
        return sample
    whole = sample.picture
    if detector is None:
        sample.crops = [faces.letterbox(whole, contract.input_size)]
    else:
        sample.detections = [face for face in detector(whole, most) if _shows(whole, face.box)]
        cut = [faces.crop(whole, face.box, contract.crop_margin) for face in sample.detections[:most]]
        sample.crops = [faces.letterbox(face, contract.input_size) for face in cut]
    sample.picture = whole if keep_picture else None
    return sample


def _shows(picture: np.ndarray, box: faces.Box) -> bool:
    """Say whether a box holds some of the picture: at the border the detector imagines the rest of a face."""
    try:
        faces.crop(picture, box)
    except faces.EmptyBoxError:
        return False
    return True


def _linked(samples: Iterator[Sample]) -> Iterator[Sample]:
    """Give the faces of each video their tracks, also those that become no rows: who is largest may change."""
    number, linker = None, None
    for sample in samples:
        if sample.number != number:
            number, linker = sample.number, Linker()
        if sample.seconds is None or sample.still:
            sample.tracks = [None] * len(sample.crops)
        elif sample.crops and not sample.detections:
            sample.tracks = [0]  # a ready crop: one person
        else:
            sample.tracks = linker.link(sample.seconds, [face.box for face in sample.detections])
        yield sample


def _batches(samples: Iterator[Sample], size: int) -> Iterator[list[Sample]]:
    """Collect what fills a batch of faces, across frames and files."""
    waiting, crops, held, begun = [], 0, 0, time.monotonic()
    for sample in samples:
        waiting.append(sample)
        crops += len(sample.crops)
        held += 0 if sample.picture is None else sample.picture.nbytes
        late = time.monotonic() - begun > SECONDS_AHEAD
        if crops >= size or late or held >= BYTES_AHEAD:
            yield waiting
            waiting, crops, held, begun = [], 0, 0, time.monotonic()
    yield waiting


def _with_rows(network: Runtime, abstain: float, samples: Sequence[Sample]) -> Sequence[Sample]:
    """Run the network on a batch."""
    crops = [crop for sample in samples for crop in sample.crops]
    outputs = network(np.stack(crops)) if crops else ()
    described = zip(*outputs, strict=True)
    for sample in samples:
        sample.rows = list(_rows(sample, islice(described, len(sample.crops)), abstain))
        sample.crops = ()
    return samples


def _rows(sample: Sample, described: Iterable[tuple], abstain: float) -> Iterator[Row]:
    """A row per face, or the one that says why there is none."""
    facts = {"frame": sample.frame, "seconds": sample.seconds, "carried": sample.source.carried}
    place = -1
    for place, (expression, valence, arousal, embedding) in enumerate(described):
        given = {"expression": expression, "valence": float(valence), "arousal": float(arousal), "embedding": embedding}
        if sample.detections:
            face = sample.detections[place]
            given |= {"box": face.box, "landmarks": face.landmarks, "score": face.score}
        yield Row(sample.source.name, face=place, track=sample.tracks[place], abstain=abstain, **given, **facts)
    if place < 0:
        yield Row(sample.source.name, problem=sample.problem or NO_FACE, **facts)


def _held(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Let a frame that stays on screen have its rows again, at each later time."""
    rows, picture = (), None
    for sample in samples:
        if sample.still:
            sample.rows, sample.picture = [replace(row, seconds=sample.seconds) for row in rows], picture
        rows, picture = sample.rows, sample.picture
        yield sample


def _smoothed(samples: Iterator[Sample], options: Options) -> Iterator[Sample]:
    """Filter what the network says of each track of a video over time."""
    number, smoother = None, None
    for sample in samples:
        if options.smooth is not None and sample.seconds is not None:
            if sample.number != number:
                number, smoother = sample.number, Smoother(options.smooth)
            sample.rows = [_smooth(row, smoother, options.smooth_embeddings) for row in sample.rows]
        yield sample


def _smooth(row: Row, smoother: Smoother, embeddings: bool) -> Row:
    if row.face is None:
        return row
    values = np.array([*row.expression, row.valence, row.arousal, *(row.embedding if embeddings else ())])
    smooth = smoother.smooth(row.track, row.seconds, values).astype(np.float32)
    expression, (valence, arousal), embedding = np.split(smooth, (8, 10))
    rest = {"embedding": embedding} if embeddings else {}
    return replace(row, expression=expression, valence=float(valence), arousal=float(arousal), **rest)


def _reason(error: Exception) -> str:
    """What a row says of something that cannot be read, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"unreadable: {' '.join(text.split())}"
