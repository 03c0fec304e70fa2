"""RAF-DB, basic expressions: 15,339 faces from the web, each labelled by about 40 people.

Li, Deng, Du: Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild, CVPR
2017. Decisions that a researcher must know:

- The codes are those of the corpus's own readme. Some sources have a wrong table with 1, 2, 3 and 6 permuted. It agrees
  on happiness, sadness and neutral, which most faces have, so a spot check or plain accuracy does not show the error.
- Photos with the boxes of version 1.1 are preferred to the aligned faces, because their crops have the scale of the
  other corpora. Aligned faces are 100 x 100 pixels and rotated upright.
- The file name gives the split. There is no validation. No subjects are given, so a photo is its own group.
- `compound/` has a list and photos with the same names but other classes. It is never read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfaffect.labels import Expression
from tfrecords_builders.base import OUTSIDE_RAW, Box, Corpus, Face, Note, RawFolderError, Skip, class_counts, unique
from tfrecords_builders.raw_files import find, innermost, path_below
from tfrecords_builders.tables import number, rows

LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # the first is the corpus's own spelling
SEX: dict[float | None, str] = {0: "male", 1: "female", 2: "unsure"}
ETHNICITY: dict[float | None, str] = {0: "Caucasian", 1: "African-American", 2: "Asian"}
AGE: dict[float | None, str] = {0: "0-3", 1: "4-19", 2: "20-39", 3: "40-69", 4: "70+"}
COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}
CODES = {
    "1": Expression.SURPRISE,
    "2": Expression.FEAR,
    "3": Expression.DISGUST,
    "4": Expression.HAPPINESS,
    "5": Expression.SADNESS,
    "6": Expression.ANGER,
    "7": Expression.NEUTRAL,
}


@dataclass(frozen=True)
class RafDb(Corpus):
    """The corpus, from its own folder `basic` or from the copy of its aligned faces on Kaggle."""

    pictures: Literal["auto", "original", "aligned"] = "auto"
    """Photos cropped to their boxes, or the aligned faces of 100 x 100 pixels; auto prefers the photos."""

    labels = "7 classes (no contempt)"
    homepage = "http://www.whdeng.cn/RAF/model1.html"
    citation = "Li, Deng, Du: Reliable Crowdsourcing and Deep Locality-Preserving Learning, CVPR 2017"
    licence = "non-commercial research and education only; on request by a member of a faculty"
    instructions = """
Request it at http://www.whdeng.cn/RAF/model1.html
and unpack the archives inside basic/, as
    DIR/.../basic/EmoLabel/list_patition_label.txt
    DIR/.../basic/Image/original/train_00001.jpg ...
    DIR/.../basic/Annotation/boundingbox/train_00001_boundingbox.txt ...
and, for sex, age and ethnicity,
    DIR/.../basic/Annotation/manual/train_00001_manu_attri.txt ...
or with aligned faces instead of photos and boxes
    DIR/.../basic/Image/aligned/train_00001_aligned.jpg ...
or the copy on Kaggle
    DIR/.../train_labels.csv, test_labels.csv
    DIR/.../DATASET/train/5/train_00001_aligned.jpg ...
"""
    expressions = CODES
    published = {
        **{split: sum(counts) for split, counts in COUNTS.items()},
        **class_counts("train", CODES.values(), COUNTS["train"]),
        **class_counts("test", CODES.values(), COUNTS["test"]),
    }

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the face of every row of the list."""
        listing = _find(_find(root, "basic") or root, *LISTS) or _find(root, *LISTS)
        items = self._official(root, listing) if listing else self._from_kaggle(root)
        yield from unique(items, Skip("picture listed before", intended=True))

    def _official(self, root: Path, listing: Path) -> Iterator[Face | Skip | Note]:
        basic = listing.parent.parent if listing.parent.name.lower() == "emolabel" else listing.parent
        original, aligned, boxes, manual = (_folder(basic, n) for n in ("original", "aligned", "boundingbox", "manual"))
        photos = original if self.pictures != "aligned" and boxes else None
        folder = photos or (aligned if self.pictures != "original" else None)
        if not folder:
            either = {"auto": "Neither photos with boxes nor aligned faces were", "aligned": "No aligned faces were"}
            missing = either.get(self.pictures, "Image/original with Annotation/boundingbox was not")
            raise RawFolderError(self, root, f"{missing} found beside {listing}.")
        for line in filter(str.strip, listing.read_text("utf-8-sig", errors="replace").splitlines()):
            *name, code = line.split()
            image = path_below(folder, " ".join(name))
            if image and not photos:
                image = image.with_name(f"{image.stem}_aligned.jpg")
            yield from _annotated(image, code, boxes if photos else None, manual)

    def _from_kaggle(self, root: Path) -> Iterator[Face | Skip | Note]:
        tables = {split: table for split in COUNTS if (table := _find(root, f"{split}_labels.csv"))}
        if len(tables) < len(COUNTS):
            raise RawFolderError(self, root, f"Neither {LISTS[0]} nor train_labels.csv and test_labels.csv were found.")
        if self.pictures == "original":
            raise RawFolderError(self, root, "There are no photos: the copy on Kaggle has only the aligned faces.")
        for split, table in tables.items():
            folder = (_folder(root, "DATASET") or table.parent) / split
            for row in rows(table, required=("image", "label"), header=("image", "label")):
                code = row.get("label", "")
                yield from _annotated(path_below(folder, f"{code}/{row.get('image', '')}"), code)


def _annotated(
    image: Path | None, code: str, boxes: Path | None = None, manual: Path | None = None
) -> Iterator[Face | Skip | Note]:
    """One row: the face of a picture with class and attributes, and with a box unless the picture is aligned."""
    unit = image.stem.removesuffix("_aligned") if image else ""
    split = unit.partition("_")[0]
    box = _box(boxes / f"{unit}_boundingbox.txt") if boxes else None
    attributes = _numbers(manual / f"{unit}_manu_attri.txt") if manual else None
    if code not in CODES:
        yield Skip("class is not in 1 to 7")
    elif image is None:
        yield OUTSIDE_RAW
    elif split not in COUNTS:
        yield Skip("file name starts with neither train_ nor test_")
    elif boxes and box is None:
        yield Skip("box file missing or not four numbers")
    else:
        if attributes is not None and len(attributes) != 13:  # five landmarks, then sex, ethnicity, age
            yield Note("attribute file missing or unreadable")
            attributes = None
        sex, ethnicity, age = attributes[-3:] if attributes else (None, None, None)
        yield Face(
            key=unit,
            group=unit,
            image=image,
            split=split,
            box=box,
            expression=code,
            sex=SEX.get(sex, ""),
            age=AGE.get(age, ""),
            ethnicity=ETHNICITY.get(ethnicity, ""),
        )


def _numbers(path: Path) -> list[float | None]:
    """The cells of a small file as numbers, None for other texts; empty for a missing file."""
    try:
        return [number(cell) for cell in path.read_text("utf-8-sig", errors="replace").replace(",", " ").split()]
    except OSError:
        return []


def _box(path: Path) -> Box | None:
    cells = _numbers(path)
    box = [number for number in cells if number is not None]
    return (box[0], box[1], box[2], box[3]) if len(box) == len(cells) == 4 else None


def _find(root: Path, *names: str) -> Path | None:
    """Return what `find` returns, but nothing below `compound`."""
    if root.resolve().name.lower() == "compound":
        return None
    found = find(root, *names)
    if found is None or "compound" not in map(str.lower, found.relative_to(root).parts):
        return found
    return next(filter(None, (_find(child, *names) for child in sorted(root.iterdir()) if child.is_dir())), None)


def _folder(basic: Path, name: str) -> Path | None:
    """The innermost folder of a name, or None when it is empty."""
    folder = _find(basic, name)
    folder = folder and innermost(folder)
    return folder if folder and folder.is_dir() and any(folder.iterdir()) else None
