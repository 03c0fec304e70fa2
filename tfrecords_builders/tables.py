"""Label tables as corpora ship them: common separators, with or without BOM, CRLF, header blanks and quotes."""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfaffect.errors import UsageError

SEPARATORS = (",", ";", "\t", "|")


def rows(path: Path, required: Sequence[str] = (), header: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column name, with blanks and quotes around names and cells removed.

    The separator is found from the first line. `header` names the columns of a table that may lack a header line: when
    the first line has none of these names, it is data. A short row lacks its last columns.
    Raises UsageError for a table without a `required` column, and for a file that is not text.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            first = file.readline()
            separator = _separator(first, header)
            names = [_strip(cell) for cell in next(csv.reader([first], delimiter=separator), [])]
            if header and not set(names) & set(header):
                file.seek(0)
                names = list(header)
            if missing := set(required) - set(names):
                raise UsageError(f"{path} lacks the columns {sorted(missing)}. Received: {names}.")
            for row in csv.reader(file, delimiter=separator):
                if any(cell.strip() for cell in row):
                    yield dict(zip(names, map(_strip, row), strict=False))
    except csv.Error as error:
        raise UsageError(f"{path} cannot be read as a table: {error}") from error


def number(text: str | None) -> float | None:
    """Return the number in a cell, or None for an empty cell, a text, NaN or an infinity."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _separator(line: str, header: Sequence[str]) -> str:
    """The separator that gives most names of the header, then as many cells as the header has, then most cells."""

    def fit(separator: str) -> tuple[int, bool, int]:
        cells = line.split(separator)
        return len(set(map(_strip, cells)) & set(header)), len(cells) == len(header), len(cells)

    return max(SEPARATORS, key=fit)


def _strip(cell: str) -> str:
    return cell.strip().strip("'\"").strip()
