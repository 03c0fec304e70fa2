"""The first sheet of an Excel workbook, as the text that a CSV of it would have."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from tfaffect.errors import UsageError, missing_extra
from tfaffect.files import remote
from tfaffect.files.paths import printable

SUFFIXES = (".xlsx", ".xlsm")
OLDER = (".xls", ".xlsb", ".ods", ".numbers")
"""Workbooks that cannot be read. The error names what to do."""

MOST_ROWS = 1 << 20
"""Rows that a sheet can have in Excel. A damaged row number could make more, all empty."""
MAX_BYTES = 1 << 30
"""Limit of the texts in a workbook after unpacking, because they are kept in memory. Rows are not."""
BLOCK = 1000
"""Rows that are read at once."""


def read_rows(path: Path, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number, from 1, and the cells of each row. Rows may have different lengths.

    A note is added before the first row if the workbook has several sheets. Raises UsageError for a file that is no
    workbook, for a formula without a value, and without the package openpyxl.
    """
    if remote.suffix(path) in OLDER:
        raise UsageError(f"{printable(path)} is a workbook that cannot be read. Save it as .xlsx or .csv.")
    values = None  # the same rows with the values of formulas, from the first formula on
    for number, cells in _first_sheet(path, notes, data_only=False):
        formulas = [cell.data_type == "f" for cell in cells]
        if values is None and any(formulas):
            values = islice(_first_sheet(path, [], data_only=True), number - 1, None)
        stored = next(values)[1] if values else cells
        for source, cell, formula in zip(cells, stored, formulas, strict=True):
            if formula and cell.value is None:
                raise UsageError(
                    f"Cell {source.coordinate} of {printable(path)} has a formula without a value: {source.value}. "
                    "Open the file in Excel or LibreOffice, and save it."
                )
        yield number, [as_text(cell.value) for cell in stored]


def as_text(value: object) -> str:
    """Return a cell's value as a CSV has it. Dates and times are ISO 8601, for example 2026-11-30 10:15:00."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time.min else value)
    if isinstance(value, timedelta):
        minutes, seconds = divmod(abs(round(value.total_seconds())), 60)
        return f"{'-' * (value < timedelta())}{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _open(path: Path, data_only: bool) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise UsageError(f"{printable(path)} needs {missing_extra('openpyxl')} Or save it as .csv.") from error
    try:
        file: Any = remote.open_file(path) if remote.address(path) else path
        with ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist() if "sheets/" not in part.filename)
        if size > MAX_BYTES:
            raise UsageError(
                f"{printable(path)} has {size:,} bytes of texts. Expected at most {MAX_BYTES:,}. Save it as .csv."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and other parts that are not read
            return openpyxl.load_workbook(file, read_only=True, data_only=data_only)
    except BadZipFile as error:
        raise UsageError(f"{printable(path)} is not an Excel workbook, is damaged, or has a password.") from error
    except UsageError:
        raise
    except Exception as error:  # openpyxl passes on whatever a damaged part raises
        raise UsageError(f"{printable(path)} cannot be read as an Excel workbook: {error!r}.") from error


def _first_sheet(path: Path, notes: list[str], data_only: bool) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the number and the cells of each row of the first sheet: with formulas, or with their stored values."""
    book = _open(path, data_only)
    if not book.worksheets:
        raise UsageError(f"{printable(path)} has no sheet with cells.")
    if len(names := [sheet.title for sheet in book.worksheets]) > 1:
        notes.append(f"only the first of {len(names)} sheets is read: {names[0]!r}")
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # some programs write wrong ones
    rows = enumerate(sheet.iter_rows(), start=1)
    while block := _next_block(path, rows):
        if block[-1][0] > MOST_ROWS:
            raise UsageError(f"{printable(path)} has more than {MOST_ROWS:,} rows. Save it as .csv.")
        yield from block
    book.close()


def _next_block(path: Path, rows: Iterator[Any]) -> list[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a date outside Excel's calendar becomes the text #VALUE!
            return list(islice(rows, BLOCK))
    except Exception as error:
        raise UsageError(f"{printable(path)} cannot be read as an Excel workbook: {error!r}.") from error
