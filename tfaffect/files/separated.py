"""Tables in text files: their encoding, and what separates their cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files import remote
from tfaffect.files.encodings import CP1252, encoding_of
from tfaffect.files.paths import printable

SUFFIXES = (".csv", ".tsv", ".txt")
SEPARATORS = (",", ";", "\t", "|")

_NAMED_SEPARATOR = re.compile(r"sep=(.?)\s*\Z", re.IGNORECASE)  # a first line that Excel writes and reads

Rows = Iterator[tuple[int, list[str]]]
"""The number of the line, from 1, and the cells."""


def read_rows(path: Path, known: Collection[str], columns: int, notes: list[str]) -> tuple[str, Rows]:
    """Return the separator of a table, and its rows with the line of names, read one by one.

    The right separator gives most of the `known` names in the first line, in any case of letters. Between equals it is
    the one that gives `columns` cells, then the one that gives most cells. A file that is neither UTF-8 nor UTF-16 is
    read as cp1252, with a note. Raises UsageError for a file that cannot be read.
    """
    encoding = _encoding(path, notes)
    with remote.open_text(path, encoding, newline="") as file:
        first = file.readline()
        skipped = 0
        if named := _NAMED_SEPARATOR.match(first):
            first, skipped = file.readline(), 1
        while first and not first.strip():
            first = file.readline()
    if "\0" in first:
        raise UsageError(f"{printable(path)} is not a table: its first line has null characters.")
    order = SEPARATORS if remote.suffix(path) == ".csv" else ("\t", *SEPARATORS)
    if named and named[1] in SEPARATORS:
        separator = named[1]
    else:
        separator = _separator(first, order, {name.lower() for name in known}, columns)
    return separator, _read(path, encoding, separator, skipped)


def read_lines(path: Path, notes: list[str]) -> Iterator[str]:
    """Yield the lines of a list without blanks around them, and without quotes, which Windows adds to copied paths.

    Empty lines are left out. Encodings are as in `read_rows`.
    """
    encoding = _encoding(path, notes)
    with remote.open_text(path, encoding) as file:
        for line in map(str.strip, file):
            if name := line[1:-1].strip() if line[:1] == line[-1:] == '"' else line:
                yield name


def bare(cell: str) -> str:
    """Return a cell without blanks and quotes around it."""
    return cell.strip().strip("'\"").strip()


def _encoding(path: Path, notes: list[str]) -> str:
    try:
        encoding = encoding_of(path)
    except OSError as error:
        raise UsageError(f"{printable(path)} cannot be read: {error.strerror}.") from error
    if encoding == CP1252:
        notes.append("not UTF-8, so read as cp1252, the encoding of Windows: check letters with accents")
    return encoding


def _read(path: Path, encoding: str, separator: str, skipped: int) -> Rows:
    try:
        with remote.open_text(path, encoding, newline="") as file:
            for _ in range(skipped):
                file.readline()
            reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
            for cells in reader:
                yield reader.line_num + skipped, cells
    except (csv.Error, OSError) as error:
        raise UsageError(f"{printable(path)} cannot be read as a table: {error}.") from error


def _separator(line: str, order: Sequence[str], known: set[str], columns: int) -> str:
    def fit(separator: str) -> tuple[int, bool, int]:
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:  # a cell that is too long: reading the rows reports it
            cells = []
        return len({bare(cell).lower() for cell in cells} & known), len(cells) == columns, len(cells)

    return max(order, key=fit)
