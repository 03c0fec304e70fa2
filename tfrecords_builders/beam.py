"""Make records on a cluster: chunks of faces in Apache Beam, which TensorFlow Datasets supports."""

import base64
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError, missing_extra
from tfrecords_builders.base import Face, Skip
from tfrecords_builders.record import Fields, stored_fields
from tfrecords_builders.twins import Made, Outcomes, summary
from tfrecords_builders.workers import Make, chunks, make_chunk


def transform(make: Make, faces: Sequence[Face], folder: Path, split: str) -> Any:
    """Return the Beam transform that makes (key, fields) of a split's records, without input.

    The faces are written to a file in `folder`, a chunk a line, because the description of a pipeline must stay small.
    What became of each face is written to files beside it, which `outcomes` reads.
    """
    import apache_beam as beam

    plan = folder / f"plan-{split}.txt"
    with open(plan, "w") as file:
        file.writelines(f"{_encode(chunk)}\n" for chunk in chunks(faces))

    def expand(start):
        made = start | beam.io.ReadFromText(str(plan)) | beam.Reshuffle() | beam.FlatMap(_make_line, make)
        summaries = made | "Summaries" >> beam.Map(_summary)
        _ = summaries | beam.Map(_encode) | beam.io.WriteToText(str(folder / f"outcomes-{split}"))
        return made | "Kept" >> beam.FlatMap(_kept)

    return beam.ptransform_fn(expand)()


def outcomes(folder: Path, split: str) -> Outcomes:
    """Return what became of each face of a split, after the pipeline ran."""
    lines = (line for path in sorted(folder.glob(f"outcomes-{split}-*")) for line in path.read_text().splitlines())
    return dict(map(_decode, lines))


def options(given: Sequence[str]) -> Any:
    """Return Beam's pipeline options from texts NAME=VALUE. Raises UsageError without apache-beam."""
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise UsageError(f"--beam-runner needs {missing_extra('apache_beam')}") from error
    return PipelineOptions([f"--{option}" for option in given])


def _make_line(line: str, make: Make) -> list[tuple[str, Fields | Skip]]:
    chunk = _decode(line)
    return [(face.key, outcome) for face, outcome in zip(chunk, make_chunk(make, chunk), strict=True)]


def _kept(outcome: tuple[str, Fields | Skip]) -> list[tuple[str, Fields]]:
    key, made = outcome
    return [] if isinstance(made, Skip) else [(key, stored_fields(made))]


def _summary(outcome: tuple[str, Fields | Skip]) -> tuple[str, Skip | Made]:
    key, made = outcome
    return key, summary(made)


def _encode(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


def _decode(line: str) -> Any:
    return pickle.loads(base64.b64decode(line))
