"""Detects truncated video files by the lengths of the outermost boxes of their container."""

from __future__ import annotations

import os
from pathlib import Path

from tfaffect.files import remote


def is_truncated(path: Path) -> bool:
    """Return whether a file ends in zeros, or before the outermost boxes of its container end.

    A number of frames below the container's claim is no proof: complete files can have it too, such as an MP4 that was
    trimmed without encoding it again (4 seconds claimed, 2 played), or Matroska with a longer sound track (6 and 4).
    """
    with remote.open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4096))
        if not any(file.read()):
            return True
        end = 0
        while end < size:
            file.seek(end)
            length = _box_length(file.read(16).ljust(16, b"\0"))
            if length is None:
                return False
            end += length
    return end > size


def _box_length(head: bytes) -> int | None:
    """Return the length in bytes of the box that starts with `head`; None for no box or a stream of open length."""
    if head.startswith(b"RIFF"):  # AVI, in chunks of at most 1 GB
        return 8 + int.from_bytes(head[4:8], "little")
    if head.startswith((b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67")) and head[4]:  # Matroska: header, segment
        width = 9 - head[4].bit_length()  # the leading zero bits of a length give its number of bytes
        length = int.from_bytes(head[4 : 4 + width]) - (1 << 7 * width)
        return 4 + width + length if length < (1 << 7 * width) - 1 else None
    if head[4:8].isalnum():  # MP4, MOV: length and type; a length of 1 means that a 64-bit length follows
        short, long = int.from_bytes(head[:4]), int.from_bytes(head[8:16])
        length = long if short == 1 else short
        return length if length >= 8 else None
    return None
