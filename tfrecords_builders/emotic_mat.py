"""The annotation file of EMOTIC's owners: MATLAB structs of pictures and people."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfaffect.errors import UsageError
from tfrecords_builders.base import OUTSIDE_RAW, Box, Skip
from tfrecords_builders.emotic_person import Person
from tfrecords_builders.raw_files import find, path_below

SPLIT_OF_TABLE = {"train": "train", "val": "validation", "test": "test"}
FOLDER_OF_FILE = {"annotations.mat": "emotic", "cvpr17_annotations.mat": "cvpr_emotic"}  # the later release first
SOURCES = ("mscoco", "framesdb", "emodb_small", "ade20k")
PICTURE_FIELDS = {"filename", "folder", "person"}


def find_annotations(root: Path) -> Path | None:
    """Return the annotation file of the later release that is below a folder, or None."""
    return find(root, *FOLDER_OF_FILE)


def people(annotations: Path, pictures: Path) -> Iterator[Person | Skip]:
    """Yield every person, split by split. Raises UsageError for a file that is unreadable or not EMOTIC's."""
    for split, items in _tables(annotations).items():
        for item in items:
            yield from _people(item, split, pictures)


def _people(item: Any, split: str, pictures: Path) -> Iterator[Person | Skip]:
    picture = _path(pictures, item)
    found = _items(item.person)
    if not found:
        yield Skip("picture without a person")
    for number, person in enumerate(found):
        box = _box(getattr(person, "body_bbox", ()))
        if picture is None or box is None:
            yield OUTSIDE_RAW if picture is None else Skip("body box is not four numbers, or has no area")
            continue
        name = picture.relative_to(pictures).as_posix()
        categories, affect = _annotation(person)
        yield Person(
            key=f"{split}/{name}/{number}",
            group=name,
            image=picture,
            split=split,
            box=box,
            categories=categories,
            affect=affect,
            sex=_text(getattr(person, "gender", "")),
            age=_text(getattr(person, "age", "")),
        )


def _tables(annotations: Path) -> dict[str, list]:
    """Read the pictures of every split."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        tables = loadmat(annotations, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:
        raise UsageError(
            f"{annotations} is in MATLAB's format 7.3, which SciPy does not read. Save it in format 7 with MATLAB: "
            f"s = load('{annotations.name}'); save('{annotations.name}', '-struct', 's', '-v7')"
        ) from error
    except (MatReadError, OSError, ValueError, TypeError, IndexError, zlib.error) as error:
        raise UsageError(f"{annotations} cannot be read as a MATLAB file: {error}. Download it again.") from error
    received = sorted(name for name in tables if not name.startswith("__"))
    if missing := sorted(set(SPLIT_OF_TABLE) - set(received)):
        raise UsageError(f"{annotations} lacks the variables {missing}. Received: {received}.")
    found = {split: _items(tables[name]) for name, split in SPLIT_OF_TABLE.items()}
    for split, items in found.items():
        fields = getattr(items[0], "_fieldnames", []) if items else PICTURE_FIELDS
        if missing := sorted(PICTURE_FIELDS - set(fields)):
            raise UsageError(f"{annotations}: the pictures of {split} lack the fields {missing}. Received: {fields}.")
    return found


def find_pictures(root: Path, annotations: Path) -> Path | None:
    """Return the folder with mscoco/ or another source: in the release's folder near the annotations, or anywhere."""
    for place in (annotations.parent, annotations.parent.parent, root):
        if place.is_relative_to(root):
            own = find(place, FOLDER_OF_FILE[annotations.name.lower()])
            if source := find(own or place, *SOURCES):
                return source.parent
    return None


def _path(pictures: Path, item: Any) -> Path | None:
    folder, name = _text(item.folder), _text(item.filename)
    below = path_below(pictures, folder) if folder else pictures
    return below and path_below(below, name)


def _annotation(person: Any) -> tuple[list[str], list[float | None]]:
    """Categories in their order, valence and arousal."""
    if "combined_categories" in person._fieldnames:
        categories, continuous = person.combined_categories, _items(getattr(person, "combined_continuous", ()))
    else:
        annotator = _items(getattr(person, "annotations_categories", ()))[:1]
        categories = getattr(annotator[0], "categories", ()) if annotator else ()
        continuous = _items(getattr(person, "annotations_continuous", ()))
    names = [_text(name) for name in _items(categories)]
    values = [_number(getattr(continuous[0], name, None)) if continuous else None for name in ("valence", "arousal")]
    return names, values


def _items(value: Any) -> list[Any]:
    """A list of what SciPy returns for no, one or several structs or texts."""
    return np.atleast_1d(value).ravel().tolist()


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    try:
        number = float(np.squeeze(value))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _box(value: Any) -> Box | None:
    """The box, which a score may follow; None when at most one pixel of it is in the picture."""
    try:
        corners = np.asarray(value, float).ravel()[:4]
    except (TypeError, ValueError):
        return None
    if corners.size < 4 or not np.isfinite(corners).all():
        return None
    sides = corners[2:] - np.maximum(corners[:2], 0)
    left, top, right, bottom = corners.tolist()
    return (left, top, right, bottom) if (sides > 0).all() and sides.prod() > 1 else None
