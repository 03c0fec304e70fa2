"""A user's own table of labels: its columns under their usual names, and its cells as labels."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files.separated import bare
from tfaffect.files.tables import PATH, Table, open_table
from tfaffect.labels import AFFECT, CLASS_OF_WORD, CLASSES, SPLITS
from tfrecords_builders.attributes import one_spelling
from tfrecords_builders.base import Box, Note
from tfrecords_builders.class_codes import MISSING, NO_CLASS, CodeError, check_codes, word_of_code

__all__ = ["BOX", "CLASS", "COLUMNS", "MISSING", "NO_CLASS", "Cells", "LabelTable", "named_columns", "open_labels"]

CLASS = ("class", "label", "emotion", "expression")
"""The column with the class, and the names that stand for it where it is missing."""

BOX = ("left", "top", "right", "bottom")
CORNER_AND_SIZE = ("x", "y", "w", "h")
"""The columns of a box in a table without those of `BOX`: left, top, width and height."""

COLUMNS = ("path", "class", *AFFECT, "group", "split", *BOX, "sex", "age", "ethnicity", "tags")

SIZED_BOX = Note("columns x, y, w, h are read as the box: left, top, width and height in pixels")

_PERSON = re.compile(r"(?<![a-z])(subject|person|participant|proband|patient|speaker|actor)s?(id)?(?![a-z])|^id$")
"""Names of columns that say who is shown, in lower case: subject, person_id, actor 1 ..."""


@dataclass(frozen=True)
class Cells:
    """One row of the table, with its place for errors.

    row: cells by column, in lower case. codes: class words in the order of their codes, from 0. has_size: whether the
    box has the columns of `CORNER_AND_SIZE`.
    """

    table: Table
    line: int
    row: dict[str, str]
    codes: Sequence[str] = ()
    has_size: bool = False

    def text(self, name: str) -> str:
        """Return a cell, or an empty text when it means "missing". Sex and age have one spelling."""
        cell = self.row.get(name, "")
        return "" if cell.lower() in MISSING else one_spelling(name, cell)

    def number(self, name: str) -> float | None:
        """Return the number in a cell, or None when it is empty."""
        value = self.table.number(self.text(name))
        if value is None and self.text(name):
            raise self.error(name, "a number")
        return value

    def split(self) -> str | None:
        """Return the split, or None when the cell is empty."""
        word = self.text("split").lower()
        if word and word not in SPLITS:
            raise self.error("split", f"one of {', '.join(SPLITS)}")
        return word or None

    def expression(self) -> str | None:
        """Return the class that a word or a code names, or None for an empty cell and a code without a class."""
        word = self.text("class").lower()
        if not word or word in CLASS_OF_WORD:
            return CLASS_OF_WORD.get(word)
        code = self.table.number(word)
        if code is None:
            raise self.error("class", f"one of {', '.join(CLASSES)}")
        try:
            return CLASS_OF_WORD.get(word_of_code(code, self.codes).lower())
        except CodeError as error:
            raise self.error("class", str(error)) from None

    def box(self) -> Box | None:
        """Return the box, or None when all four cells are empty."""
        names = CORNER_AND_SIZE if self.has_size else BOX
        left, top, right, bottom = cells = [self.number(name) for name in names]
        if left is not None and top is not None and right is not None and bottom is not None:
            return (left, top, left + right, top + bottom) if self.has_size else (left, top, right, bottom)
        if any(value is not None for value in cells):
            raise self.error(names[cells.index(None)], "a number, because the other sides of the box are given")
        return None

    def error(self, name: str, expected: str) -> UsageError:
        """Return the error for a cell that cannot be used."""
        return UsageError(
            f"Row {self.line} of {self.table}: {name} must be {expected}. Received: {self.row.get(name, '')!r}."
        )


@dataclass
class LabelTable:
    """A table of labels whose rows are read one by one.

    columns: the names of its columns in lower case; those that stand for `path` and `class` have these names.
    notes: how the table was read, and what it lacks.
    """

    table: Table
    columns: list[str]
    codes: Sequence[str] = ()
    notes: list[Note] = field(default_factory=list)

    @property
    def has_size(self) -> bool:
        """Whether boxes have the columns x, y, w and h."""
        return set(CORNER_AND_SIZE) <= set(self.columns) and not set(BOX) & set(self.columns)

    def rows(self) -> Iterator[Cells]:
        """Yield the rows. A short row lacks its last columns. Raises UsageError for a row with too many cells."""
        for line, cells in self.table.rows:
            if len(cells) > len(self.columns):
                raise UsageError(
                    f"Row {line} of {self.table} has {len(cells)} cells, but there are {len(self.columns)} columns. "
                    "Put a cell that contains the separator into quotes."
                )
            row = dict(zip(self.columns, map(bare, cells), strict=False))
            yield Cells(self.table, line, row, self.codes, self.has_size)


def named_columns(table: Table, *synonyms: Sequence[str]) -> list[str]:
    """Return the names of a table's columns in small letters, with the first of each `synonyms` for any of them.

    Raises UsageError for a table without paths or with two columns of one name.
    """
    table.names = list(map(bare, table.names))
    columns = [name.lower() for name in table.names]
    for names in synonyms:
        if (place := table.find(*names)) is not None:
            columns[place] = names[0]
    if "path" not in columns:
        raise UsageError(f"{table} lacks the columns ['path']. Received: {table.names}.")
    if repeated := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise UsageError(f"{table} has several columns with the same name: {repeated}.")
    return columns


def open_labels(path: Path, codes: Sequence[str] = ()) -> LabelTable:
    """Return the table of labels in a file.

    codes: class words in the order of their codes, from 0; `none` for a code that means no class. Raises UsageError for
    a table without paths, with two columns of one name, or with class words in a column that is not read.
    """
    check_codes(codes)
    table = open_table(path, (*COLUMNS, *PATH, *CLASS))
    columns = named_columns(table, PATH, CLASS)
    labels = LabelTable(table, columns, codes, [Note(note) for note in table.notes])
    read = (*COLUMNS, *CORNER_AND_SIZE) if labels.has_size else COLUMNS
    labels.notes += [SIZED_BOX] if labels.has_size else []
    labels.notes += [Note(f"column not read: {name}") for name in sorted(set(columns) - set(read))]
    if not {"class", *AFFECT} & set(columns):
        labels.notes.append(_unlabelled(path, table, columns))
    if "group" not in columns:
        labels.notes.append(_ungrouped(columns))
    return labels


def _ungrouped(columns: list[str]) -> Note:
    """The note for a table without groups. It names the column that is most likely the group."""
    likely = [name for name in columns if name not in COLUMNS and _PERSON.search(name)]
    likely.sort(key=lambda name: name == "id")  # `id` may also number the rows
    hint = f"; is column {likely[0]!r} the group?" if likely else ""
    return Note(f"no column group: a picture is a group, so the same person may be in several splits{hint}")


def _unlabelled(path: Path, table: Table, columns: list[str]) -> Note:
    """The note for a table without labels. Raises UsageError if a column that is not read has class words."""
    words = {name for name in columns if name not in COLUMNS}
    found = set[str]()
    for _, cells in open_table(path, (*COLUMNS, *PATH, *CLASS)).rows:
        row = {name: bare(cell).lower() for name, cell in zip(columns, cells, strict=False)}
        known = {name: row[name] for name in words & set(row) if row[name] not in MISSING}
        found |= {name for name, cell in known.items() if cell in CLASS_OF_WORD}
        words -= {name for name, cell in known.items() if cell not in CLASS_OF_WORD}
    if likely := sorted(words & found):
        raise UsageError(
            f"{table} has no column class, valence or arousal. Column {likely[0]!r} has class words: name it 'class', "
            "or remove it to build faces without labels."
        )
    likely = [name for name in columns if name not in COLUMNS and any(word in name for word in CLASS)]
    hint = f"; is column {likely[0]!r} the class?" if likely else ""
    return Note(f"table without class, valence and arousal: faces have no labels{hint}")
