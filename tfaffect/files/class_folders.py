"""Folders that are named after classes."""

import os
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.labels import CLASS_OF_WORD


def class_folders(folder: Path) -> tuple[dict[Path, str], list[Path]]:
    """Return the sub-folders that are named after a class, with that class, and the other sub-folders.

    A name is any word of `labels.SYNONYMS`, in any case of letters. Hidden folders are left out. Raises UsageError for
    a folder that cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_folder(entry) and not entry.name.startswith("."))
    except OSError as error:
        raise UsageError(f"The folder {printable(folder)} cannot be read: {error.strerror}.") from error
    named = {folder / name: CLASS_OF_WORD[word] for name in names if (word := name.strip().lower()) in CLASS_OF_WORD}
    return named, [path for name in names if (path := folder / name) not in named]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one. The disk is asked for links only, and a link in a circle is none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
