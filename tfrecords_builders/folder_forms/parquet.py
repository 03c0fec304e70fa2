"""Parquet files as Hugging Face has them: a column of encoded pictures, and a column of labels.

In a `{bytes, path}` column only `bytes` is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfrecords_builders.base import Face, Note, Skip
from tfrecords_builders.class_codes import ClassReader
from tfrecords_builders.folder_forms.parquet_pictures import ParquetPicture, Place, opened, unreadable
from tfrecords_builders.folder_forms.places import common_folder, files_below, name_below, split_of_file
from tfrecords_builders.label_table import CLASS

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetFile

IMAGE = ("image", "img", "img_bytes", "jpg")
"""The names of the column with the pictures."""

LABEL = ("labels", *CLASS)
"""The names of the column with the labels."""


def find(root: Path) -> list[Path]:
    """Return the Parquet files below a folder."""
    return [*files_below(root, (".parquet",))]


def faces(root: Path, found: Sequence[Path], codes: Sequence[str]) -> Iterator[Face | Skip | Note]:
    """Yield a face for every row. No picture is read.

    The classes of codes are those of `codes` (--classes), else those that the file itself names. Raises UsageError for
    a file that cannot be read, that has no column of pictures, or whose codes nobody names.
    """
    import pyarrow as pa

    base = common_folder([file.parent for file in found])
    for path in found:
        try:
            with opened(path) as file:
                yield from _rows(file, path, name_below(base, path), split_of_file(path.relative_to(root)), codes)
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from error


def _rows(
    file: ParquetFile, path: Path, name: str, split: str | None, codes: Sequence[str]
) -> Iterator[Face | Skip | Note]:
    schema = file.schema_arrow
    image, label = _image_column(path, schema), _column(path, schema.names, LABEL)
    read_class, row = ClassReader(codes, class_names(schema, label) if label else ()), 0
    yield from _notes(schema.names, image, label, read_class.named_twice)
    for group in range(file.num_row_groups):
        place = Place(path, group, image)
        labels = _labels(file, group, label)
        for place_in_group, value in enumerate(labels):
            key = f"{name}/{row}"
            row += 1
            # Hugging Face writes -1 for a row without a label.
            expression = None if value == -1 else read_class(value, f"Row {row} of {printable(path)}")
            if isinstance(expression, Skip):
                yield expression
            else:
                yield Face(
                    key=key, group=key, image=ParquetPicture(place, place_in_group), split=split, expression=expression
                )


def _labels(file: ParquetFile, group: int, label: str | None) -> Iterator[object]:
    if label is None:
        yield from [None] * file.metadata.row_group(group).num_rows
        return
    for batch in file.iter_batches(4096, row_groups=[group], columns=[label]):
        yield from batch.column(0).to_pylist()


def _notes(names: Sequence[str], image: str, label: str | None, both: bool) -> Iterator[Note]:
    if label is None:
        yield Note("Parquet file without a column of labels: faces have no labels")
    if both:
        yield Note("--classes names the classes of the codes, not the file that has names too")
    read = {image.partition(".")[0], label}
    yield from (Note(f"column not read: {printable(name)}") for name in sorted({*names} - read))


def class_names(schema: Schema, column: str) -> list[str]:
    """Return the names of the classes of a column as Hugging Face stores them in the schema; none if there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[column].get("names") or features[column]["feature"]["names"]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _image_column(path: Path, schema: Schema) -> str:
    """The column of encoded pictures; inside a struct it is `NAME.bytes`."""
    import pyarrow.types as of

    if (name := _column(path, schema.names, IMAGE)) is None:
        raise UsageError(
            f"{printable(path)} has no column of pictures: {', '.join(IMAGE)}. Received: {', '.join(schema.names)}."
        )
    kind = schema.field(name).type
    if of.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        name, kind = f"{name}.bytes", kind.field("bytes").type
    if not (of.is_binary(kind) or of.is_large_binary(kind)):
        raise UsageError(
            f"{printable(path)}: column {name!r} must have encoded pictures, as bytes or as a struct with bytes. "
            f"Received: {kind}."
        )
    return name


def _column(path: Path, names: Sequence[str], known: Sequence[str]) -> str | None:
    """The only column with a known name, in any case of letters."""
    found = [name for name in names if name.lower() in known]
    if len(found) > 1:
        raise UsageError(f"{printable(path)} has the columns {' and '.join(map(repr, found))}. Keep one of them.")
    return found[0] if found else None
