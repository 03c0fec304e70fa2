"""Pictures in folders that are named after their class, with or without folders of splits around them."""

import filecmp
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfaffect.files.class_folders import class_folders
from tfaffect.files.paths import printable
from tfrecords_builders.base import Face, Note, Skip
from tfrecords_builders.class_codes import ClassReader
from tfrecords_builders.folder_forms.places import PICTURES, common_folder, files_below, name_below, split_of_folders

DEPTH = 5
"""Folders between the raw folder and those of classes, at most."""

COPY = Skip("file with the same name and content is in another folder of the split and class", intended=True)


def find(root: Path) -> list[Path]:
    """Return the folders that hold folders with the names of classes."""
    return [*_holders(root, numbers=False)]


def find_numbered(root: Path) -> list[Path]:
    """Return the folders that hold pictures in folders with numbers, and nothing else."""
    return [*_holders(root, numbers=True)]


def faces(root: Path, found: Sequence[Path], codes: Sequence[str]) -> Iterator[Face | Skip | Note]:
    """Yield a face for every picture in a class folder.

    Raises UsageError for folders with numbers where `codes` does not name their classes.
    """
    base, read_class = common_folder(found), ClassReader(codes)
    seen = defaultdict[tuple[str | None, str | None, str], list[Path]](list)
    for folder in found:
        yield from _notes(folder)
        named, others = _without_links(folder)
        for below in sorted([*named, *(other for other in others if not any(_holders(other, numbers=False)))]):
            label = named.get(below) or read_class(below.name, f"Folder {printable(below)}")
            for path in files_below(below, PICTURES):
                if isinstance(label, Skip):
                    yield label
                    continue
                split = split_of_folders(path.parent.relative_to(root))
                same = seen[split, label, path.relative_to(below).as_posix()]
                if any(_equal(path, earlier) for earlier in same):
                    yield COPY
                    continue
                same.append(path)
                key = name_below(base, path)
                yield Face(key=key, group=key, image=path, split=split, expression=label)


def _notes(folder: Path) -> Iterator[Note]:
    """What is not read in a folder of class folders: links, pictures beside them, and other files in them."""
    for path in sorted({*class_folders(folder)[0]} - {*_without_links(folder)[0]}):
        yield Note(f"link to a folder, which is not followed: {printable(path.name)}")
    for path in folder.iterdir():
        if path.suffix.lower() in PICTURES and path.is_file() and not path.name.startswith("."):
            yield Note("picture beside the class folders, and not in one: not read")
    for below in _without_links(folder)[0]:
        for path in files_below(below):
            if path.suffix.lower() not in PICTURES:
                yield Note(f"file that is no picture: {printable(path.suffix.lower()) or 'no suffix'}")


def _equal(path: Path, other: Path) -> bool:
    """Whether two files have the same bytes. An unreadable one equals none: it is counted when it is decoded."""
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def _holders(folder: Path, numbers: bool, depth: int = DEPTH) -> Iterator[Path]:
    """The folders in and below `folder` that hold class folders, or only folders with numbers and pictures."""
    named, others = _without_links(folder)
    if numbers and others and all(path.name.isdecimal() and any(files_below(path, PICTURES)) for path in others):
        yield folder
        return
    if named and not numbers:
        yield folder
    if depth:
        for path in others:
            yield from _holders(path, numbers, depth - 1)


def _without_links(folder: Path) -> tuple[dict[Path, str], list[Path]]:
    """What `class_folders` returns, without links: they could lead out of the raw folder, or in circles."""
    named, others = class_folders(folder)
    return (
        {path: name for path, name in named.items() if not path.is_symlink()},
        [path for path in others if not path.is_symlink()],
    )
