"""AffectNet: faces from web searches in six languages, with class, valence and arousal.

Mollahosseini, Hasani, Mahoor: AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the Wild,
IEEE Transactions on Affective Computing 2019. Decisions that a researcher must know:

- The release of 2017 has loose crops and lists. That of 2021 has faces of 224 pixels, each with a few .npy files. They
  show the same people under names that cannot be matched, so one build reads one release.
- "None" (8) has no class, but valid valence and arousal, and is kept for these. "Uncertain" (9) and "no face" (10) have
  no label and are skipped. -2 stands for a missing number.
- The test set was never released. The official validation set is `validation` here. Papers report on it; with
  `official_validation="test"` it is test, and validation is drawn from train.
- The tag `consistent` marks faces whose valence and arousal fit their class, by the rule with which EmoNet (Toisoul et
  al., Nature Machine Intelligence 2021) cleaned the corpus.
- Faces that were annotated by a network are read only with `automatic`. They go into train under the tag `automatic`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import hypot
from pathlib import Path
from typing import Literal

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import OUTSIDE_RAW, Box, Corpus, Face, Note, RawFolderError, Skip, class_counts, in_range
from tfrecords_builders.raw_files import find, innermost, path_below
from tfrecords_builders.tables import number, rows

BOX = ("face_x", "face_y", "face_width", "face_height")
LABELS = ("expression", "valence", "arousal")
COLUMNS = ("subDirectory_filePath", *BOX, "facial_landmarks", *LABELS)
TRAIN_COUNTS = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)
MISSING, NO_CLASS = -2, 8
WITHOUT_LABEL = {9: Skip("annotated as uncertain", intended=True), 10: Skip("annotated as no face", intended=True)}
NO_LABEL = Skip("annotated with neither class nor valence nor arousal", intended=True)

Number = float | None
Items = Iterator[Face | Skip | Note]


@dataclass(frozen=True)
class AffectNet(Corpus):
    """The corpus, from the lists of 2017 or the folders of 2021."""

    edition: Literal["auto", "2017", "2021"] = "auto"
    """Release to read, where the raw folder holds both."""
    automatic: bool = False
    """Add the automatically annotated faces of 2017 to train."""
    official_validation: Literal["validation", "test"] = "validation"
    """Use of the official validation set. As test, validation is drawn from train."""

    labels = "8 classes, valence, arousal"
    homepage = "http://mohammadmahoor.com/affectnet/"
    citation = "Mollahosseini, Hasani, Mahoor: AffectNet, IEEE TAC 2019, arXiv:1708.03985"
    licence = "non-commercial research only; agreement signed by a principal investigator"
    instructions = """
Request it at http://mohammadmahoor.com/affectnet/
and unpack all parts of one release: of 2017 as
    DIR/.../Manually_Annotated_file_lists/training.csv, validation.csv
    DIR/.../Manually_Annotated_Images/689/737db248....jpg ...
and, for --automatic,
    DIR/.../Automatically_Annotated_file_lists/automatically_annotated.csv
    DIR/.../Automatically_Annotated_Images/1/....jpg ...
or of 2021 as
    DIR/.../train_set/images/0.jpg ...
    DIR/.../train_set/annotations/0_exp.npy, 0_val.npy, 0_aro.npy ...
    DIR/.../val_set/images/0.jpg ... and so on
"""
    expressions = {expression.value: expression for expression in Expression}

    @property
    def published(self) -> dict[str, int]:
        """Counts on which both releases agree. In validation, 2021 has one face of contempt less."""
        classes = [expression for expression in Expression if expression != Expression.CONTEMPT]
        official = class_counts(self.official_validation, classes, [500] * len(classes))
        return official if self.automatic else class_counts("train", Expression, TRAIN_COUNTS) | official

    def faces(self, root: Path) -> Items:
        """Yield the faces of the chosen release."""
        training = find(root, "training.csv") if self.edition != "2021" else None
        train_set = find(root, "train_set") if self.edition != "2017" else None
        if training and train_set:
            raise UsageError(
                f"Both releases of AffectNet are below {root}: {training} and {train_set}. They show the same faces "
                "under other names. Choose with --edition 2017 or --edition 2021."
            )
        if self.automatic and train_set:
            raise RawFolderError(self, root, "Automatically annotated faces belong to the release of 2017.")
        if training:
            yield from self._faces_of_2017(root, training)
        elif train_set:
            yield from self._faces_of_2021(root, train_set)
        else:
            names = {"2017": "training.csv", "2021": "train_set", "auto": "training.csv (2017) or train_set (2021)"}
            raise RawFolderError(self, root, f"{names[self.edition]} was not found.")

    def _faces_of_2017(self, root: Path, training: Path) -> Items:
        manual = innermost(self.require(root, "Manually_Annotated_Images", "Manually_Annotated"))
        yield from _faces_in_list(training, manual, "train")
        yield from _faces_in_list(self.require(root, "validation.csv"), manual, self.official_validation)
        if self.automatic:
            folder = innermost(self.require(root, "Automatically_Annotated_Images", "Automatically_Annotated"))
            yield from _faces_in_list(self.require(root, "automatically_annotated.csv"), folder, "train", "automatic")

    def _faces_of_2021(self, root: Path, train_set: Path) -> Items:
        for folder, split in ((train_set, "train"), (self.require(root, "val_set"), self.official_validation)):
            images, annotations = (find(folder, name, depth=2) for name in ("images", "annotations"))
            if images is None or annotations is None:
                raise RawFolderError(self, root, f"{folder} does not hold images and annotations.")
            yield from _faces_in_folder(folder.name, images, annotations, split)


def _faces_in_list(table: Path, folder: Path, split: str, *tags: str) -> Items:
    """The faces of one list of 2017. A picture may lie in several numbered folders, so its name is the group."""
    listed = set()
    for row in rows(table, required=(COLUMNS[0], *LABELS), header=COLUMNS):
        image = path_below(folder, row.get(COLUMNS[0]) or "")
        if image is None or image in listed:
            yield Skip("picture listed before", intended=True) if image else OUTSIDE_RAW
            continue
        listed.add(image)
        face = Face(
            key=f"{table.stem}/{image.relative_to(folder).as_posix()}",
            group=image.stem,
            image=image,
            split=split,
            box=_box(*(number(row.get(name)) for name in BOX)),
            tags=tags,
        )
        for item in _with_labels(face, *(number(row.get(name)) for name in LABELS)):
            if isinstance(item, Face) and item.box is None:
                yield Note("no face box: the complete picture is used")
            yield item


def _box(x: Number, y: Number, width: Number, height: Number) -> Box | None:
    """The box of a row, or None where it has none; its numbers are -1 where no face was found."""
    if x is None or y is None or width is None or height is None or min(width, height) <= 0:
        return None
    return x, y, x + width, y + height


def _faces_in_folder(name: str, images: Path, annotations: Path, split: str) -> Items:
    """The faces of one folder of 2021. The file numbers have gaps. Each face is its own group."""
    pictures = {Path(file).stem: file for file in sorted(os.listdir(images))}
    units = {file.partition("_")[0] for file in os.listdir(annotations)} | set(pictures)
    for unit in sorted(filter(str.isdecimal, units), key=int):
        values = [_scalar(annotations / f"{unit}_{part}.npy") for part in ("exp", "val", "aro")]
        if None in values:
            yield Note("annotation file missing or unreadable")
        key, image = f"{name}/{unit}", images / pictures.get(unit, f"{unit}.jpg")
        yield from _with_labels(Face(key=key, group=key, image=image, split=split), *values)


def _scalar(path: Path) -> Number:
    """The one number in an .npy file, stored as a number or as text, or None."""
    try:
        return number(str(np.load(path, allow_pickle=False).astype(str).item()))
    except Exception:  # for a damaged header, NumPy passes on any error of Python's parser, for example TokenError
        return None


def _with_labels(face: Face, code: Number, *affect: Number) -> Items:
    """The face with its valid labels; each label may be missing on its own."""
    (valence, arousal), notes = in_range([None if n == MISSING else n for n in affect], AffectNet.affect_range)
    expression = None if code is None else AffectNet.expressions.get(code)
    if code in WITHOUT_LABEL:
        yield WITHOUT_LABEL[int(code)]
    elif expression is None and code not in (None, NO_CLASS):
        yield Skip("class is not in 0 to 10")
    elif expression is None and valence is None and arousal is None:
        given = code == NO_CLASS and set(affect) == {MISSING}
        yield NO_LABEL if given else Skip("neither class nor valence nor arousal can be read")
    else:
        yield from notes
        tags = face.tags
        if expression is not None and valence is not None and arousal is not None:
            tags += ("consistent",) * is_consistent(expression, valence, arousal)
        yield replace(face, expression=expression, valence=valence, arousal=arousal, tags=tags)


def is_consistent(expression: Expression, valence: float, arousal: float) -> bool:
    """Whether valence and arousal fit a class by EmoNet's rule (emonet/data/affecnet.py, "automatic cleaning")."""
    intensity = hypot(valence, arousal)
    if expression == Expression.NEUTRAL:
        return intensity < 0.2
    fits = {
        Expression.HAPPINESS: valence > 0,
        Expression.SADNESS: valence < 0,
        Expression.SURPRISE: arousal > 0,
        Expression.FEAR: arousal >= 0 and valence <= 0,
        Expression.DISGUST: valence < 0,
        Expression.ANGER: arousal > 0,
        Expression.CONTEMPT: valence < 0,
    }
    return fits[expression] and intensity > (0.3 if expression == Expression.DISGUST else 0.2)
