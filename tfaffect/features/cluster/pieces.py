"""Pieces of a long video on disk, from which its rows are made as if it had been read without a cut.

A piece holds what needs the pictures: found faces and outputs of the network. Tracks and filters need the complete
video, so they come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from tfaffect.features import pipeline
from tfaffect.features.row import NO_FACE, Row
from tfaffect.features.sample import Options, Sample
from tfaffect.features.source import Source
from tfaffect.features.windows import SIZE
from tfaffect.labels import CLASSES
from tfaffect.media.detector import Detection

SCHEMA = pa.schema(
    [
        ("sample", pa.int64()),
        ("frame", pa.int64()),
        ("seconds", pa.float64()),
        ("repeated", pa.bool_()),
        ("problem", pa.string()),
        ("height", pa.int64()),
        ("width", pa.int64()),
        ("box", pa.list_(pa.float64(), 4)),
        ("landmarks", pa.list_(pa.float64())),
        ("score", pa.float64()),
        ("values", pa.list_(pa.float32(), SIZE)),
    ]
)
"""One line for each face that was found. `values` is null for a face without a row: --faces asks for larger ones only.
A frame without a face has one line too. Boxes keep all their digits, because tracks depend on them."""

LINES = 1024
"""Lines in memory: 1.3 MB."""


def write_piece(path: Path, samples: Iterable[Sample]) -> None:
    """Write the samples of a piece. Their tracks are left out."""
    lines = chain.from_iterable(_lines(number, sample) for number, sample in enumerate(samples))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as stream:
        while some := list(islice(lines, LINES)):
            stream.write_batch(pa.RecordBatch.from_pylist(some, SCHEMA))


def read_video(
    pieces: Sequence[Path], source: Source, options: Options, open_file: Callable[[Path], BinaryIO]
) -> Iterator[Sample]:
    """Yield the samples of a video with tracks and filtered rows, out of its pieces in order."""
    read = _read(map(open_file, pieces), source, options.abstain)
    samples = pipeline.repeat_rows(_with_tracks(pipeline.link(_until_broken(read))))
    if options.smooth is None:
        return samples
    return pipeline.smooth(samples, options.smooth, options.smooth_embeddings)


def _lines(number: int, sample: Sample) -> Iterator[dict[str, Any]]:
    height, width = sample.size or (None, None)
    of_sample = {
        **{"sample": number, "frame": sample.frame, "seconds": sample.seconds, "repeated": sample.repeated},
        **{"problem": sample.problem, "height": height, "width": width},
    }
    values = [_values(row) for row in sample.rows if row.face is not None]
    for face in range(max(1, len(sample.detections), len(values))):
        line: dict[str, Any] = {**of_sample, "values": values[face] if face < len(values) else None}
        if face < len(sample.detections):
            found = sample.detections[face]
            line |= {"box": found.box, "landmarks": np.ravel(found.landmarks), "score": found.score}
        yield line


def _values(row: Row) -> np.ndarray:
    return np.concatenate([row.expression, (row.valence, row.arousal), row.embedding]).astype(np.float32)


def _read(pieces: Iterable[BinaryIO], source: Source, abstain: float) -> Iterator[Sample]:
    """Yield the samples of all pieces. The first frame of a piece may be the last one of the piece before it."""
    last = None
    for piece in pieces:
        with piece as file:
            stream = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(use_threads=False))  # see `read_batches`
            batches = map(stream.get_batch, range(stream.num_record_batches))
            lines = chain.from_iterable(batch.to_pylist() for batch in batches)
            for _, of_sample in groupby(lines, key=lambda line: line["sample"]):
                sample = _sample(list(of_sample), source, abstain)
                sample.repeated = sample.repeated or (sample.frame is not None and sample.frame == last)
                last = sample.frame
                yield sample


def _sample(lines: Sequence[dict[str, Any]], source: Source, abstain: float) -> Sample:
    first = lines[0]
    sample = Sample(0, source, None, first["frame"], first["seconds"], first["problem"], first["repeated"])
    sample.size = () if first["height"] is None else (first["height"], first["width"])
    sample.detections = [_detection(line) for line in lines if line["box"] is not None]
    described = [np.array(line["values"], np.float32) for line in lines if line["values"] is not None]
    sample.crops = described  # `link` counts them
    row = Row(source.name, sample.frame, sample.seconds, abstain=abstain, carried=source.carried)
    if not described:
        sample.rows = [replace(row, problem=sample.problem or NO_FACE)]
    else:
        sample.rows = [_row(row, face, values, sample.detections) for face, values in enumerate(described)]
    return sample


def _detection(line: dict[str, Any]) -> Detection:
    points = line["landmarks"]
    return Detection(tuple(line["box"]), line["score"], tuple(zip(points[::2], points[1::2], strict=True)))


def _row(row: Row, face: int, values: np.ndarray, detections: Sequence[Detection]) -> Row:
    expression, (valence, arousal), embedding = np.split(values, (len(CLASSES), len(CLASSES) + 2))
    row = replace(row, face=face, expression=expression, valence=float(valence), arousal=float(arousal))
    if not detections:
        return replace(row, embedding=embedding)
    found = detections[face]
    return replace(row, embedding=embedding, box=found.box, landmarks=found.landmarks, score=found.score)


def _until_broken(samples: Iterator[Sample]) -> Iterator[Sample]:
    """Stop after the first error of the file, as the uncut run does: later pieces report the same error again."""
    for sample in samples:
        yield sample
        if sample.frame is None:
            return


def _with_tracks(samples: Iterator[Sample]) -> Iterator[Sample]:
    for sample in samples:
        sample.rows = [row if row.face is None else replace(row, track=sample.tracks[row.face]) for row in sample.rows]
        sample.crops = ()
        yield sample
