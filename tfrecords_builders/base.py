"""What a corpus module states: facts about the corpus, and its annotations one face at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfaffect.media.margin import MARGIN


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture that a video shows at a time."""

    video: Path
    seconds: float


Image = Path | Frame | Callable[[], np.ndarray]
"""A picture by reference: a file, a frame of a video, or a call that returns RGB uint8 of shape (height, width, 3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """One annotated face, in the units of its corpus; nothing of its picture is decoded yet.

    key: unique within the corpus: unit (file, clip), and face or frame.
    group: what must not straddle splits: subject, clip, photo, pixels.
    image: the picture the face is in.
    split: the official split, or None to have one drawn by group.
    box: left, top, right, bottom in pixels of the picture; None when the whole picture is the face.
    detect: find the face: among several the largest, or, when `box` is a person's body, one whose centre lies in it.
    expression: a code of the corpus's table, votes {code: count}, or None when not annotated.
    valence, arousal: in the corpus's `affect_range`, or None when not annotated.
    tags: names of the protocol subsets that the face belongs to; evaluation selects by them.
    sex, age, ethnicity: as the corpus gives them, for group reports only.
    """

    key: str
    group: str
    image: Image
    split: str | None = None
    box: tuple[float, float, float, float] | None = None
    detect: bool = False
    expression: object | Mapping[object, float] | None = None
    valence: float | None = None
    arousal: float | None = None
    tags: tuple[str, ...] = ()
    sex: str = ""
    age: str = ""
    ethnicity: str = ""


@dataclass(frozen=True)
class Skip:
    """An annotation that yields no face, and why; the reason is the same text for every case of a kind.

    intended: the corpus itself, or an option, wants it left out; the others count against `--max-skipped`.
    """

    reason: str
    intended: bool = False


@dataclass(frozen=True)
class Note:
    """A defect that was survived: the face is kept, the report counts it."""

    defect: str


class Corpus:
    """Facts about one corpus, and the generator of its annotations.

    A subclass lives in the module named after the corpus and states what differs from the defaults below. One with
    options is a frozen dataclass: its fields are options of the command, a text below each is the help.
    """

    version: ClassVar[str] = "1.0.0"
    labels: ClassVar[str]  # for people: "8 classes (votes)", "valence, arousal"
    homepage: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    licence: ClassVar[str]
    instructions: ClassVar[str]  # how to obtain it, and the tree that `faces` expects under the raw folder
    expressions: ClassVar[Mapping[object, Expression]] = {}  # the corpus's code -> our class
    affect_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    crop_margin: ClassVar[float] = MARGIN  # how its crops are framed, as a margin around the box of the face detector
    raters: ClassVar[int] = 0  # people whose votes a distribution counts; 0 where no label is a count of votes
    shares: ClassVar[tuple[float, float, float]] = (0.8, 0.1, 0.1)  # of groups, where splits are drawn
    validation_share: ClassVar[float] = 0.1  # of train's groups, where the official splits are train and test alone
    max_skipped: ClassVar[float] = 0.1  # share of annotations that may give no record before a build fails
    published: ClassVar[Mapping[str, int]] = {}  # annotated faces by "split" or "split/class", as the owners state them
    needs_raw: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The name of the module, of the command and of the folder of records."""
        return type(self).__module__.rpartition(".")[2]

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every annotated face below `root`, and every skip and survived defect on the way.

        Raises RawFolderError when what `instructions` describe is not there.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to read its annotations.")


LEADS_OUT = Skip("its path leads out of the raw folder")


def inside(root: Path, named: str) -> Path | None:
    """Return the path below `root` that a label row names, or None for an absolute one or one with `..` in it."""
    parts = named.strip().replace("\\", "/").split("/")
    if not named.strip() or "\0" in named or ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        return None
    return root.joinpath(*parts)


class RawFolderError(UsageError):
    """The raw folder does not hold what the corpus's instructions describe."""

    def __init__(self, corpus: Corpus, root: Path, missing: str):
        super().__init__(
            f"{missing}\nReceived: --raw {root}\n\nExpected for {corpus.name}:\n{corpus.instructions.strip()}"
        )


def find(root: Path, *names: str, depth: int = 3) -> Path | None:
    """Return the first file or folder below `root` with one of `names`, or None.

    Archives unpack with or without a folder of their own, so corpora are found by marker and not by fixed depth.
    Case is ignored, earlier names win, then shallower, then alphabetical. Links to folders are not followed.
    """
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(root):
        entries = sorted(folders + files)
        if len(Path(folder).relative_to(root).parts) >= depth:
            folders.clear()  # named here, not entered
        folders.sort()
        for entry in entries:
            path = Path(folder, entry)
            known = found.get(entry.lower())
            if known is None or len(path.parts) < len(known.parts):
                found[entry.lower()] = path
    return next((found[name.lower()] for name in names if name.lower() in found), None)


def unnested(folder: Path) -> Path:
    """Return the folder below folders of its own name, which archives unpacked into themselves leave."""
    while (folder / folder.name).is_dir():
        folder = folder / folder.name
    return folder
