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
class Sight:
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
) -> Iterator[Sight]:
    """Yield every picture and frame of numbered sources with its rows, in order.

    Without a detector each picture is taken as a face crop. Nothing is raised for what cannot be read: it becomes a row
    with the reason. Memory is bounded whatever the length; `keep_pictures` leaves the picture in what is yielded.
    """
    ahead = 4 if keep_pictures else 2 * network.batch_size + 8
    see = partial(_see, detector, options.faces, network.contract, keep_pictures)
    run = partial(_with_rows, network, options.abstain)
    with (
        closing(in_order(see, _sights(sources, options), min(WORKERS, os.cpu_count() or 1), ahead)) as seen,
        closing(in_order(run, _batches(_linked(seen), network.batch_size), BATCHES, results_ahead=1)) as described,
    ):
        yield from _smoothed(_held(chain.from_iterable(described)), options)


def _sights(sources: Sequence[tuple[int, Source]], options: Options) -> Iterator[Sight]:
    """Videos are decoded here, front to back; pictures by the workers, several at once."""
    for number, source in sources:
        try:
            if kind(source.path) == "picture":
                yield Sight(number, source)
                continue
            before = None
            for shown in video.sampled(source.path, options.fps, options.every):
                still = shown.number == before
                picture = None if still else shown.picture
                yield Sight(number, source, picture, shown.number, round(shown.seconds, 6), still=still)
                before = shown.number
        except (video.UnreadableVideoError, OSError) as error:
            yield Sight(number, source, problem=_reason(error))


def _see(detector: Detector | None, most: int | None, contract: Contract, keep_picture: bool, sight: Sight) -> Sight:
    """Find the faces of a picture and cut them out."""
    if sight.picture is None and not sight.problem and not sight.still:
        try:
            sight.picture = faces.read(sight.source.path, upright=True)
        except (faces.UnreadablePictureError, OSError) as error:
            sight.problem = _reason(error)
    if sight.picture is None:
        return sight
    whole = sight.picture
    if detector is None:
        sight.crops = [faces.letterbox(whole, contract.input_size)]
    else:
        sight.detections = [face for face in detector(whole, most) if _shows(whole, face.box)]
        cut = [faces.crop(whole, face.box, contract.crop_margin) for face in sight.detections[:most]]
        sight.crops = [faces.letterbox(face, contract.input_size) for face in cut]
    sight.picture = whole if keep_picture else None
    return sight


def _shows(picture: np.ndarray, box: faces.Box) -> bool:
    """Say whether a box holds some of the picture: at the border the detector imagines the rest of a face."""
    try:
        faces.crop(picture, box)
    except faces.EmptyBoxError:
        return False
    return True


def _linked(sights: Iterator[Sight]) -> Iterator[Sight]:
    """Give the faces of each video their tracks, also those that become no rows: who is largest may change."""
    number, linker = None, None
    for sight in sights:
        if sight.number != number:
            number, linker = sight.number, Linker()
        if sight.seconds is None or sight.still:
            sight.tracks = [None] * len(sight.crops)
        elif sight.crops and not sight.detections:
            sight.tracks = [0]  # a ready crop: one person
        else:
            sight.tracks = linker.link(sight.seconds, [face.box for face in sight.detections])
        yield sight


def _batches(sights: Iterator[Sight], size: int) -> Iterator[list[Sight]]:
    """Collect what fills a batch of faces, across frames and files."""
    waiting, crops, held, begun = [], 0, 0, time.monotonic()
    for sight in sights:
        waiting.append(sight)
        crops += len(sight.crops)
        held += 0 if sight.picture is None else sight.picture.nbytes
        late = time.monotonic() - begun > SECONDS_AHEAD
        if crops >= size or late or held >= BYTES_AHEAD:
            yield waiting
            waiting, crops, held, begun = [], 0, 0, time.monotonic()
    yield waiting


def _with_rows(network: Runtime, abstain: float, sights: Sequence[Sight]) -> Sequence[Sight]:
    """Run the network on a batch."""
    crops = [crop for sight in sights for crop in sight.crops]
    outputs = network(np.stack(crops)) if crops else ()
    described = zip(*outputs, strict=True)
    for sight in sights:
        sight.rows = list(_rows(sight, islice(described, len(sight.crops)), abstain))
        sight.crops = ()
    return sights


def _rows(sight: Sight, described: Iterable[tuple], abstain: float) -> Iterator[Row]:
    """A row per face, or the one that says why there is none."""
    facts = {"frame": sight.frame, "seconds": sight.seconds, "carried": sight.source.carried}
    place = -1
    for place, (expression, valence, arousal, embedding) in enumerate(described):
        given = {"expression": expression, "valence": float(valence), "arousal": float(arousal), "embedding": embedding}
        if sight.detections:
            face = sight.detections[place]
            given |= {"box": face.box, "landmarks": face.landmarks, "score": face.score}
        yield Row(sight.source.name, face=place, track=sight.tracks[place], abstain=abstain, **given, **facts)
    if place < 0:
        yield Row(sight.source.name, problem=sight.problem or NO_FACE, **facts)


def _held(sights: Iterable[Sight]) -> Iterator[Sight]:
    """Let a frame that stays on screen have its rows again, at each later time."""
    rows, picture = (), None
    for sight in sights:
        if sight.still:
            sight.rows, sight.picture = [replace(row, seconds=sight.seconds) for row in rows], picture
        rows, picture = sight.rows, sight.picture
        yield sight


def _smoothed(sights: Iterator[Sight], options: Options) -> Iterator[Sight]:
    """Filter what the network says of each track of a video over time."""
    number, smoother = None, None
    for sight in sights:
        if options.smooth is not None and sight.seconds is not None:
            if sight.number != number:
                number, smoother = sight.number, Smoother(options.smooth)
            sight.rows = [_smooth(row, smoother, options.smooth_embeddings) for row in sight.rows]
        yield sight


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
