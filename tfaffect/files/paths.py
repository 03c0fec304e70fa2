"""File names as other systems write them, and their files here."""

from __future__ import annotations

import os
from pathlib import Path
from unicodedata import normalize

from tfaffect.files.remote import with_addresses


def printable(name: str | Path) -> str:
    """Return a name as it can be printed and stored: with `\\xe9` for a byte that is not UTF-8.

    Addresses have their two slashes again, of which pathlib removes one.
    """
    return with_addresses(str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def cache_folder() -> Path:
    """Return the folder for files that can be made again: downloads, and tables on their way to a bucket."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tfaffect")


def existing(folder: Path, name: str) -> Path:
    """Return the path of a file in `folder` that a table names; the name may be written as another system writes it.

    Windows separates folders by backslashes, and macOS may take letters and accents apart (NFD), where other systems
    keep them in one character (NFC). The name as it is comes first. If no file is found, the path has that name.
    """
    path = folder / name
    if ("\\" not in name and name.isascii()) or _exists(path):  # most names: the disk is not asked
        return path
    for spelling in (name, name.replace("\\", "/")):
        found = Path(folder)
        for part in Path(spelling).parts:
            forms = (found / form for form in (part, normalize("NFC", part), normalize("NFD", part)))
            found = next(filter(_exists, forms), found / part)
        if _exists(found):
            return found
    return path


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a null character
        return False
