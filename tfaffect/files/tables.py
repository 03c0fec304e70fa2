"""Tables as people keep them: CSV, TSV and Excel workbooks, as spreadsheets of any country write them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files import remote, separated, workbooks
from tfaffect.files.paths import printable
from tfaffect.files.separated import Rows, bare

SUFFIXES = (*separated.SUFFIXES, *workbooks.SUFFIXES)

PATH = ("path", "image", "img", "file", "filename", "pth")
"""The column with the paths of files, and the names that stand for it where it is missing."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")


@dataclass
class Table:
    """A table whose rows are read one by one.

    names: the columns, as the table writes them; columns without a name at the end are left out.
    rows: line number and cells of each row that is not empty. Blanks around cells are removed, and so are empty cells
        after the last column. A row may have fewer or more cells than there are columns.
    decimal_comma: whether numbers may have a comma as their decimal mark. Only semicolons between cells allow it.
    notes: what a user must know of how the file was read.
    """

    path: Path
    names: list[str]
    rows: Rows
    decimal_comma: bool = False
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return printable(self.path)

    def find(self, name: str, *others: str) -> int | None:
        """Return the place of the column `name` in any case of letters, else of the only column among `others`.

        Another column is taken with a note. Raises UsageError where several columns fit.
        """
        lower = [column.lower() for column in self.names]
        exact = [place for place, column in enumerate(self.names) if column == name]
        named = exact[:1] or [place for place, column in enumerate(lower) if column == name.lower()]
        places = named or [place for place, column in enumerate(lower) if column in others]
        if len(places) > 1:
            found = " and ".join(repr(self.names[place]) for place in places)
            raise UsageError(f"{self} has the columns {found}. Only one column may be {name}: rename it to {name!r}.")
        if places and not named:
            self.notes.append(f"column {self.names[places[0]]!r} is read as {name}")
        return places[0] if places else None

    def number(self, cell: str) -> float | None:
        """Return the number in a cell, or None for an empty cell, a text, NaN or an infinity."""
        return to_number(with_point(cell) if self.decimal_comma else cell)


def open_table(path: Path, known: Collection[str] = (), header: Sequence[str] = ()) -> Table:
    """Return the table in a file. Its suffix tells workbooks from text.

    known: names of columns, by which the separator of a text is found.
    header: the columns of a table that may lack a line of names. When the first line has none of them, it is a row.
    Raises UsageError for a file that cannot be read, here or while its rows are read.
    """
    notes: list[str] = []
    workbook = remote.suffix(path) in (*workbooks.SUFFIXES, *workbooks.OLDER)
    if workbook:
        separator, rows = "", workbooks.read_rows(path, notes)
    else:
        separator, rows = separated.read_rows(path, (*header, *known), len(header), notes)
    line, names = next(((line, cells) for line, row in rows if (cells := _trimmed(row))), (0, []))
    if header and not {bare(name).lower() for name in names} & {name.lower() for name in header}:
        names, rows = list(header), chain([(line, names)], rows)
    return Table(path, names, _clean(rows, len(names), workbook), separator == ";", notes)


def to_number(cell: str) -> float | None:
    """Return a number with a decimal point, or None for an empty cell, a text, NaN or an infinity."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def with_point(cell: str) -> str:
    """Return a number with a decimal comma as one with a point, and anything else unchanged."""
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _trimmed(row: list[str], columns: int = 0) -> list[str]:
    """The cells without blanks around them, and without empty cells after the first `columns`."""
    cells = [cell.strip() for cell in row]
    while len(cells) > columns and not cells[-1]:
        cells.pop()
    return cells


def _clean(rows: Rows, columns: int, workbook: bool) -> Rows:
    """The rows that are not empty. A workbook does not store empty cells at the end of a row, so they are added."""
    for line, row in rows:
        if any(cells := _trimmed(row, columns)):
            yield line, cells + [""] * (columns - len(cells)) if workbook else cells
