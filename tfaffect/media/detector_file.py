"""The weights of the face detector: one file, which is downloaded once and checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.files.download import DownloadError, download
from tfaffect.files.paths import cache_folder

FILE = "face_detection_yunet_2026may.onnx"
URLS = (
    f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{FILE}",
    f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{FILE}",
)
"""The same file at both places of its owners, the OpenCV project."""

SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
VARIABLE = "TFAFFECT_FACE_DETECTOR"


def find_weights(path: Path | None = None) -> Path:
    """Return the detector's weights: `path`, else the file in TFAFFECT_FACE_DETECTOR, else the cached download.

    Raises UsageError if they are missing or cannot be downloaded, or if their SHA-256 differs: all crops must be made
    with the same detector.
    """
    path, source = locate(path)
    if not path.is_file() and source:
        raise UsageError(f"There is no face detector at {path}, which {source} names.\n{advice()}")
    if not path.is_file():
        _download(path)
    if found := problem(path):
        again = "Name another file." if source else "Remove it, then it is downloaded again."
        raise UsageError(f"{path} {found} {again}\n{advice()}")
    return path


def locate(path: Path | None = None) -> tuple[Path, str]:
    """Return where the weights must be, and what names this place: the option, the variable, or "" for the cache."""
    if path:
        return Path(path), "--face-detector"
    if named := os.environ.get(VARIABLE):
        return Path(named), VARIABLE
    return _cached(), ""


def problem(path: Path) -> str | None:
    """Return the end of "PATH ...": what is wrong with a file of weights; None for the right one."""
    if not path.is_file():
        return "is not there."
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == SHA256 else f"is not {FILE}. Received: sha256 {digest}. Expected: {SHA256}."


def advice() -> str:
    """Return how to get the weights without internet access, in lines."""
    return (
        f"Without internet access here, download this file on another machine (0.2 MB, sha256 {SHA256}):\n"
        f"  {URLS[0]}\n"
        f"Then copy it to this machine as\n  {_cached()}\n"
        f"or name it with --face-detector PATH or {VARIABLE}. `tfaffect models --check` checks the copy."
    )


def _cached() -> Path:
    return cache_folder() / FILE


def _download(target: Path) -> None:
    try:
        content = download(URLS, SHA256, "face detector")
    except DownloadError as error:
        raise UsageError(f"The face detector could not be downloaded:\n{error}\n{advice()}") from error
    try:
        atomic.remove_unfinished(target)
        with atomic.write_file(target) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"The face detector was downloaded, but {target} cannot be written: {error.strerror}. Set XDG_CACHE_HOME "
            f"to a folder that can be written.\n{advice()}"
        ) from error
