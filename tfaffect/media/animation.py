"""Frames that are stored as pictures: animated GIF, WebP, PNG and AVIF, TIFF of several pages, and numbered files."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tfaffect.media import faces
from tfaffect.media.decoding import TimedFrame, UnreadableVideoError

DEFAULT_DURATION = 0.1
"""Seconds of a frame whose file gives none, such as a page of a TIFF. Browsers show GIF frames without one as long."""

FORMATS = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")

BROKEN = (
    *(OSError, ValueError, SyntaxError, RuntimeError, EOFError, IndexError, struct.error),
    Image.DecompressionBombError,
)
"""What Pillow raises of damaged files, as the fuzz tests saw."""

SIGNATURE = re.compile(rb"GIF8|RIFF....WEBP|\x89PNG|....ftypavis|II[*+]\0|MM\0[*+]", re.DOTALL)
"""First bytes of files that may be animated. Only these are opened to find out."""


def is_animated(path: Path) -> bool:
    """Return whether a file is a picture of several frames or pages. Raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        if not SIGNATURE.match(file.read(16)):
            return False
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return bool(getattr(picture, "is_animated", False))
    except BROKEN:
        return False


def animation_frames(path: Path) -> Iterator[TimedFrame]:
    """Yield the frames of an animation at its own times. Raises UnreadableVideoError for a broken one."""
    seconds = 0.0
    try:
        with Image.open(path, formats=FORMATS) as picture:
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                rgba = picture.convert("RGBA")  # first: WebP and AVIF know a frame's duration when it is decoded
                duration = picture.info.get("duration", 0) / 1000 or DEFAULT_DURATION
                flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("RGB")
                yield TimedFrame(number, seconds, duration, partial(np.array, flat))
                seconds += duration
    except BROKEN as error:
        raise UnreadableVideoError(f"{path} cannot be decoded as an animation: {error}") from error


def sequence_frames(folder: Path, names: list[str], frames_per_second: float) -> Iterator[TimedFrame]:
    """Yield the picture files of a folder as the frames of a video."""
    for number, name in enumerate(names):
        read = partial(_read, Path(folder, name))
        yield TimedFrame(number, number / frames_per_second, 1 / frames_per_second, read)


def _read(path: Path) -> np.ndarray | None:
    try:
        return faces.read(path, upright=True)
    except (OSError, faces.UnreadablePictureError):
        return None
