"""Re-packs: public copies of a corpus that differ from its release in a way that misleads.

A re-pack is recognised by the sizes of its splits, or by the columns of its table. The sentence about it is a warning,
and stays in the build report. A builder that cannot read the re-pack says the sentence in its error.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfaffect.labels import SPLITS

PICTURES = (".jpg", ".jpeg", ".png")
SPLIT_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    "test": "test",
}


@dataclass(frozen=True)
class Repack:
    """How a re-pack is recognised, and what is wrong with it.

    faces: number of annotated faces in all splits; 0 for any number.
    splits: number of annotated faces in a split; 0 for any number above 0.
    columns: names in the first line of labels.csv, in lower case. With them, numbers are not needed.
    """

    sentence: str
    faces: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()

    def matches(self, sizes: Mapping[str, int], columns: frozenset[str]) -> bool:
        """Whether a folder is this re-pack, by its annotated faces by split ("all" without splits) and its columns."""
        if self.columns and self.columns <= columns:
            return True
        if not self.faces and not self.splits:
            return False
        known = all(sizes.get(split, 0) == n if n else sizes.get(split) for split, n in self.splits.items())
        return known and self.faces in (0, sum(sizes.values()))


REPACKS = (
    Repack(
        "These are the splits of arnabkumarroy02/ferplus and subhaditya/fer2013plus, two re-packs of FER+: train holds "
        "augmented copies, and test has the size of FER+'s own validation set (3,579), so a score on it is not one on "
        "FER+'s test set.",
        splits={"validation": 8_341, "test": 3_579},
    ),
    Repack(
        "15,339 faces in three splits are nishchalchandel/raf-db-face-emotion-dataset, a re-pack of RAF-DB: its splits "
        "are new, so official test faces are in train, and its scores cannot be compared with others on RAF-DB.",
        faces=15_339,
        splits={"train": 0, "validation": 0, "test": 0},
    ),
    Repack(
        "20,471 faces are deanngkl/raf-db-7emotions, a re-pack of RAF-DB: RAF-DB has only 15,339, so the others are "
        "copies or come from elsewhere, and no official split can be told from it.",
        faces=20_471,
    ),
    Repack(
        "This is noamsegal/affectnet-training-data, a re-pack of AffectNet: it has 29,042 of the training faces at 96 "
        "pixels, and its table and its folders disagree about the class of some.",
        faces=29_042,
        columns=frozenset({"pth", "label", "relfcs"}),
    ),
)


def recognise(sizes: Mapping[str, int], raw: Path) -> list[str]:
    """Return the sentences about the re-packs that a raw folder with these numbers of annotated faces may be.

    sizes: annotated faces by split ("all" where there are no splits).
    """
    sizes, columns = {split: n for split, n in sizes.items() if split in (*SPLITS, "all")}, _columns(raw)
    return [repack.sentence for repack in REPACKS if repack.matches(sizes, columns)]


def sizes_of_folders(raw: Path) -> Counter[str]:
    """Return the number of pictures below the folders of splits, such as train/happy/; "all" for other pictures."""
    sizes = Counter[str]()
    for folder, _, files in os.walk(raw):
        parts = Path(folder).relative_to(raw).parts
        split = next((SPLIT_OF_FOLDER[part.lower()] for part in parts if part.lower() in SPLIT_OF_FOLDER), "all")
        sizes[split] += sum(file.lower().endswith(PICTURES) for file in files)
    return +sizes


def _columns(raw: Path) -> frozenset[str]:
    """The columns of labels.csv in the raw folder or one folder down."""
    names = set[str]()
    for table in (*raw.glob("labels.csv"), *raw.glob("*/labels.csv")):
        if table.is_file():
            with open(table, encoding="utf-8-sig", errors="replace") as file:
                names.update(cell.strip().strip("'\"").lower() for cell in file.readline(10_000).split(","))
    return frozenset(names)
