"""Checks the size that the header of a picture states, before memory is allocated for its pixels."""

from __future__ import annotations

import threading
import warnings
from io import BytesIO
from typing import BinaryIO

from PIL import Image

MOST_PIXELS = 250_000_000
"""Largest picture that is read, for example 18,257 x 13,693: phones and scanners have up to 200 million pixels."""

FULL_PIXELS = 90_000_000
"""Largest picture that is kept in full; the sides of larger ones are halved. Of a face with a 70th of the longer side,
the smallest that the detector finds, 156 pixels are left of 11,000, and 130 of 18,257 halved."""

LEAST_BYTES = 1 / 2000
"""Fewest bytes per pixel of a file with more than FULL_PIXELS pixels. Blank white pages have 0.0039 to 0.0157 as JPEG,
0.0015 to 0.0035 as PNG, LZW or deflated TIFF in greys and colours, 0.0018 as WebP: deflate cannot shrink by more than
1,032. A photo that was enlarged 27 times has 0.03. Crafted files have less: one colour as a PNG of 1 bit has 0.00013,
as lossless WebP, AVIF or JPEG 2000 0.00002 to 0.00008, and a header without pixels nothing."""

_lock = threading.Lock()  # Pillow's limit and the filters of warnings are global, and several threads read pictures


class UnreadablePictureError(ValueError):
    """Bytes that are not a picture, a truncated one, or one that is too large."""


def open_header(file: BinaryIO) -> Image.Image | None:
    """Read only the header with Pillow, in 0.05 ms. Return None if Pillow does not know the format."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for example about broken EXIF
        pillows_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # `is_large` has limits of its own
        try:
            return Image.open(file)
        except (OSError, ValueError, SyntaxError, RuntimeError):
            return None
        finally:
            Image.MAX_IMAGE_PIXELS = pillows_limit


def is_large(encoded: bytes) -> bool:
    """Return whether a picture has more than FULL_PIXELS pixels. Raises UnreadablePictureError if it is too large.

    OpenCV would allocate memory for any size that a header states.
    """
    picture = open_header(BytesIO(encoded))
    if picture is None or picture.width * picture.height <= FULL_PIXELS:
        return False
    check(picture, MOST_PIXELS)
    if len(encoded) < LEAST_BYTES * picture.width * picture.height:
        size = f"{picture.width} x {picture.height} pixels in only {len(encoded):,} bytes"
        raise UnreadablePictureError(
            f"The picture is too large: {size}. No photo is so small: it shows next to nothing."
        )
    return True


def check(picture: Image.Image, most: int) -> None:
    """Raise UnreadablePictureError for a picture of more than `most` pixels."""
    if picture.width * picture.height > most:
        size = f"{picture.width} x {picture.height} pixels"
        raise UnreadablePictureError(
            f"The picture is too large: {size}. At most {most // 10**6} million pixels are read. Scale it down."
        )
