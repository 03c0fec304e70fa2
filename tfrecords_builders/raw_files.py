"""Find files in a raw folder."""

import os
from pathlib import Path


def find(root: Path, *names: str, depth: int = 3) -> Path | None:
    """Return the first file or folder below `root` with one of `names`, or None.

    Archives may unpack into a folder of their own, so a corpus is found by name and not at a fixed depth. Case is
    ignored. Earlier names win, then shallower paths, then alphabetical order. Links to folders are not followed.
    """
    ranks = {name.lower(): rank for rank, name in enumerate(names)}
    found = []
    for folder, folders, files in os.walk(root):
        found += [Path(folder, entry) for entry in folders + files if entry.lower() in ranks]
        if len(Path(folder).relative_to(root).parts) >= depth:
            folders.clear()  # deeper folders are listed but not entered
    return min(found, key=lambda path: (ranks[path.name.lower()], len(path.parts), path), default=None)


def innermost(folder: Path) -> Path:
    """Return `folder`, or the folder of the same name inside it: some archives unpack into a/a/."""
    while (folder / folder.name).is_dir():
        folder = folder / folder.name
    return folder


def path_below(root: Path, name: str) -> Path | None:
    """Return the path of a label row below `root`, or None for a path outside it or one with `..` in it.

    An absolute path must lie in `root` after links are followed.
    """
    name = name.strip().replace("\\", "/")
    parts = name.split("/")
    if not name or "\0" in name or ".." in parts:
        return None
    if Path(name).is_absolute():
        return _absolute_below(root, Path(name))
    if parts[0] == "" or parts[0].endswith(":"):
        return None
    return root.joinpath(*parts)


def _absolute_below(root: Path, path: Path) -> Path | None:
    """The path below `root`, as its row spells it where that is possible, or None for a path outside."""
    try:
        real_root, real_path = Path(os.path.realpath(root)), Path(os.path.realpath(path))
    except ValueError:  # a character that no file name can have
        return None
    if not real_path.is_relative_to(real_root):
        return None
    if path.is_relative_to(root.absolute()):
        return root / path.relative_to(root.absolute())
    return root / real_path.relative_to(real_root)
