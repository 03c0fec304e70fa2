"""Tells pictures from videos: by the first bytes of a file, and by its suffix."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tfaffect.files import remote
from tfaffect.media.animation import is_animated
from tfaffect.media.decoding import RAW_JPEG

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")

PICTURES = (
    *(*JPEG, ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif"),
)
"""Suffixes of pictures in folders. HEIC is included although it cannot be decoded: a row with the reason is written."""

VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".asf", ".flv", ".3gp", ".3g2", ".ogv"),
    *(".ts", ".mts", ".m2ts", ".vob", ".m2v", ".mxf", ".dv", ".h264", ".264", ".h265", ".hevc", ".mjpeg", ".mjpg"),
)
"""Suffixes of videos in folders. A `.ts` file is used only if it is an MPEG transport stream: TypeScript has it too."""

START_BYTES = 200
"""First bytes of a file that are looked at."""

_PICTURE_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II[*+]\0|MM\0[*+]|RIFF....WEBP|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-7]\s"
    rb"|....ftyp(?:he[iv][cmsx]|mif[12]|msf1|avi[fs])",  # HEIC and AVIF are containers like MP4
    re.DOTALL,
)
_VIDEO_SIGNATURE = re.compile(
    rb"....(?:ftyp|moov|mdat|wide|free|skip)|RIFF....AVI |\x1a\x45\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|OggS"
    rb"|\x06\x0e\x2b\x34|\x1f\x07\0|\0\0\0\x01[\x09\x27\x40\x46\x67]|\x47.{187}\x47|.{4}\x47.{191}\x47"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # MP4 and MOV, AVI, Matroska and WebM, MPEG, Flash, Ogg, WMV
    re.DOTALL,
)


def kind(path: Path) -> Literal["picture", "video"]:
    """Return how to read a file: by its first bytes, else by its suffix, else as a picture.

    The content is not checked further. A `.jpg` at an address is a picture without a look at it: that saves a request,
    which takes as long as a small picture. Raises OSError if the file cannot be read.
    """
    suffix = remote.suffix(path)
    if suffix in JPEG and remote.address(path):
        return "picture"
    head = _start(path)
    if _PICTURE_SIGNATURE.match(head) and suffix not in RAW_JPEG:
        return "video" if is_animated(path) else "picture"
    return "video" if _VIDEO_SIGNATURE.match(head) or suffix in VIDEOS else "picture"


def _start(path: Path) -> bytes:
    """Return the first bytes of a file. Raises OSError for what is no file."""
    if remote.address(path):
        return remote.read_start(path, START_BYTES)
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "Not a file", os.fspath(path))  # opening a pipe would block
        with open(path, "rb") as file:
            return file.read(START_BYTES)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"Not a valid file name ({error})") from error


def is_named_like_media(path: Path) -> bool:
    """Return whether a suffix is that of a picture or video, and for `.ts` whether the content is one too."""
    if (suffix := remote.suffix(path)) != ".ts":
        return suffix in (*PICTURES, *VIDEOS)
    with suppress(OSError):
        return _VIDEO_SIGNATURE.match(remote.read_start(path, START_BYTES)) is not None
    return True
