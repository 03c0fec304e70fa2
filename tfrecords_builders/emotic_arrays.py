"""EMOTIC as Kaggle has it (magdawjcicka/emotic): tables of people, and arrays of their bodies.

`annots_arrs/annot_arrs_train.csv` and its like have a row a person: the picture's `Folder` and `Filename`, the names
of two arrays, 26 columns of 0 or 1, and the judgements. The layout is known from public code that reads it. There, an
array `Crop_name` is the body, squeezed into a square of 128 pixels. `Arr_name` is the picture, squeezed into 224
pixels, in which most faces are too small. So the body is read, and gets the sides of its box back. No pixel is left out
by this.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.media.faces import UnreadablePictureError, resize
from tfrecords_builders.base import OUTSIDE_RAW, Box, Skip
from tfrecords_builders.emotic_person import Person
from tfrecords_builders.raw_files import find, path_below
from tfrecords_builders.tables import number, rows

SPLIT_OF_TABLE = {
    "annot_arrs_train.csv": "train",
    "annot_arrs_extra_train.csv": "train",
    "annot_arrs_val.csv": "validation",
    "annot_arrs_test.csv": "test",
}
ARRAYS = "img_arrs"
REQUIRED = ("Filename", "Crop_name", "Valence", "Arousal")
BOX = ("X_min", "Y_min", "X_max", "Y_max")
OPTIONAL = ("Folder", *BOX, "Gender", "Age")
LONGEST_SIDE = 2_000  # pixels of a body with the sides of its box


@dataclass(frozen=True)
class BodyArray:
    """The body of a person, stored as an array. `height` and `width` are those with the sides of the box again."""

    file: Path
    height: int
    width: int

    def __call__(self) -> np.ndarray:
        """Return the body as RGB uint8 (height, width, 3). Raises OSError and UnreadablePictureError."""
        try:
            return resize(np.array(_array(self.file)), self.height, self.width)
        except (ValueError, EOFError) as error:
            raise UnreadablePictureError(f"{self.file} is no array of a picture: {error}") from error

    @property
    def box(self) -> Box:
        """The box of the complete body."""
        return 0.0, 0.0, float(self.width), float(self.height)


def find_tables(root: Path) -> list[Path]:
    """Return the tables below a folder, in the order of the splits."""
    return [table for name in SPLIT_OF_TABLE if (table := find(root, name))]


def people(tables: list[Path], arrays: Path, categories: set[str]) -> Iterator[Person | Skip]:
    """Yield the person of every row. Raises UsageError for a table without the columns of `categories` or others."""
    for table in tables:
        split = SPLIT_OF_TABLE[table.name.lower()]
        column_of = None
        for row in rows(table, REQUIRED, OPTIONAL):
            column_of = column_of or _columns(table, row, categories)
            yield _person(row, split, arrays, column_of)


def _person(row: Mapping[str, str], split: str, arrays: Path, column_of: Mapping[str, str]) -> Person | Skip:
    name = row.get("Crop_name", "")
    if not name:
        return Skip("row without an array of the body")
    if (file := path_below(arrays, name)) is None:
        return OUTSIDE_RAW
    if (body := _body(file, [number(row.get(side)) for side in BOX])) is None:
        return Skip("array of the body missing, or not a picture")
    chosen = [category for category, column in column_of.items() if (number(row.get(column)) or 0) >= 0.5]
    return Person(
        key=f"{split}/{file.relative_to(arrays).as_posix()}",
        group="/".join(filter(None, (row.get("Folder", ""), row.get("Filename", "")))) or name,
        image=body,
        split=split,
        box=body.box,
        categories=chosen,
        affect=[number(row.get("Valence")), number(row.get("Arousal"))],
        sex=row.get("Gender", ""),
        age=row.get("Age", ""),
    )


def _columns(table: Path, row: Mapping[str, str], categories: set[str]) -> dict[str, str]:
    """Category -> column. `Doubt/Confusion` may be short for `Doubt` or have another sign between its words."""
    known = {"".join(filter(str.isalpha, column.lower())): column for column in row}
    words = {name: (name.lower().replace("/", ""), name.lower().partition("/")[0]) for name in sorted(categories)}
    found = {name: known[word] for name, forms in words.items() for word in forms[::-1] if word in known}
    if missing := sorted(categories - set(found)):
        raise UsageError(f"{printable(table)} lacks the columns {missing}. Received: {sorted(row)}.")
    return found


def _body(file: Path, corners: list[float | None]) -> BodyArray | None:
    """The array with the sides of the box: one side as it is, the other longer. None for what is no picture."""
    try:
        height, width = _array(file).shape[:2]
    except (OSError, ValueError, EOFError):
        return None
    left, top, right, bottom = corners
    if left is not None and top is not None and right is not None and bottom is not None:
        across, down = right - max(left, 0), bottom - max(top, 0)
        if across > 0 and down > 0:
            scale = max(width / across, height / down)  # no side gets shorter
            width, height = round(across * scale), round(down * scale)
    return BodyArray(file, height, width) if max(height, width) <= LONGEST_SIDE else None


def _array(file: Path) -> np.ndarray:
    """The array in a file, RGB uint8, whose pixels are not read yet. Raises OSError, EOFError or ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers of Python 2
            array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (TypeError, SyntaxError, TokenError, OverflowError, MemoryError, RecursionError) as error:  # damaged header
        raise ValueError(str(error)) from error
    if not (isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3):
        raise ValueError("It must be uint8 of shape (height, width, 3).")
    if not array.size:
        raise ValueError("It has no pixel.")
    return array
