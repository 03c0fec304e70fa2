"""AffectNet: faces from web searches in six languages, with class, valence and arousal; either of its two releases.

Mollahosseini, Hasani, Mahoor: AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the Wild,
IEEE Transactions on Affective Computing 2019. Decisions that a researcher must know:

- 2017 has loose crops and lists, 2021 has faces of 224 pixels and a few .npy files each. They show the same people
  under names that cannot be matched, so one build reads one release.
- "None" (8) has no class but real valence and arousal, and is kept for these. "Uncertain" (9) and "no face" (10) have
  neither and are skipped. -2 stands for a missing number.
- The test set was never released. The official validation set is `validation` here; papers report on it, so
  `official_validation="test"` keeps it for the end and has another validation split carved from train.
- The tag `consistent` marks faces whose valence and arousal fit their class by the rule with which EmoNet (Toisoul et
  al., Nature Machine Intelligence 2021) cleaned the corpus.
- Faces that a network annotated are read only with `automatic`, into train, under the tag `automatic`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import hypot
from pathlib import Path
from typing import Literal

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import LEADS_OUT, Corpus, Face, Note, RawFolderError, Skip, find, inside, unnested
from tfrecords_builders.tables import number, rows

BOX = ("face_x", "face_y", "face_width", "face_height")
LABELS = ("expression", "valence", "arousal")
COLUMNS = ("subDirectory_filePath", *BOX, "facial_landmarks", *LABELS)
TRAIN_COUNTS = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)
MISSING = -2
WITHOUT_LABEL = {9: Skip("annotated as uncertain", intended=True), 10: Skip("annotated as no face", intended=True)}


@dataclass(frozen=True)
class AffectNet(Corpus):
    """The corpus, from the lists of 2017 or the folders of 2021."""

    edition: Literal["auto", "2017", "2021"] = "auto"
    """Which release to read where the raw folder holds both."""
    automatic: bool = False
    """Add the automatically annotated faces of 2017 to train."""
    official_validation: Literal["validation", "test"] = "validation"
    """What the official validation set is used as; as test, validation is carved from train."""

    labels = "8 classes, valence, arousal"
    homepage = "http://mohammadmahoor.com/affectnet/"
    citation = "Mollahosseini, Hasani, Mahoor: AffectNet, IEEE TAC 2019, arXiv:1708.03985"
    licence = "non-commercial research only; agreement signed by a principal investigator"
    instructions = """
Request it from http://mohammadmahoor.com/affectnet/
and unpack all parts of either release, of 2017 as
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
        """Counts on which both releases agree: 2021 has one face less of contempt in validation."""
        train = {f"train/{e.name.lower()}": n for e, n in zip(Expression, TRAIN_COUNTS, strict=True)}
        official = {f"{self.official_validation}/{e.name.lower()}": 500 for e in Expression if e != Expression.CONTEMPT}
        return official if self.automatic else train | official

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the faces of the chosen release."""
        training = find(root, "training.csv") if self.edition != "2021" else None
        train_set = find(root, "train_set") if self.edition != "2017" else None
        if training and train_set:
            raise UsageError(
                f"Both releases of AffectNet are below {root}: {training} and {train_set}. They show the same faces "
                "under other names and are never merged. Choose with --edition 2017 or --edition 2021."
            )
        if not training and not train_set:
            sought = {"2017": "training.csv", "2021": "The folder train_set"}
            sought = sought.get(self.edition, "Neither training.csv (2017) nor the folder train_set (2021)")
            raise RawFolderError(self, root, f"{sought} was {'' if 'Neither' in sought else 'not '}found.")
        if self.automatic and not training:
            raise RawFolderError(self, root, "Automatically annotated faces belong to the release of 2017.")
        yield from self._faces_of_2017(root, training) if training else self._faces_of_2021(root, train_set)

    def _faces_of_2017(self, root: Path, training: Path) -> Iterator[Face | Skip | Note]:
        manual = self._folder(root, "Manually_Annotated_Images", "Manually_Annotated")
        yield from _of_list(training, manual, "train")
        yield from _of_list(self._file(root, "validation.csv"), manual, self.official_validation)
        if self.automatic:
            folder = self._folder(root, "Automatically_Annotated_Images", "Automatically_Annotated")
            yield from _of_list(self._file(root, "automatically_annotated.csv"), folder, "train", "automatic")

    def _faces_of_2021(self, root: Path, train_set: Path) -> Iterator[Face | Skip | Note]:
        for folder, split in ((train_set, "train"), (self._file(root, "val_set"), self.official_validation)):
            parts = [find(folder, name, depth=2) for name in ("images", "annotations")]
            if None in parts:
                raise RawFolderError(self, root, f"{folder} does not hold images and annotations.")
            yield from _of_folder(folder.name, *parts, split)

    def _file(self, root: Path, *names: str) -> Path:
        if found := find(root, *names):
            return found
        raise RawFolderError(self, root, f"{names[0]} was not found.")

    def _folder(self, root: Path, *names: str) -> Path:
        """The folder of the numbered folders; archives are often unpacked into a folder of their own name."""
        return unnested(self._file(root, *names))


def _of_list(table: Path, folder: Path, split: str, *tags: str) -> Iterator[Face | Skip | Note]:
    """The faces of one list of 2017. A picture may lie in several numbered folders: its name is the group."""
    listed = set()
    for row in rows(table, required=(COLUMNS[0], *LABELS), header=COLUMNS):
        image = inside(folder, row.get(COLUMNS[0]) or "")
        if image is None or image in listed:
            yield Skip("picture listed before") if image else LEADS_OUT
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
        for item in _labelled(face, *(number(row.get(name)) for name in LABELS)):
            if isinstance(item, Face) and item.box is None:
                yield Note("no face box: the whole picture is taken")
            yield item


def _box(x: float | None, y: float | None, width: float | None, height: float | None) -> tuple | None:
    """The box of a row, or None where it has none; -1 marks that no face was found."""
    if None in (x, y, width, height) or min(width, height) <= 0:
        return None
    return x, y, x + width, y + height


def _of_folder(name: str, images: Path, annotations: Path, split: str) -> Iterator[Face | Skip | Note]:
    """The faces of one folder of 2021, whose numbers have gaps; a face is its own group."""
    pictures = {Path(file).stem: file for file in sorted(os.listdir(images))}
    units = {file.partition("_")[0] for file in os.listdir(annotations)} | set(pictures)
    for unit in sorted(filter(str.isdecimal, units), key=int):
        values = [_scalar(annotations / f"{unit}_{part}.npy") for part in ("exp", "val", "aro")]
        if None in values:
            yield Note("annotation file missing or unreadable")
        key, image = f"{name}/{unit}", images / pictures.get(unit, f"{unit}.jpg")
        yield from _labelled(Face(key=key, group=key, image=image, split=split), *values)


def _scalar(path: Path) -> float | None:
    """The one number of an .npy file, stored as a number or as text; None when there is none."""
    try:
        return number(str(np.load(path, allow_pickle=False).astype(str).item()))
    except Exception:  # of a damaged header numpy raises whatever Python's own parser does, such as TokenError
        return None


def _labelled(
    face: Face, code: float | None, valence: float | None, arousal: float | None
) -> Iterator[Face | Skip | Note]:
    """The face with the labels it has, each masked on its own."""
    given = (valence, arousal)
    affect = [value if value is not None and -1 <= value <= 1 else None for value in given]
    expression = int(code) if code in AffectNet.expressions else None
    if code in WITHOUT_LABEL:
        yield WITHOUT_LABEL[code]
    elif expression is None and code not in (None, 8):
        yield Skip("class is none of 0 to 10")
    elif expression is None and affect == [None, None]:
        yield Skip("neither class nor valence nor arousal")
    else:
        if any(kept is None and value not in (None, MISSING) for kept, value in zip(affect, given, strict=True)):
            yield Note("valence or arousal outside of [-1, 1] is left out")
        whole = expression is not None and None not in affect
        tags = (*face.tags, "consistent") if whole and is_consistent(Expression(expression), *affect) else face.tags
        yield replace(face, expression=expression, valence=affect[0], arousal=affect[1], tags=tags)


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
