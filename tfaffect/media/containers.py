"""Video files as boxes: whether the outermost ones end where they say."""

from __future__ import annotations

import os
from pathlib import Path


def is_cut_off(path: Path) -> bool:
    """Whether a file ends in zeros, or before the outermost boxes of its container do.

    Fewer frames than claimed do not show it: whole files have them too, MP4 that was trimmed without coding it anew
    (4 seconds claimed, 2 on screen), and Matroska whose sound is longer (6 and 4).
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
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
    """Return the bytes of the box that begins so; None for what is no box, or a streamed one whose length is open."""
    if head.startswith(b"RIFF"):  # AVI, in chunks of at most 1 GB
        return 8 + int.from_bytes(head[4:8], "little")
    if head.startswith((b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67")) and head[4]:  # Matroska: header, segment
        width = 9 - head[4].bit_length()  # the leading zeros of a length say how many bytes it has
        length = int.from_bytes(head[4 : 4 + width]) - (1 << 7 * width)
        return 4 + width + length if length < (1 << 7 * width) - 1 else None
    if head[4:8].isalnum():  # MP4, MOV: length and kind; where the length is 1, a long one follows
        short, long = int.from_bytes(head[:4]), int.from_bytes(head[8:16])
        length = long if short == 1 else short
        return length if length >= 8 else None
    return None
