"""Your own pictures, and a table that labels them.

An empty cell means "not annotated". A row without any label is a face without labels. A wrong cell stops the build, and
the error names it, because you can correct it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES, SPLITS, Expression
from tfrecords_builders.base import OUTSIDE_RAW, Box, Corpus, Face, Note, RawFolderError, Skip
from tfrecords_builders.raw_files import path_below
from tfrecords_builders.tables import number, rows

BOX = ("left", "top", "right", "bottom")
COLUMNS = ("path", "class", *AFFECT, "group", "split", *BOX, "sex", "age", "ethnicity", "tags")
MISSING = ("", "na", "n/a", "nan", "none", "null")


@dataclass(frozen=True)
class Folder(Corpus):
    """Pictures in a folder with one table of labels."""

    table: str = "labels.csv"
    """File name of the table."""
    affect_low: float = -1.0
    """Lowest valence and arousal of the table's scale; it becomes -1."""
    affect_high: float = 1.0
    """Highest valence and arousal of the table's scale; it becomes 1."""
    detect: bool = False
    """Detect the face in pictures without a box; otherwise the complete picture is the face."""

    labels = "your own labels: 8 classes, valence, arousal"
    licence = "that of your pictures"
    instructions = f"""
Put your pictures and one table into one folder. Its first row has the names of
the columns.
    DIR/labels.csv     path,class,valence,arousal,group
    DIR/...            the pictures; their paths start at the folder of the table
The columns may have any order. Only path is required; other cells may be empty:
    class              {", ".join(CLASSES[:4])},
                       {", ".join(CLASSES[4:])}
    valence, arousal   in [-1, 1], or see --affect-low and --affect-high
    group              what must stay in one split, for example the subject;
                       without it, every picture is a group
    split              {", ".join(SPLITS)}, for all rows or none;
                       without it, splits are drawn by group
    left, top, right, bottom   of the face, in pixels of the picture as stored:
                       before a phone's rotation, which is applied only to
                       pictures without a box. Without them, see --detect
    sex, age, ethnicity, tags
"""
    expressions = {name: Expression[name.upper()] for name in CLASSES}

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the face of every row, picture by picture. Raises UsageError for a cell that cannot be used."""
        table = self._table(root)
        faces, columns, splits = [], set[str](), Counter[bool]()
        for line, row in enumerate(rows(table, required=("path",)), start=2):  # row 1 names the columns
            cells = Cells(table, line, {name.lower(): cell for name, cell in row.items()})
            columns.update(cells.row)
            splits[bool(cells.text("split"))] += 1
            face = self._face(cells)
            if isinstance(face, Skip):
                yield face
            else:
                faces.append(face)  # 0.8 kB; a row has 2
        _check_splits(table, splits)
        yield from (Note(f"column not read: {name}") for name in sorted(columns - set(COLUMNS)))
        faces.sort(key=_picture)
        for _, same in groupby(faces, key=_picture):
            yield from _numbered(same)

    def _face(self, cells: "Cells") -> Face | Skip:
        box, name = cells.box(), cells.row.get("path", "")
        image = path_below(cells.table.parent, name)
        if image is None:
            return OUTSIDE_RAW if name else Skip("row without a path")
        path = image.relative_to(cells.table.parent).as_posix()
        return Face(
            key=path,
            group=cells.text("group") or path,
            image=image,
            split=cells.choice("split", SPLITS),
            box=box,
            detect=self.detect and box is None,
            expression=cells.choice("class", CLASSES),
            valence=self._affect(cells, "valence"),
            arousal=self._affect(cells, "arousal"),
            tags=tuple(filter(None, re.split(r"[,;\s]+", cells.text("tags")))),
            sex=cells.text("sex"),
            age=cells.text("age"),
            ethnicity=cells.text("ethnicity"),
        )

    def _table(self, root: Path) -> Path:
        if self.affect_low >= self.affect_high:
            received = f"--affect-low {self.affect_low:g} --affect-high {self.affect_high:g}"
            raise UsageError(f"The lowest affect must be less than the highest. Received: {received}.")
        if (root / self.table).is_file():
            return root / self.table
        found = sorted(path for path in root.rglob("*") if path.name.lower() == self.table.lower())
        if len(found) > 1:
            raise UsageError(f"{root} must hold one {self.table}. Received: {', '.join(map(str, found))}.")
        if not found:
            raise RawFolderError(self, root, f"{self.table} was not found.")
        return found[0]

    def _affect(self, cells: "Cells", name: str) -> float | None:
        value, low, high = cells.number(name), self.affect_low, self.affect_high
        if value is not None and not low <= value <= high:
            raise cells.error(name, f"in [{low:g}, {high:g}], or set the range with --affect-low and --affect-high")
        return None if value is None else (2 * value - low - high) / (high - low)


@dataclass(frozen=True)
class Cells:
    """One row of the table, with its place for errors."""

    table: Path
    line: int
    row: dict[str, str]

    def text(self, name: str) -> str:
        """Return a cell, or an empty text when it means "missing"."""
        cell = self.row.get(name, "")
        return "" if cell.lower() in MISSING else cell

    def number(self, name: str) -> float | None:
        """Return the number in a cell, or None when it is empty."""
        value = number(self.text(name))
        if value is None and self.text(name):
            raise self.error(name, "a number")
        return value

    def choice(self, name: str, known: tuple[str, ...]) -> str | None:
        """Return the known word in a cell, in upper or lower case, or None when it is empty."""
        word = self.text(name).lower()
        if word and word not in known:
            raise self.error(name, f"one of {', '.join(known)}")
        return word or None

    def box(self) -> Box | None:
        """Return the box, or None when all four cells are empty."""
        left, top, right, bottom = cells = [self.number(name) for name in BOX]
        if left is not None and top is not None and right is not None and bottom is not None:
            return left, top, right, bottom
        if any(value is not None for value in cells):
            raise self.error(BOX[cells.index(None)], "a number, because the other sides of the box are given")
        return None

    def error(self, name: str, expected: str) -> UsageError:
        """Return the error for a cell that cannot be used."""
        return UsageError(
            f"Row {self.line} of {self.table}: {name} must be {expected}. Received: {self.row.get(name, '')!r}."
        )


def _picture(face: Face) -> str:
    return str(face.image)


def _numbered(faces: Iterable[Face]) -> Iterator[Face | Skip]:
    """The faces of one picture, with a number in the keys of all but the first. Repeated boxes are skipped."""
    boxes = set()
    for face in faces:
        if face.box in boxes:
            yield Skip("picture and box listed before")
            continue
        boxes.add(face.box)
        yield face if len(boxes) == 1 else replace(face, key=f"{face.key}#{len(boxes)}")


def _check_splits(table: Path, splits: Counter[bool]) -> None:
    if splits[True] and splits[False]:
        raise UsageError(
            f"{table} gives a split for {splits[True]} of {splits.total()} rows. Give it for all rows. Or give it for "
            "none: then splits are drawn by group."
        )
