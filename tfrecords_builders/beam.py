"""The same build on a cluster: chunks of faces through Apache Beam, which TensorFlow Datasets speaks."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Skip
from tfrecords_builders.workers import Make, chunks, make_chunk

if TYPE_CHECKING:
    import apache_beam


def transform(make: Make, faces: Sequence[Face], folder: Path, split: str) -> apache_beam.PTransform:
    """Return the transform from nothing to (key, fields) of a split's records.

    The faces travel in a file in `folder`, a chunk a line, because a pipeline's own description must stay small; what
    gives no record comes back in files beside it, which `skipped` reads.
    """
    import apache_beam as beam

    plan = folder / f"plan-{split}.txt"
    with open(plan, "wb") as file:
        for chunk in chunks(faces):
            file.write(base64.b64encode(pickle.dumps(chunk)) + b"\n")

    def expand(begin):
        made = begin | beam.io.ReadFromText(str(plan)) | beam.Reshuffle() | beam.FlatMap(_outcomes, make)
        lost = made | "Lost" >> beam.Filter(lambda outcome: isinstance(outcome[1], Skip))
        _ = lost | beam.Map(_line) | beam.io.WriteToText(str(folder / f"skipped-{split}"))
        return made | "Kept" >> beam.Filter(lambda outcome: not isinstance(outcome[1], Skip))

    return beam.ptransform_fn(expand)()


def skipped(folder: Path, split: str) -> dict[str, Skip]:
    """Return the faces of a split that gave no record, by key, after the pipeline ran."""
    lines = (line for path in sorted(folder.glob(f"skipped-{split}-*")) for line in path.read_bytes().splitlines())
    return dict(pickle.loads(base64.b64decode(line)) for line in lines)


def options(given: Sequence[str]):
    """Return Beam's pipeline options from NAME=VALUE words. Raises UsageError without apache-beam."""
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise UsageError("Apache Beam is not installed. pip install -r requirements-beam.txt") from error
    return PipelineOptions([f"--{option}" for option in given])


def _outcomes(line: str, make: Make):
    chunk = pickle.loads(base64.b64decode(line))
    return [(face.key, outcome) for face, outcome in zip(chunk, make_chunk(make, chunk), strict=True)]


def _line(outcome: tuple[str, Skip]) -> str:
    return base64.b64encode(pickle.dumps(outcome)).decode()
