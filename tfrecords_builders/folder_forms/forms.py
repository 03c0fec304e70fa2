"""The forms in which a folder without a table may hold labelled pictures, and how one of them is read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Note, Skip
from tfrecords_builders.class_codes import check_codes
from tfrecords_builders.folder_forms import class_folders, parquet, webdataset, yolo

Items = Iterator[Face | Skip | Note]


@dataclass(frozen=True)
class Form:
    """One form: `find` returns its files or folders below the raw folder, and `faces` reads them."""

    name: str
    find: Callable[[Path], list[Path]]
    faces: Callable[[Path, Sequence[Path], Sequence[str]], Items]


NUMBERED = Form("class folders with numbers", class_folders.find_numbered, class_folders.faces)

FORMS = (
    Form("YOLO files", yolo.find, yolo.faces),
    Form("class folders", class_folders.find, class_folders.faces),
    Form("Parquet files", parquet.find, parquet.faces),
    Form("WebDataset files", webdataset.find, webdataset.faces),
    NUMBERED,
)
"""The first that a folder holds is read."""


def find(root: Path) -> dict[Form, list[Path]]:
    """Return the forms that a folder holds, each with its files or folders."""
    return {form: found for form in FORMS if (found := form.find(root))}


def faces(root: Path, found: dict[Form, list[Path]], codes: Sequence[str]) -> Items:
    """Yield the faces of the first form, with its splits, and notes about how it was read.

    codes: class words in the order of their codes, from 0; none where words or the files themselves name the classes.
    Raises UsageError where only some faces have a split, and what the form raises.
    """
    check_codes(codes)
    form, *others = found
    yield Note(f"read as {form.name}")
    yield from not_read(others, f"{form.name} are there")
    kept = []
    for item in form.faces(root, found[form], codes):
        if isinstance(item, Face):
            kept.append(item)
        else:
            yield item
    yield from _with_splits(root, kept)


def not_read(forms: Iterable[Form], reason: str) -> Iterator[Note]:
    """Yield a note for each form that a folder holds as well."""
    named = (form for form in forms if form is not NUMBERED)  # many folders have numbers, and not for classes
    yield from (Note(f"{form.name}: not read, because {reason}") for form in named)


def _with_splits(root: Path, kept: list[Face]) -> Iterator[Face | Note]:
    """The faces with the splits of their form. Only train is as good as no split, so then splits are drawn."""
    splits = Counter(face.split for face in kept)
    if len(splits) > 1 and None in splits:
        example = next(face.key for face in kept if face.split is None)
        raise UsageError(
            f"In {root}, {splits.total() - splits[None]} of {splits.total()} pictures are in a split, and others are "
            f"not, for example {example}. Give a split to all, or to none: then splits are drawn by group."
        )
    if set(splits) == {"train"}:
        yield Note("only a train split: splits are drawn by group")
        kept = [replace(face, split=None) for face in kept]
    if set(splits) == {"train", "test"}:
        yield Note("no validation split: a share of train's groups is drawn for it")
    yield from kept
