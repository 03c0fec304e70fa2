"""From a picture file to the network's input: decode, crop, letterbox. Used by builders, training and inference."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from tfaffect.files import remote
from tfaffect.media import limits
from tfaffect.media.depth import decode_by_stated_depth
from tfaffect.media.limits import UnreadablePictureError
from tfaffect.media.margin import MARGIN
from tfaffect.media.views import View

__all__ = ["Box", "EmptyBoxError", "UnreadablePictureError", "crop", "decode", "encode", "letterbox", "read", "resize"]
__all__ += ["is_grey", "to_grey"]

Box = tuple[float, float, float, float]
Resize = Callable[[np.ndarray, int, int], np.ndarray]

STRIP = 512
"""Rows of a picture that are flattened at once. All at once would take 24 bytes per pixel, strips take 7."""


class EmptyBoxError(ValueError):
    """A box without any pixel of the picture."""


def decode(encoded: bytes, upright: bool = False, reduction: int = 1) -> np.ndarray:
    """Return the picture in `encoded` (any format that OpenCV reads) as RGB uint8 (height, width, 3).

    Grey, alpha, CMYK and 16-bit pictures are converted to RGB; an animation gives its first picture. By default the
    pixels are as stored, because the boxes of corpora refer to them: the EXIF orientation is ignored (except in TIFF,
    where OpenCV always applies it), and so is transparency. With `upright` the picture is as in a viewer: rotated, and
    black where it is transparent, like the bars of a letterbox. A `reduction` of 2 halves its sides: a JPEG while it is
    decoded, which takes 370 MB for 250 million pixels and not 1,440. Raises UnreadablePictureError, also for a picture
    whose end is missing.
    """
    picture = decode_by_stated_depth(encoded)
    if picture is None and upright:
        picture = _decode_by_pillow(encoded, reduction)
    elif picture is not None and reduction > 1:
        picture = resize(picture, -(-picture.shape[0] // reduction), -(-picture.shape[1] // reduction))
    return _decode_by_opencv(encoded, upright, reduction) if picture is None else picture


def _decode_by_opencv(encoded: bytes, upright: bool, reduction: int) -> np.ndarray:
    data = np.frombuffer(encoded, np.uint8)
    # OpenCV has no name for half the sides in RGB. The flag for grey only halves them when it comes with another one.
    flags = cv2.IMREAD_COLOR_RGB | (cv2.IMREAD_REDUCED_GRAYSCALE_2 if reduction == 2 else 0)
    try:
        picture = cv2.imdecode(data, flags if upright else flags | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    except cv2.error as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error.err}") from error
    if picture is None:
        advice = " HEIC is not supported: convert it to JPEG." if encoded[4:11] == b"ftyphei" else ""
        raise UnreadablePictureError(f"Not a picture that can be decoded. Received: {len(encoded)} bytes.{advice}")
    return picture


def read(path: Path, upright: bool = False) -> np.ndarray:
    """Return the picture in a file in full, as RGB uint8 (height, width, 3), see `decode`.

    Raises OSError, and UnreadablePictureError also for a picture that is too large, see `limits`.
    """
    encoded = remote.read_bytes(Path(path))
    with _one_large if limits.is_large(encoded) else nullcontext():
        return decode(encoded, upright)


def read_reduced(path: Path, upright: bool = False) -> tuple[np.ndarray, int]:
    """Return the picture in a file, and by how much its sides were divided.

    That is 1, or 2 for a picture of more than `limits.FULL_PIXELS` pixels. Multiplied by it, places are those of the
    full picture. Raises the same errors as `read`.
    """
    encoded = remote.read_bytes(Path(path))
    if not limits.is_large(encoded):
        return decode(encoded, upright), 1
    with _one_large:
        return decode(encoded, upright, reduction=2), 2


_one_large = threading.Lock()  # several at once would take 1.4 GB each


def _decode_by_pillow(encoded: bytes, reduction: int) -> np.ndarray | None:
    """Decode, upright, what OpenCV 5.0 does not decode as a viewer does: transparent pictures and AVIF. Else None."""
    if encoded.startswith(b"\xff\xd8"):  # JPEG is neither: saves time
        return None
    if (picture := limits.open_header(BytesIO(encoded))) is None:
        return None
    has_transparent_colour = "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB")
    if not (has_transparent_colour or picture.mode in ("RGBA", "LA", "PA") or picture.format == "AVIF"):
        return None
    try:
        ImageOps.exif_transpose(picture, in_place=True)
        return _flatten(picture, reduction)
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error}") from error


def _flatten(picture: Image.Image, reduction: int) -> np.ndarray:
    """Return a picture on black, with its sides divided by `reduction`."""
    height, width = (-(-side // reduction) for side in (picture.height, picture.width))
    flat = np.empty((height, width, 3), np.uint8)
    for top in range(0, picture.height, STRIP):
        strip = picture.crop((0, top, picture.width, min(top + STRIP, picture.height))).convert("RGBA")
        strip = strip.reduce(reduction) if reduction > 1 else strip
        black = Image.new("RGBA", strip.size, "black")
        flat[top // reduction :][: strip.height] = np.asarray(Image.alpha_composite(black, strip).convert("RGB"))
    return flat


def crop(picture: np.ndarray | View, box: Box, margin: float = MARGIN) -> np.ndarray:
    """Crop the square around a face box.

    The square has the centre of the box and `1 + 2 * margin` times its longer side. Its part outside the picture is
    left out, so a crop at the border is not square. `box` is left, top, right, bottom in pixels, also fractions. Raises
    EmptyBoxError if the box is empty or outside the picture.
    """
    return picture[crop_place(picture.shape, box, margin)]


def crop_place(shape: tuple[int, ...], box: Box, margin: float = MARGIN) -> tuple[slice, slice]:
    """Return the rows and columns of `crop` in a picture of this shape. Raises EmptyBoxError."""
    height, width = shape[:2]
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    if not (right > left and bottom > top and np.isfinite([x, y]).all()):
        raise EmptyBoxError(f"A face box must not be empty. Received: box={box}.")
    side = round(max(right - left, bottom - top) * (1 + 2 * margin))
    first_row, first_column = round(y - side / 2), round(x - side / 2)
    rows = slice(max(0, first_row), min(height, first_row + side))
    columns = slice(max(0, first_column), min(width, first_column + side))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise EmptyBoxError(f"The box is outside the picture. Received: box={box}, picture of {width} x {height}.")
    return rows, columns


def letterbox(picture: np.ndarray, size: int, resizer: Resize | None = None) -> np.ndarray:
    """Scale a picture (height, width, 3) uint8 into (size, size, 3), centred between black bars.

    The aspect ratio is kept: the scaled sides are rounded down, but are at least 1. `resizer` is used instead of
    `resize`.
    """
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    scale = size / max(height, width)
    # The small term corrects floating-point errors: without it, size * (width / width) can be rounded to size - 1.
    scaled = (resizer or resize)(picture, max(1, int(height * scale + 1e-6)), max(1, int(width * scale + 1e-6)))
    if scaled.shape[:2] == (size, size):
        return scaled
    square = np.zeros((size, size, 3), np.uint8)
    top, left = (size - scaled.shape[0]) // 2, (size - scaled.shape[1]) // 2
    square[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return square


def to_grey(pictures: np.ndarray) -> np.ndarray:
    """Return RGB uint8 pictures (..., height, width, 3) with the luma of ITU-R BT.601 in all three channels.

    OpenCV computes it with whole numbers. A picture that is grey already stays as it is, to the bit.
    """
    if not pictures.size:
        return pictures
    tall = np.ascontiguousarray(pictures).reshape(-1, *pictures.shape[-2:])
    return cv2.cvtColor(cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).reshape(pictures.shape)


def is_grey(picture: np.ndarray) -> bool:
    """Return whether red, green and blue are equal in every pixel of a picture (height, width, 3)."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    return np.array_equal(red, green) and np.array_equal(red, blue)


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize bilinearly with Pillow, as the original project does. A side that shrinks is antialiased.

    OpenCV's bilinear filter uses two source pixels for any ratio, and its area filter is a box: they differ from the
    original's letterbox by up to 25 and 9 grey levels, this one by 1.
    """
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def encode(picture: np.ndarray) -> bytes:
    """Encode an RGB uint8 picture for a record: PNG up to 64 pixels, JPEG of quality 95 above.

    JPEG visibly degrades small faces, and their PNG is small (about 5 kB at 48 pixels).
    """
    small = max(picture.shape[:2]) <= 64
    options = [] if small else [cv2.IMWRITE_JPEG_QUALITY, 95]
    success, encoded = cv2.imencode(".png" if small else ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    assert success
    return encoded.tobytes()
