"""Your own pictures, labelled by a table or by the form in which they lie.

In a table, an empty cell means "not annotated". A row without any label is a face without labels. A wrong cell stops
the build, and the error names it, because you can correct it. Without a table, `folder_forms` reads what is there.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated

from tfaffect import cli
from tfaffect.errors import UsageError
from tfaffect.files.paths import existing
from tfaffect.files.tables import PATH, SUFFIXES, Table
from tfaffect.labels import CLASSES, SPLITS, SYNONYMS, Expression
from tfrecords_builders.base import OUTSIDE_RAW, Corpus, Face, Note, RawFolderError, Skip
from tfrecords_builders.folder_forms import forms
from tfrecords_builders.label_table import CLASS, Cells, open_labels
from tfrecords_builders.numbering import numbered
from tfrecords_builders.own_data import OwnData
from tfrecords_builders.raw_files import path_below

TABLE = "labels.csv"
NO_BOXES = Note("no boxes: the complete picture is the face; add --detect for photos")


def _words() -> str:
    lines = (f"{'':23}{', '.join((name, *SYNONYMS[name]))}" for name in CLASSES)
    return "\n".join(lines)


@dataclass(frozen=True)
class Folder(OwnData, Corpus):
    """Pictures in a folder, with one table of labels or without."""

    table: str = TABLE
    """File name of the table: .csv, .tsv, .txt or .xlsx."""
    classes: Annotated[list[str], cli.option("CLASS...")] = field(default_factory=list)
    """Classes in the order of their codes from 0, where labels are codes. Write none for a code without a class."""
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
The table may also be labels.tsv, .txt or .xlsx.
The columns may have any order. Only path is required; other cells may be empty:
    path               or {", ".join(PATH[1:])}
    class              or {", ".join(CLASS[1:])}; the words, in any
                       case of letters; numeric codes need --classes:
{_words()}
    valence, arousal   in [-1, 1], or see --affect-low and --affect-high
    group              what must stay in one split, for example the subject;
                       without it, every picture is a group
    split              {", ".join(SPLITS)}, for all rows or none;
                       without it, splits are drawn by group
    left, top, right, bottom   of the face, in pixels of the picture as stored:
                       before a phone's rotation, which is applied only to
                       pictures without a box. Or x, y, w, h: left, top, width,
                       height. Without them, see --detect
    sex, age, ethnicity, tags
Without a table, DIR may hold one of these:
    DIR/.../happy/         class folders: named after classes, by the words
                           above; numbers need --classes
    DIR/.../train/happy/   folders of splits around them, which may be named
                           train, val, valid, validation or test
    DIR/.../train-*.parquet    Hugging Face: pictures as bytes, and labels
    DIR/.../images/ labels/ data.yaml    YOLO: boxes and classes
    DIR/.../train/0.tar    WebDataset: .jpg or .png, and .cls with the class
"""
    expressions = {name: Expression[name.upper()] for name in CLASSES}

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the face of every row of the table, else of every picture of the form that the folder holds.

        Raises UsageError for a cell, or a code, that cannot be used.
        """
        found = forms.find(root)
        if (table := self._table(root)) is not None:
            yield from forms.not_read(found, "a table is there")
            yield from self._tables_beside(table)
            yield from self._faces_of_table(table)
        elif found and self.table == TABLE:
            for item in forms.faces(root, found, self.classes):
                yield replace(item, detect=self.detect and item.box is None) if isinstance(item, Face) else item
        else:
            others = ", nor any other form of labelled pictures" if self.table == TABLE else ""
            raise RawFolderError(self, root, f"{self.table} was not found{others}.")

    def _faces_of_table(self, path: Path) -> Iterator[Face | Skip | Note]:
        """Yield the face of every row, picture by picture."""
        table = open_labels(path, self.classes)
        faces, splits = [], Counter[str | None]()
        for cells in table.rows():
            splits[cells.split()] += 1
            face = self._face(cells)
            if isinstance(face, Skip):
                yield face
            else:
                faces.append(face)  # 0.8 kB; a row has 2
        _check_splits(table.table, splits)
        yield from table.notes
        yield from _lost_splits(splits, faces)
        if faces and not self.detect and all(face.box is None for face in faces):
            yield NO_BOXES
        faces.sort(key=_picture)
        yield from _not_found(path.parent, faces)
        for _, same in groupby(faces, key=_picture):
            yield from numbered(same)

    def _face(self, cells: Cells) -> Face | Skip:
        folder, name, box = cells.table.path.parent, cells.row.get("path", ""), cells.box()
        image = _image(folder, name)
        if image is None:
            return OUTSIDE_RAW if name else Skip("row without a path")
        path = image.relative_to(folder).as_posix()
        return Face(
            key=path,
            group=cells.text("group") or path,
            image=image,
            split=cells.split(),
            box=box,
            detect=self.detect and box is None,
            expression=cells.expression(),
            valence=self._affect(cells, "valence"),
            arousal=self._affect(cells, "arousal"),
            tags=tuple(filter(None, re.split(r"[,;\s]+", cells.text("tags")))),
            sex=cells.text("sex"),
            age=cells.text("age"),
            ethnicity=cells.text("ethnicity"),
        )

    def _table(self, root: Path) -> Path | None:
        """The only table below the raw folder, or None."""
        if self.affect_low >= self.affect_high:
            received = f"--affect-low {self.affect_low:g} --affect-high {self.affect_high:g}"
            raise UsageError(f"The lowest affect must be less than the highest. Received: {received}.")
        if (root / self.table).is_file():
            return root / self.table
        files = sorted(path for path in root.rglob("*") if path.name.lower() in (self.table.lower(), *self._usual()))
        found = [path for path in files if path.name.lower() == self.table.lower()] or files
        if len(found) > 1:
            raise UsageError(f"{root} must hold one {self.table}. Received: {', '.join(map(str, found))}.")
        return found[0] if found else None

    def _usual(self) -> list[str]:
        """The names of tables that are read without an option, or none where an option names the table."""
        return [Path(TABLE).with_suffix(suffix).name for suffix in SUFFIXES] if self.table == TABLE else []

    def _tables_beside(self, table: Path) -> Iterator[Note]:
        """Yield a note for every other table that would be read if this one were not there."""
        for path in sorted(table.parent.iterdir()):
            if path != table and path.name.lower() in self._usual() and path.is_file():
                yield Note(f"{path.name} is there too and is not read; choose it with --table {path.name}")

    def _affect(self, cells: Cells, name: str) -> float | None:
        value, low, high = cells.number(name), self.affect_low, self.affect_high
        if value is not None and not low <= value <= high:
            raise cells.error(name, f"in [{low:g}, {high:g}], or set the range with --affect-low and --affect-high")
        return None if value is None else (2 * value - low - high) / (high - low)


def _image(folder: Path, name: str) -> Path | None:
    """The picture that a row names below the folder of the table, or None for a path that leads out of it."""
    if (image := path_below(folder, name)) is None:
        return None
    # A file name may contain a backslash.
    as_written = "\\" in name and not os.path.isabs(name) and os.path.lexists(folder / name)
    return existing(folder, name if as_written else image.relative_to(folder).as_posix())


def _not_found(folder: Path, faces: Sequence[Face]) -> Iterator[Note]:
    """Yield a note that names the first missing pictures. The faces of a picture must be side by side."""
    missing = [name for name, _ in groupby(face.key for face in faces) if not os.path.isfile(folder / name)]
    if missing:
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        yield Note(f"pictures not found: {', '.join(missing[:3])}{more}")


def _picture(face: Face) -> str:
    return str(face.image)


def _check_splits(table: Table, splits: Counter[str | None]) -> None:
    given = splits.total() - splits[None]
    if 0 < given < splits.total():
        raise UsageError(
            f"{table} gives a split for {given} of {splits.total()} rows. Give it for all rows. Or give it for none: "
            "then splits are drawn by group."
        )


def _lost_splits(splits: Counter[str | None], faces: Sequence[Face]) -> Iterator[Note]:
    """Yield a note for every split that rows name, and none of them gave a face."""
    for split in sorted({*filter(None, splits)} - {face.split for face in faces}):
        yield Note(f"there is no {split} split: all rows that name it were skipped ({splits[split]:,})")
