"""Versions, backend and devices of a run: one entry for each start or resume."""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tfaffect.files import atomic

PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-datasets",
    "numpy",
    "pandas",
    "opencv-python-headless",
    "cykooz-resizer",
    "av",
    "ai-edge-litert",
    "jax",
)


def record(path: Path, first_epoch: int) -> None:
    """Add an entry to the JSON list in `path`; `first_epoch` is the next epoch of the run, counted from 1."""
    entries = json.loads(path.read_text()) if path.exists() else []
    entries.append({"from_epoch": first_epoch, **_environment()})
    with atomic.write_file(path) as partial:
        partial.write_text(json.dumps(entries, indent=2) + "\n")


def _environment() -> dict:
    """Return what scores may depend on. No name of a machine or folder: users share run folders."""
    import keras

    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "packages": _installed(),
        "devices": keras.distribution.list_devices(),
    }


def _installed() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
