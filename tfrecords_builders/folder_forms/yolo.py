"""YOLO: `images/` and `labels/` side by side, a text file a picture, and the names of classes in `data.yaml`.

A line is `class x y width height`: a code, and the centre and the sides of a box as shares of the picture.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfaffect.errors import UsageError, missing_extra
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number
from tfaffect.media import limits
from tfrecords_builders.base import Box, Face, Note, Skip
from tfrecords_builders.class_codes import ClassReader
from tfrecords_builders.folder_forms.places import PICTURES, common_folder, files_below, name_below, split_of_folders
from tfrecords_builders.numbering import numbered

NAMES = ("data.yaml", "data.yml", "dataset.yaml")
LARGEST_NAMES = 1_000_000  # bytes
LARGEST_LABELS = 1_000_000  # bytes
NO_BOX = Skip("picture without a box", intended=True)


def find(root: Path) -> list[Path]:
    """Return the folders `images` with pictures that have a folder `labels` with text files beside them."""
    parents = (Path(current) for current, folders, _ in os.walk(root) if {"images", "labels"} <= {*folders})
    pairs = ((parent / "images", parent / "labels") for parent in sorted(parents))
    return [
        images for images, labels in pairs if any(files_below(images, PICTURES)) and any(files_below(labels, (".txt",)))
    ]


def faces(root: Path, found: Sequence[Path], codes: Sequence[str]) -> Iterator[Face | Skip | Note]:
    """Yield a face for every box.

    The classes of codes are those of `codes` (--classes), else those of `data.yaml`. Raises UsageError for codes that
    nobody names.
    """
    base = common_folder([folder.parent for folder in found])
    for folder in found:
        read_class = ClassReader(codes, () if codes else _class_names(root, folder))
        for picture in files_below(folder, PICTURES):
            split = split_of_folders(picture.parent.relative_to(root))
            labels = (folder.parent / "labels" / picture.relative_to(folder)).with_suffix(".txt")
            yield from _faces_of(picture, labels, name_below(base, picture), split, read_class)


def _faces_of(
    picture: Path, labels: Path, key: str, split: str | None, read_class: ClassReader
) -> Iterator[Face | Skip]:
    lines = _lines(labels)
    if not lines:
        yield NO_BOX
        return
    if (size := _size(picture)) is None:
        yield from [Skip("picture missing, or its size cannot be read")] * len(lines)
        return
    found = []
    for number, line in enumerate(lines, 1):
        code, *sides = line.split()
        label, box = read_class(code, f"Line {number} of {printable(labels)}"), _box(sides, size)
        if isinstance(label, Skip):
            yield label
        elif box is None:
            yield Skip("line that is not a class and a box of four numbers")
        else:
            found.append(Face(key=key, group=key, image=picture, split=split, box=box, expression=label))
    yield from numbered(found)


def _lines(labels: Path) -> list[str]:
    """The lines of a file of labels that are not empty; none where the file is missing."""
    try:
        with open(labels, "rb") as file:
            text = file.read(LARGEST_LABELS).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return []
    return [line for line in text.splitlines() if line.strip()]


def _size(picture: Path) -> tuple[int, int] | None:
    """Width and height of the picture as stored, from its header."""
    try:
        with open(picture, "rb") as file:
            header = limits.open_header(file)
    except OSError:
        return None
    return None if header is None else header.size


def _box(sides: Sequence[str], size: tuple[int, int]) -> Box | None:
    """The box in pixels, or None for what is not four numbers with a width and a height."""
    numbers = [number for side in sides if (number := to_number(side)) is not None]
    if len(sides) != 4 or len(numbers) != 4 or min(numbers[2:]) <= 0:
        return None
    (x, y, width, height), (across, down) = numbers, size
    return ((x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down)


def _class_names(root: Path, images: Path) -> list[str]:
    """The names of classes, from the nearest data.yaml between a folder of pictures and the raw folder."""
    for folder in images.parents:
        for name in NAMES:
            if (folder / name).is_file():
                return _names(folder / name)
        if folder == root:
            break
    return []


def _names(path: Path) -> list[str]:
    """The names in the order of their codes. Raises UsageError for a file without them."""
    try:
        import yaml
    except ImportError as error:
        raise UsageError(
            f"{printable(path)} names the classes, and reading it needs {missing_extra('yaml')} Or name the classes in "
            "the order of their codes: --classes neutral happiness ..."
        ) from error
    try:
        content = yaml.safe_load(path.read_bytes()[:LARGEST_NAMES])
    except (yaml.YAMLError, OSError, ValueError, RecursionError, ArithmeticError, TypeError) as error:
        raise UsageError(f"{printable(path)} cannot be read as YAML: {error}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and sorted(map(repr, names)) == sorted(map(repr, range(len(names)))):
        names = [names[code] for code in range(len(names))]
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise UsageError(
            f"{printable(path)} must have `names`, the classes in the order of their codes. Or name them with "
            f"--classes. Received: {str(names)[:100]}."
        )
    return names
