"""Places for records: a local folder, or a bucket that TensorFlow reads (gs://, s3:// ...).

The inputs and outputs of `embed` are read and written by `files.remote`, without TensorFlow.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from etils import epath


def open_store(path: str | os.PathLike) -> epath.Path:
    """Return a path object for a folder or bucket. Repairs gs:/, which pathlib makes from gs://."""
    return epath.Path(re.sub(r"^([a-z][a-z0-9]+):/+", r"\1://", os.fspath(path)))


def absolute(path: Path) -> Path:
    """Return a local path as an absolute path; the path of a bucket does not change."""
    return path if re.match(r"[a-z][a-z0-9]+:/", os.fspath(path)) else path.absolute()
