"""Pictures and videos in folders."""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.kinds import PICTURES, is_named_like_media
from tfaffect.features.source import Search
from tfaffect.files import remote
from tfaffect.files.paths import printable


def search_folder(folder: Path, search: Search) -> list[Path]:
    """Return the pictures and videos in a folder and its subfolders by suffix, `face2.png` before `face10.png`.

    With `search.sequences`, a folder of pictures is returned in their place.

    Hidden files and folders are left out. Links are followed last and no folder is entered twice. So loops end, and a
    file is found under its real path if that is inside the folder.
    """
    if remote.address(folder):
        return _search_remote(folder, search)
    found, entered, queue = set(), set(), deque([folder])
    while queue:
        current = queue.popleft()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            names = os.listdir(current)
        except OSError as error:
            raise UsageError(f"The folder {printable(current)} cannot be read: {error.strerror}.") from error
        for path in (current / name for name in names if not name.startswith(".")):
            if os.path.isdir(path):
                (queue.append if path.is_symlink() else queue.appendleft)(path)
            elif path.suffix.lower() in PICTURES and search.sequences:
                found.add(current)
            elif is_named_like_media(path):
                found.add(path)
            else:
                search.passed_over[path.suffix.lower() or "no suffix"] += 1
    return sorted(found, key=_order)


def _search_remote(folder: Path, search: Search) -> list[Path]:
    if search.sequences:
        raise UsageError(f"--sequence-fps reads folders of this machine only. Received: {remote.address(folder)}.")
    try:
        files = remote.find(folder)
    except OSError as error:
        raise UsageError(f"The folder {remote.address(folder)} cannot be read: {error.strerror}.") from error
    found = []
    for path in files:
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if is_named_like_media(path):
            found.append(path)
        else:
            search.passed_over[remote.suffix(path) or "no suffix"] += 1
    return sorted(found, key=_order)


def _order(path: Path) -> tuple[list[list[str | int]], Path]:
    return [_natural_key(part) for part in path.parts], path


def sequence(folder: Path) -> list[str]:
    """Return the names of the pictures in a folder, in the order of a video: `face2.png` before `face10.png`.

    Raises OSError for what is no folder.
    """
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    return sorted((name for name in names if Path(name).suffix.lower() in PICTURES), key=_natural_key)


def _natural_key(name: str) -> list[str | int]:
    """Return a sort key that compares numbers in names as numbers: alternating text and numbers."""
    return [int(part) if index % 2 else part.casefold() for index, part in enumerate(re.split(r"(\d+)", name))]
