"""Makes one sorted table of a folder that several jobs filled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tfaffect.errors import UsageError
from tfaffect.features import tables
from tfaffect.features.cluster.folder import COLUMNS, ROWS, WINDOW_COLUMNS, WINDOWS, Folder, write_batches
from tfaffect.features.cluster.report import read_report
from tfaffect.features.cluster.stores import check_place, store_of
from tfaffect.features.cluster.units import Unit
from tfaffect.features.dictionary import copy_dictionary, dictionary_of
from tfaffect.features.job import Counts
from tfaffect.files import atomic, buckets, remote

BATCH_ROWS = 4096
"""Rows in memory at once: 5 MB, or 22 MB of windows."""

SHOWN = 5
"""Incomplete units that an error names."""


def merge(path: Path, out: Path, overwrite: bool) -> Counts:
    """Write the rows of a folder as one table, in the order of the sources, and its windows beside it.

    Memory does not depend on the number of rows. Raises UsageError for a folder that is not complete or has rows of
    different jobs, and for files that exist, unless `overwrite` is set.
    """
    for place in (path, out):
        check_place(place)
    folder, store = Folder(path), store_of(out)
    facts, units = folder.read_facts(), folder.read_units()
    if facts is None or units is None:
        raise UsageError(f"{folder} is no output folder of jobs with --shard or --beam-runner.")
    kinds = {out: (ROWS, COLUMNS)}
    if facts["window_seconds"] is not None:
        kinds[out.with_suffix(f".windows{out.suffix}")] = (WINDOWS, WINDOW_COLUMNS)
    _check_outputs([*kinds, *map(dictionary_of, kinds)], out, overwrite)
    _check_complete(folder, units)
    with folder.store.open(folder.table(ROWS, units[0])) as file:
        schema = parquet.read_schema(file)
    schemas = {ROWS: schema, WINDOWS: tables.with_carried(tables.WINDOW_SCHEMA, schema.names[len(tables.SCHEMA) :])}
    for table, (kind, dictionary) in kinds.items():
        with store.write(table) as partial:
            write_batches(partial, schemas[kind], _batches(folder, kind, units, facts))
        with store.write(dictionary_of(table)) as partial:
            copy_dictionary(folder.read_json(dictionary), partial.with_name(table.name))
    return read_report(folder, units)


def _batches(folder: Folder, kind: str, units: Sequence[Unit], facts: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """Yield rows or windows. Two jobs with different options that start together on a file system without locks mix."""
    names = folder.names(kind)  # units without videos have no windows
    for path in (path for unit in units if (path := folder.table(kind, unit)).name in names):
        with folder.store.open(path) as content, parquet.ParquetFile(content, pre_buffer=False) as file:
            metadata = (file.metadata.metadata or {}).get(b"tfaffect")
            if kind == ROWS and (metadata is None or json.loads(metadata) != facts):
                shown = remote.address(path) or path
                raise UsageError(f"{shown} was written with other options than {COLUMNS} names. Remove it and resume.")
            yield from file.iter_batches(BATCH_ROWS, use_threads=False)  # see `read_batches`


def _check_outputs(paths: Sequence[Path], out: Path, overwrite: bool) -> None:
    tables.writer(out)
    for path in paths:
        shown = remote.address(path) or path
        try:
            if store_of(path).exists(path) and not overwrite:
                raise UsageError(f"{shown} exists already. Name another file, or replace it with --overwrite.")
            (buckets if remote.address(path) else atomic).check_writable(path)
        except OSError as error:
            raise UsageError(f"{shown} cannot be written: {error.strerror}. Name another file.") from error


def _check_complete(folder: Folder, units: Sequence[Unit]) -> None:
    complete = set(folder.complete(units))
    if len(complete) == len(units):
        return
    lacking = [unit for unit in units if unit not in complete]
    named = ", ".join(f"{unit.first + 1}-{unit.last + 1}" for unit in lacking[:SHOWN])
    more = f" and {len(lacking) - SHOWN:,} more groups" if len(lacking) > SHOWN else ""
    raise UsageError(
        f"{folder} is not complete: it lacks the rows of the sources {named}{more}. "
        "Run the same jobs again with --resume."
    )
