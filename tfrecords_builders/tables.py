"""Label tables as corpora ship them, or as people saved them again in a spreadsheet."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files.separated import bare
from tfaffect.files.tables import open_table, to_number, with_point

log = logging.getLogger(__name__)


def rows(path: Path, required: Sequence[str] = (), header: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column name, with blanks and quotes around names and cells removed.

    Names of `required` and `header` are found in any case of letters, and are keys as they are written there. `header`
    names the columns of a table that may lack a header line: when the first line has none of these names, it is data.
    A short row lacks its last columns. Numbers with a decimal comma beside semicolons get a point.
    Raises UsageError for a table without a `required` column, and for a file that cannot be read.
    """
    table = open_table(path, required, header)
    asked = {name.lower(): name for name in (*header, *required)}
    names = [asked.get(name.lower(), name) for name in map(bare, table.names)]
    if missing := set(required) - set(names):
        raise UsageError(f"{path} lacks the columns {sorted(missing)}. Received: {names}.")
    for note in table.notes:
        log.warning("%s: %s.", table, note)
    for _, cells in table.rows:
        texts = map(bare, cells)
        yield dict(zip(names, map(with_point, texts) if table.decimal_comma else texts, strict=False))


def number(text: str | None) -> float | None:
    """Return the number in a cell, or None for an empty cell, a text, NaN or an infinity."""
    return to_number(text or "")
