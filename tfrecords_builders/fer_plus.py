"""FER+: the faces of FER2013, each with the votes of ten people.

Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution, ICMI 2016. The label is the distribution of the votes over the eight classes; the votes for "unknown" and
"not a face" (NF) only decide whether a face is kept. Two protocols are in use, and a record has the tags of those that
hold the face:

- `plurality`: of all ten columns, one of the eight classes has the most votes (the first in the order of the table when
  tied). Every record passes it.
- `strict`: single votes are set to 0, and then one of the eight classes has more than half of the remaining votes.
  Microsoft's training code calls this "majority".

The tag `tied` means that two classes share the most votes. Scores take the first in vocabulary order; the table's own
order would take another for 6 of the 3,553 validation faces. Two vote tables of the corpus differ on about 1,600 faces:
where both are present, fer2013new.csv is read and label.csv is not.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from tfaffect.labels import Expression
from tfrecords_builders.base import Corpus, Face, Image, Note, RawFolderError, Skip
from tfrecords_builders.raw_files import find
from tfrecords_builders.tables import rows

SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FOLDER_OF_USAGE = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
SIDE = 48


@dataclass(frozen=True)
class Pixels:
    """A face whose pixels are in the annotation file itself."""

    grey: bytes

    def __call__(self) -> np.ndarray:
        """Return the face as RGB uint8 (48, 48, 3)."""
        return cv2.cvtColor(np.frombuffer(self.grey, np.uint8).reshape(SIDE, SIDE), cv2.COLOR_GRAY2RGB)


@dataclass(frozen=True)
class Row:
    """One face of any layout. `picture` is a text of grey values, or a file."""

    key: str
    usage: str
    name: str
    votes: list[str]
    picture: str | Path


class FerPlus(Corpus):
    """The corpus, from fer2013.csv and fer2013new.csv, or from the folders that Microsoft's script writes."""

    version = "1.1.0"  # adds the framing of faces; otherwise the records are those of 1.0.0
    labels = "8 classes (ten votes a face)"
    homepage = "https://github.com/microsoft/FERPlus"
    citation = "Barsoum et al., ICMI 2016, arXiv:1608.01041; faces: Goodfellow et al., ICONIP 2013, arXiv:1307.0414"
    licence = "labels MIT; faces under the terms of the Kaggle challenge of 2013"
    instructions = """
Votes: git clone https://github.com/microsoft/FERPlus
Faces: https://www.kaggle.com/c/challenges-in-representation-learning-a-facial-expression-recognition-challenge/data
Put both below one folder, as
    DIR/.../fer2013new.csv     votes, in the row order of the faces
    DIR/.../fer2013.csv        faces (or icml_face_data.csv)
or, as generate_training_data.py of the first repository writes them,
    DIR/.../FER2013Train/      label.csv and fer0000000.png ...
    DIR/.../FER2013Valid/
    DIR/.../FER2013Test/
"""
    # Its crops are tighter than ours. The side of the detector's box is 0.89 of theirs where the detector sees only the
    # crop (median of 490 faces), and 1.10 where the border is extended, because chins and foreheads are cut off.
    crop_margin = 0.0
    raters = 10
    expressions = {name: Expression[name.upper()] for name in VOTES[:8]}
    published = {"train": 28_389, "validation": 3_553, "test": 3_546}  # by plurality, of fer2013new.csv

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the faces of every row with a name, a picture and a plurality for one of the eight classes."""
        names = set()
        for row in self._rows(root):
            if not row.name.strip():
                yield Skip("no image name (all of these have ten votes for NF)", intended=True)
            elif (votes := _votes(row.votes)) is None:
                yield Skip("votes are not ten numbers")
            elif (grey := grey_picture(row.picture)) is None:
                yield Skip("picture missing or not 48 x 48 grey values")
            elif votes.argmax() >= len(self.expressions):
                yield Skip("most votes are for unknown or NF", intended=True)
            else:
                if (row.usage, row.name) in names:
                    yield Note("image name listed before")
                if votes.sum() != 10:
                    yield Note(f"votes sum to {votes.sum():g}")
                names.add((row.usage, row.name))
                yield self._face(row, votes, grey)

    def _face(self, row: Row, votes: np.ndarray, grey: bytes) -> Face:
        image: Image = row.picture if isinstance(row.picture, Path) else Pixels(grey)
        return Face(
            key=row.key,
            group=blake2b(grey, digest_size=12).hexdigest(),
            image=image,
            split=SPLIT_OF_USAGE[row.usage],
            expression=dict(zip(VOTES[:8], votes[:8].tolist(), strict=True)),
            tags=_protocols(votes),
        )

    def _rows(self, root: Path) -> Iterator[Row]:
        votes = find(root, "fer2013new.csv")
        pixels = find(root, "fer2013.csv", "icml_face_data.csv")
        folders = {usage: find(root, name) for usage, name in FOLDER_OF_USAGE.items()}
        if votes and pixels:
            return self._rows_of_tables(root, votes, pixels)
        if votes and all(folder is None or not any(folder.glob("*.png")) for folder in folders.values()):
            raise RawFolderError(self, root, f"{votes} has the votes, but there is neither fer2013.csv nor a picture.")
        if votes:
            return _rows_of_pictures(votes, folders)
        if any(folder and (folder / "label.csv").exists() for folder in folders.values()):
            return _rows_of_label_files(folders)
        raise RawFolderError(self, root, "Neither fer2013new.csv nor a FER2013Train/label.csv was found.")

    def _rows_of_tables(self, root: Path, votes: Path, pixels: Path) -> Iterator[Row]:
        """Join the two tables by row order. The image names cannot do this, because they leave out numbers."""
        tables = rows(votes, ("Usage", "Image name", *VOTES)), rows(pixels, ("Usage", "pixels"))
        no_row: dict[str, str] = {}
        for number, (row, face) in enumerate(zip_longest(*tables, fillvalue=no_row)):
            if row.get("Usage") != face.get("Usage") or row.get("Usage") not in SPLIT_OF_USAGE:
                raise RawFolderError(
                    self,
                    root,
                    f"The two tables do not belong together: in row {number} the Usage is {row.get('Usage')} in "
                    f"{votes} and {face.get('Usage')} in {pixels}. Both must be complete and in their own order.",
                )
            name = row.get("Image name", "")
            key, cells = f"{number:05d}_{Path(name).stem}", [row.get(column, "") for column in VOTES]
            yield Row(key, row["Usage"], name, cells, face.get("pixels", ""))


def _rows_of_pictures(votes: Path, folders: dict[str, Path | None]) -> Iterator[Row]:
    """Votes of fer2013new.csv, faces from the PNG files. Of rows with one name, the file shows the last."""
    table = [row for row in rows(votes, ("Usage", "Image name", *VOTES)) if folders.get(row["Usage"])]
    last = {(row["Usage"], row.get("Image name", "")): number for number, row in enumerate(table)}
    for number, row in enumerate(table):
        usage, name = row["Usage"], Path(row.get("Image name", "")).name
        if (folder := folders[usage]) and (not name or last[usage, row["Image name"]] == number):
            yield Row(Path(name).stem, usage, name, [row.get(vote, "") for vote in VOTES], folder / name)


def _rows_of_label_files(folders: dict[str, Path | None]) -> Iterator[Row]:
    """Votes of label.csv (name, quoted box, ten votes; no header), faces from the PNG files beside it."""
    for usage, folder in folders.items():
        if folder and (folder / "label.csv").exists():
            for row in rows(folder / "label.csv", header=("name", "box", *VOTES)):
                name = Path(row["name"]).name
                yield Row(Path(name).stem, usage, name, [row.get(vote, "") for vote in VOTES], folder / name)


def _votes(cells: list[str]) -> np.ndarray | None:
    """The ten votes, or None for other cells."""
    try:
        votes = np.array(cells, float)
    except ValueError:
        return None
    return votes if votes.shape == (10,) and np.isfinite(votes).all() and (votes >= 0).all() else None


def grey_picture(picture: str | Path) -> bytes | None:
    """The 48 x 48 grey values of a face, or None for anything else."""
    if isinstance(picture, Path):
        exists = os.path.isfile(picture)  # Path.is_file raises for a name that is too long
        grey = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE) if exists else None
    else:
        try:
            grey = np.array(picture.split(), np.uint8)
        except (ValueError, OverflowError):
            return None
    return grey.tobytes() if grey is not None and grey.size == SIDE * SIDE else None


def _protocols(votes: np.ndarray) -> tuple[str, ...]:
    """The tags of a face that passed the plurality rule."""
    repeated = np.where(votes > 1, votes, 0)
    strict = repeated.max() > repeated.sum() / 2 and repeated.argmax() < 8
    tied = (votes[:8] == votes[:8].max()).sum() > 1
    return ("plurality", *(["strict"] if strict else []), *(["tied"] if tied else []))
