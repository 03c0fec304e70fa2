"""Tables of rows on disk as Parquet, CSV or NumPy, all with the same columns. Memory use is limited."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from tfaffect.errors import UsageError
from tfaffect.features.row import Row
from tfaffect.features.windows import STATISTICS, Window
from tfaffect.labels import AFFECT, CLASSES

EMBEDDING = tuple(f"embedding_{place}" for place in range(256))
BOX = ("box_left", "box_top", "box_right", "box_bottom")
LANDMARKS = tuple(
    f"{part}_{axis}" for part in ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left") for axis in "xy"
)
PROBABILITIES = tuple(f"expression_{name}" for name in CLASSES)
VALUES = (*PROBABILITIES, *AFFECT, *EMBEDDING)
"""The columns with the network's outputs."""

_INTEGERS = ("frame", "face", "track")

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        *((name, pa.float32()) for name in EMBEDDING),
        ("expression", pa.string()),
        *((name, pa.float32()) for name in (*PROBABILITIES, *AFFECT)),
        ("frame", pa.int64()),
        ("seconds", pa.float64()),
        ("face", pa.int64()),
        ("track", pa.int64()),
        *((name, pa.float32()) for name in (*BOX, *LANDMARKS, "detection_score")),
        ("problem", pa.string()),
    ]
)
"""The columns of a row, in the order of the original project: path, embedding, then labels and the rest."""

WINDOW_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("begin_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("track", pa.int64()),
        ("frames", pa.int64()),
        ("faces", pa.int64()),
        ("face_share", pa.float64()),
        *((f"{name}_{statistic}", pa.float32()) for statistic in STATISTICS for name in VALUES),
    ]
)
"""The columns of a window of one track: `valence_slope`, `embedding_0_mean` and so on."""

ARRAYS = {
    **{"embedding": EMBEDDING, "probabilities": PROBABILITIES, "box": BOX, "landmarks": LANDMARKS},
    **{f"embedding_{kind}": tuple(f"{name}_{kind}" for name in EMBEDDING) for kind in STATISTICS},
    **{f"probabilities_{kind}": tuple(f"{name}_{kind}" for name in PROBABILITIES) for kind in STATISTICS},
}
"""Arrays in `.npz` that combine several columns; landmarks are (n, 5, 2)."""

ROW_GROUP = 16_384
"""Rows of a group in a Parquet file: 20 MB."""

RESERVED = frozenset((*SCHEMA.names, *WINDOW_SCHEMA.names, *ARRAYS, "classes"))
"""Names that the columns carried over from a CSV must not have."""


def with_carried(schema: pa.Schema, carried: Sequence[str]) -> pa.Schema:
    """Return a schema with text columns appended for the columns carried over from a CSV."""
    return pa.schema([*schema, *((name, pa.string()) for name in carried)])


def to_batch(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as a batch of columns. A missing value is null."""
    if not rows:
        return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)
    values = np.stack([np.concatenate([row.expression, (row.valence, row.arousal), row.embedding]) for row in rows])
    columns = dict(zip(VALUES, values.astype(np.float32).T, strict=True))
    columns |= dict(zip(BOX, _numbers([row.box for row in rows], 4), strict=True))
    columns |= dict(zip(LANDMARKS, _numbers([row.landmarks for row in rows], 10), strict=True))
    (columns["detection_score"],) = _numbers([row.score for row in rows], 1)
    columns |= {name: [getattr(row, name) for row in rows] for name in (*_INTEGERS, "seconds")}
    columns["path"] = [row.source for row in rows]
    columns["expression"] = [row.top_class for row in rows]
    columns["problem"] = [row.problem or None for row in rows]
    for name in schema.names[len(SCHEMA) :]:
        columns[name] = [row.carried.get(name) for row in rows]
    return _batch(columns, schema)


def to_window_batch(
    windows: Sequence[Window], path: str, carried: Mapping[str, str], schema: pa.Schema
) -> pa.RecordBatch:
    """Return the windows of one video as a batch of columns."""
    values = np.stack([window.statistics.ravel() for window in windows])
    columns = dict(zip(WINDOW_SCHEMA.names[-values.shape[1] :], values.T, strict=True))
    names = ("begin_seconds", "end_seconds", "track", "frames", "faces")
    columns |= {name: [getattr(window, name) for window in windows] for name in names}
    columns["face_share"] = [window.share for window in windows]
    columns |= {name: [text] * len(windows) for name, text in {"path": path, **carried}.items()}
    return _batch(columns, schema)


def _batch(columns: Mapping[str, Sequence], schema: pa.Schema) -> pa.RecordBatch:
    nulls = [None] * len(columns["path"])
    arrays = [_column(columns.get(field.name, nulls), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return values as a column in which None and NaN are null.

    `pyarrow.array` does the same, but it imports pandas wherever that is installed, which takes 0.25 seconds and 45 MB.
    pyarrow 25's `to_pandas_dtype` imports it too.
    """
    content: tuple[Any, ...]
    if pa.types.is_floating(kind):
        numbers = np.ascontiguousarray(values, f"f{kind.byte_width}")
        missing, content = np.isnan(numbers), (numbers,)
    elif pa.types.is_integer(kind):
        missing = np.array([value is None for value in values])
        content = (np.array([value or 0 for value in values], f"i{kind.byte_width}"),)
    else:
        missing, texts = np.array([text is None for text in values]), [(text or "").encode() for text in values]
        content = (np.cumsum([0, *map(len, texts)], dtype=np.int32), b"".join(texts))
    valid = np.packbits(~missing, bitorder="little")
    return pa.Array.from_buffers(kind, len(missing), [pa.py_buffer(part) for part in (valid, *content)])


def writer(path: Path) -> Callable[[Path, pa.Schema, Iterable[pa.RecordBatch]], None]:
    """Return the function that writes batches to a file with this suffix. Raises UsageError for an unknown suffix."""
    if path.suffix.lower() not in WRITERS:
        raise UsageError(f"The suffix of a table must be one of {', '.join(WRITERS)}. Received: {path}.")
    return WRITERS[path.suffix.lower()]


def _write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write in groups of many rows, because every group and column slows reading.

    Only texts have a dictionary of their values: without it, files of numbers are a fifth smaller.
    """
    texts = [column.name for column in schema if pa.types.is_string(column.type)]
    with parquet.ParquetWriter(path, schema, use_dictionary=texts) as file:
        group: list[pa.RecordBatch] = []
        for batch in batches:
            group.append(batch)
            if sum(part.num_rows for part in group) >= ROW_GROUP:
                file.write_table(pa.Table.from_batches(group, schema))
                group = []
        file.write_table(pa.Table.from_batches(group, schema))


def _write_csv(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with csv.CSVWriter(path, schema, write_options=csv.WriteOptions(quoting_style="needed")) as file:
        for batch in batches:
            file.write_batch(batch)


def _write_npz(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write one array after the other. The batches are first stored on disk, because every array reads all of them."""
    spool = path.with_suffix(".arrow")
    with pa.OSFile(str(spool), "wb") as file, pa.ipc.new_file(file, schema) as stream:
        stream.write_batch(to_batch([], schema))  # a table without rows has columns too
        for batch in batches:
            stream.write_batch(batch)
    with pa.memory_map(str(spool)) as file:
        stream = pa.ipc.open_file(file)
        _write_arrays(path, schema, [stream.get_batch(number) for number in range(stream.num_record_batches)])
    spool.unlink()


def _write_arrays(path: Path, schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> None:
    count = sum(batch.num_rows for batch in batches)
    grouped = {column: name for name, columns in ARRAYS.items() for column in columns}
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name in dict.fromkeys(grouped.get(column, column) for column in schema.names):
            columns = [column for column in ARRAYS.get(name, (name,)) if column in schema.names]
            _write_array(archive, name, count, partial(map, partial(_array, columns), batches))
        _write_array(archive, "classes", len(CLASSES), lambda: [np.array(CLASSES)])


def _write_array(archive: zipfile.ZipFile, name: str, count: int, chunks: Callable[[], Iterable[np.ndarray]]) -> None:
    """Write one array chunk by chunk. A text array is as wide as its longest text."""
    dtype, shape = np.dtype("<U1"), ()
    for chunk in chunks():
        dtype, shape = max(dtype, chunk.dtype) if chunk.dtype.kind == "U" else chunk.dtype, chunk.shape[1:]
        if dtype.kind != "U":
            break
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_2_0(file, header)
        for chunk in chunks():
            file.write(np.ascontiguousarray(chunk, dtype).tobytes())


def _array(columns: Sequence[str], batch: pa.RecordBatch) -> np.ndarray:
    """Return columns of a batch as one array. A missing value is "" in text, -1 in integers and NaN in floats."""
    first = batch.schema.field(columns[0])
    arrays = [batch.column(name) for name in columns]
    if pa.types.is_string(first.type):
        return np.array([text or "" for text in arrays[0].to_pylist()], dtype=np.str_)
    if pa.types.is_integer(first.type):
        return arrays[0].fill_null(-1).to_numpy()
    numbers = np.stack([array.to_numpy(zero_copy_only=False) for array in arrays], axis=1)
    if columns == list(LANDMARKS):
        return numbers.reshape(-1, 5, 2)
    return numbers if len(columns) > 1 else numbers[:, 0]


WRITERS = {".parquet": _write_parquet, ".csv": _write_csv, ".npz": _write_npz}


def _numbers(values: Sequence[Any], width: int) -> np.ndarray:
    """Return the columns (width, n) of n tuples; NaN for a tuple that is None."""
    missing = np.full(width, np.nan, np.float32)
    return np.stack([missing if value is None else np.ravel(value).astype(np.float32) for value in values]).T
