"""Frames that are stored as pictures: animated GIF, WebP, PNG and AVIF, TIFF of several pages, and numbered files."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tfaffect.files import remote
from tfaffect.media import faces
from tfaffect.media.decoding import TimedFrame, UnreadableVideoError
from tfaffect.media.depth import to_8_bits
from tfaffect.media.limits import FULL_PIXELS, check, open_header

DEFAULT_DURATION = 0.1
"""Seconds of a frame whose file gives none, such as a page of a TIFF. Browsers show GIF frames without one as long."""

FORMATS = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")

BROKEN = (
    *(OSError, ValueError, TypeError, SyntaxError, RuntimeError, EOFError, IndexError, struct.error),
    Image.DecompressionBombError,
)
"""What Pillow raises of damaged files, as the fuzz tests saw."""

SIGNATURE = re.compile(rb"GIF8|RIFF....WEBP|\x89PNG|....ftypavis|II[*+]\0|MM\0[*+]", re.DOTALL)
"""First bytes of files that may be animated. Only these are opened to find out."""


def is_animated(path: Path) -> bool:
    """Return whether a file is a picture of several frames or pages. Raises OSError if it cannot be read."""
    if not SIGNATURE.match(remote.read_start(path, 16)):
        return False
    with remote.open_whole(path) as file:
        try:
            return bool(getattr(open_header(file), "is_animated", False))
        except BROKEN:
            return False


def animation_frames(path: Path) -> Iterator[TimedFrame]:
    """Yield the frames of an animation at its own times. Raises UnreadableVideoError for a broken one."""
    seconds = 0.0
    try:
        with remote.open_whole(path) as file:
            picture = open_header(file) or Image.open(file, formats=FORMATS)  # the second raises the error
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                check(picture, FULL_PIXELS)
                rgba = to_8_bits(picture).convert("RGBA")  # first: WebP and AVIF know a frame's duration when decoded
                duration = picture.info.get("duration", 0) / 1000 or DEFAULT_DURATION
                flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("RGB")
                convert = partial(np.array, flat)
                yield TimedFrame(number, seconds, duration, convert, convert)
                seconds += duration
    except BROKEN as error:
        raise UnreadableVideoError(f"{path} cannot be decoded as an animation: {error}") from error


def sequence_frames(folder: Path, names: list[str], frames_per_second: float) -> Iterator[TimedFrame]:
    """Yield the picture files of a folder as the frames of a video."""
    for number, name in enumerate(names):
        read = partial(_read, Path(folder, name))
        yield TimedFrame(number, number / frames_per_second, 1 / frames_per_second, read, read)


def _read(path: Path) -> np.ndarray | None:
    try:
        picture, reduction = faces.read_reduced(path, upright=True)
    except (OSError, faces.UnreadablePictureError):
        return None
    if reduction > 1:
        most = f"At most {FULL_PIXELS // 10**6} million pixels are read of each."
        raise UnreadableVideoError(f"{path} is too large for a frame of a video. {most}")
    return picture
