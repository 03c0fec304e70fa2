"""Files below a folder, the splits that their paths name, and their names in keys."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfaffect.files.paths import printable
from tfrecords_builders.repacks import SPLIT_OF_FOLDER

PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
)
"""Suffixes of pictures that can be decoded."""


def files_below(folder: Path, suffixes: Sequence[str] = ()) -> Iterator[Path]:
    """Yield the files below a folder in alphabetical order: those with one of the suffixes, or all.

    Hidden files and folders are left out. Links to folders are not followed, so nothing outside the folder is read by
    its name.
    """
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and (not suffixes or name.lower().endswith(tuple(suffixes))):
                yield Path(current, name)


def split_of_folders(path: Path) -> str | None:
    """Return the split that the innermost folder with the name of one gives, or None. `path` is that of a folder."""
    return next(
        (SPLIT_OF_FOLDER[part.lower()] for part in reversed(path.parts) if part.lower() in SPLIT_OF_FOLDER), None
    )


def split_of_file(path: Path) -> str | None:
    """Return the split that one word of a file's name gives (`train-00000-of-00002.parquet`), else its folders."""
    words = re.split("[^a-z]+", path.stem.lower())
    named = {SPLIT_OF_FOLDER[word] for word in words if word in SPLIT_OF_FOLDER}
    return named.pop() if len(named) == 1 else split_of_folders(path.parent)


def common_folder(folders: Sequence[Path]) -> Path:
    """Return the folder that holds all of them. Keys start there, so they do not depend on how an archive unpacks."""
    return Path(os.path.commonpath(folders))


def name_below(base: Path, path: Path) -> str:
    """Return the path of a file below `base` as the key and group of a record have it."""
    return printable(path.relative_to(base).as_posix())
