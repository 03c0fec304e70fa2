"""What a corpus module states: facts about the corpus, and a generator of its annotated faces."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfaffect.media.margin import MARGIN
from tfrecords_builders.raw_files import find

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of a video at a time."""

    video: Path
    seconds: float


Image = Path | Frame | Callable[[], np.ndarray]
"""A reference to a picture: a file, a frame, or a function that returns RGB uint8 of shape (height, width, 3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """One annotated face, in the units of its corpus. Its picture is not decoded yet.

    key: unique within the corpus; made of the file or clip, and the face or frame.
    group: what must stay in one split: a subject, clip, photo, or equal pixels.
    image: the picture that shows the face.
    split: the official split, or None where splits are drawn by group.
    box: the box of the face; None when the complete picture is the face.
    detect: find the face with the detector. Then `box` is a person's body, and the centre of the face must lie in it;
        without a box, the largest face is taken.
    expression: a code of the corpus's table, votes {code: count}, or None when not annotated.
    valence, arousal: in the corpus's `affect_range`, or None when not annotated.
    tags: names of the protocol subsets that hold the face; evaluation selects faces by tag.
    sex, age, ethnicity: as the corpus gives them, for reports by group only.
    """

    key: str
    group: str
    image: Image
    split: str | None = None
    box: Box | None = None
    detect: bool = False
    expression: Any = None
    valence: float | None = None
    arousal: float | None = None
    tags: tuple[str, ...] = ()
    sex: str = ""
    age: str = ""
    ethnicity: str = ""


@dataclass(frozen=True)
class Skip:
    """An annotation that gives no face, and the reason. All cases of a kind have the same text, so they are counted.

    intended: the corpus itself or an option leaves it out. The others count against `--max-skipped`.
    """

    reason: str
    intended: bool = False


@dataclass(frozen=True)
class Note:
    """A defect in the corpus that did not cost the face. The report counts it."""

    defect: str


class Corpus(ABC):
    """Facts about one corpus, and the generator of its annotations.

    A subclass lives in the module named after the corpus and states what differs from the defaults below. A corpus
    with options is a frozen dataclass: its fields are the options of the command, the text below each is the help.
    """

    version: ClassVar[str] = "1.0.0"
    labels: ClassVar[str]  # for people: "8 classes (votes)", "valence, arousal"
    homepage: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    licence: ClassVar[str]
    instructions: ClassVar[str]  # how to obtain it, and the files that `faces` expects below the raw folder
    expressions: ClassVar[Mapping[Any, Expression]] = {}  # the corpus's code -> our class
    affect_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    crop_margin: ClassVar[float] = MARGIN  # how its crops are framed, as a margin around the face detector's box
    raters: ClassVar[int] = 0  # number of votes a face, where labels are votes; otherwise 0
    shares: ClassVar[tuple[float, float, float]] = (0.8, 0.1, 0.1)  # of records by split, where splits are drawn
    validation_share: ClassVar[float] = 0.1  # of train's groups, where the official splits are only train and test
    max_skipped: ClassVar[float] = 0.1  # largest share of annotations that could not be read or matched
    needs_raw: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The name of the module, the command and the folder of records."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def published(self) -> Mapping[str, int]:
        """The owners' counts of annotated faces, by "split" or "split/class"; without a split, it is "all"."""
        return {}

    @abstractmethod
    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every annotated face below `root`, and every skip and note.

        Raises RawFolderError when the files that `instructions` describe are missing.
        """

    def require(self, root: Path, *names: str, depth: int = 3) -> Path:
        """Return what `find` returns. Raises RawFolderError when it finds nothing."""
        if found := find(root, *names, depth=depth):
            return found
        raise RawFolderError(self, root, f"{names[0]} was not found.")


OUTSIDE_RAW = Skip("path points outside the raw folder")


class RawFolderError(UsageError):
    """The raw folder does not hold the files that the corpus's instructions describe."""

    def __init__(self, corpus: Corpus, root: Path, missing: str):
        super().__init__(
            f"{missing}\nReceived: --raw {root}\n\nExpected for {corpus.name}:\n{corpus.instructions.strip()}"
        )


def unique(items: Iterable[Face | Skip | Note], repeated: Skip) -> Iterator[Face | Skip | Note]:
    """Yield the items of a corpus, with `repeated` in the place of a face whose key an earlier face has."""
    keys = set()
    for item in items:
        if isinstance(item, Face):
            yield repeated if item.key in keys else item
            keys.add(item.key)
        else:
            yield item


def in_range(values: list[float | None], affect_range: tuple[float, float]) -> tuple[list[float | None], list[Note]]:
    """Return valence and arousal with None for a number outside the range, and a note where there is one."""
    low, high = affect_range
    kept = [value if value is not None and low <= value <= high else None for value in values]
    note = Note(f"valence or arousal outside [{low:g}, {high:g}]: left out")
    return kept, [] if kept == values else [note]


def class_counts(split: str, classes: Iterable[Expression], counts: Iterable[int]) -> dict[str, int]:
    """Return published counts of the classes of a split, by the keys of `Corpus.published`."""
    return {f"{split}/{expression.name.lower()}": n for expression, n in zip(classes, counts, strict=True)}
