"""Sources that a table or a list of paths names."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.source import Search, Source
from tfaffect.files import remote
from tfaffect.files.paths import existing, printable
from tfaffect.files.separated import read_lines
from tfaffect.files.tables import PATH, Table, open_table

VIDEO = "video"
"""The column with the paths where no other one is: so the table of `tfaffect build videos` can be embedded too."""

SHOWN = 10
"""Names of columns that an error shows."""

log = logging.getLogger(__name__)
"""Says how a table was read. Python writes warnings to standard error, unless a program sets up its own logging."""


def read_listed(path: Path, search: Search) -> Iterator[Source]:
    """Yield the sources of a table with a column of paths, or of a `.txt` that is a list of paths.

    Paths are relative to the folder of the file. Raises UsageError for a table that cannot be used.
    """
    table = open_table(path, (*PATH, VIDEO, search.start_column, search.end_column))
    place = table.find(*PATH)
    place = table.find(PATH[0], VIDEO) if place is None else place
    if place is None and remote.suffix(path) == ".txt":
        yield from _read_list(path)
        return
    if place is None:
        raise UsageError(f"{table} has no column named path. Received: {_shown(table.names)}.")
    times = _check_header(table, place, search)
    _say(table, table.notes)
    names = [name for number, name in enumerate(table.names) if number != place]
    folder = path.parent
    for line, cells in table.rows:
        if len(cells) != len(table.names):
            raise UsageError(f"Line {line} of {table} has {len(cells)} cells, but the header has {len(table.names)}.")
        seconds = [None if time is None else _seconds(table, line, cells[time]) for time in times]
        if not (name := cells.pop(place)):
            raise UsageError(f"Line {line} of {table} has no path.")
        yield Source(_path(folder, name), name, dict(zip(names, cells, strict=True)), *seconds)


def _read_list(path: Path) -> Iterator[Source]:
    notes: list[str] = []
    for name in read_lines(path, notes):
        _say(printable(path), notes)
        notes.clear()
        yield Source(_path(path.parent, name), name)


def _path(folder: Path, name: str) -> Path:
    """Return the path of a listed file. Only files of this machine are found under other spellings of their names."""
    return remote.join(folder, name) if remote.address(name) or remote.address(folder) else existing(folder, name)


def _say(table: object, notes: Collection[str]) -> None:
    for note in notes:
        log.warning("%s: %s.", table, note)


def _check_header(table: Table, place: int, search: Search) -> Sequence[int | None]:
    """Return the places of the columns of times. Raises UsageError for a header that cannot be used."""
    header = table.names
    if "" in header:
        raise UsageError(f"{table} has a column without a name. Name it, or save with index=False in pandas.")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise UsageError(f"{table} has several columns with the same name: {repeated}.")
    if taken := sorted({name for number, name in enumerate(header) if number != place} & set(search.reserved)):
        raise UsageError(f"{table} has columns that the output has too: {taken}. Rename or remove them.")
    times = [table.find(name) if name else None for name in (search.start_column, search.end_column)]
    for name, found in zip((search.start_column, search.end_column), times, strict=True):
        if name and found is None:
            raise UsageError(f"{table} has no column named {name}. Received: {_shown(header)}.")
    return times


def _shown(header: Sequence[str]) -> str:
    rest = f", the first {SHOWN} of {len(header)} columns" if len(header) > SHOWN else ""
    return f"{list(header[:SHOWN])}{rest}"


def _seconds(table: Table, line: int, cell: str) -> float | None:
    """Return a time in seconds; None for an empty cell. Raises UsageError for anything else."""
    seconds = table.number(cell)
    if cell and (seconds is None or seconds < 0):
        raise UsageError(f"Line {line} of {table}: a time is a number of seconds. Received: {cell!r}.")
    return seconds
