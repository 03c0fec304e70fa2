"""Where records may lie: in a folder, or in a bucket that TensorFlow reads (gs://, s3:// ...)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from etils import epath


def open_store(path: str | os.PathLike) -> epath.Path:
    """Return a path that lists and reads what `path` names, also where pathlib has folded gs:// into gs:/."""
    return epath.Path(re.sub(r"^([a-z][a-z0-9]+):/+", r"\1://", os.fspath(path)))


def absolute(path: Path) -> Path:
    """Return a local path as seen from the root; a bucket is the same from everywhere."""
    return path if re.match(r"[a-z][a-z0-9]+:/", os.fspath(path)) else path.absolute()
