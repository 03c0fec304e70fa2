"""From a picture to what the network sees: decode, crop, letterbox. One rule for builders, training and inference."""

from __future__ import annotations

import threading
import warnings
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from tfaffect.media.margin import MARGIN

Box = tuple[float, float, float, float]


class UnreadablePictureError(ValueError):
    """Bytes that are not a picture, or not a whole one."""


class EmptyBoxError(ValueError):
    """A box that holds no part of a picture."""


def decode(encoded: bytes, upright: bool = False) -> np.ndarray:
    """Return the picture in `encoded` (any format that OpenCV reads) as RGB uint8 (height, width, 3).

    Grey, alpha, CMYK and 16-bit pictures become RGB, of animations the first picture. By default pixels come as they
    are stored, because the boxes that corpora ship refer to those: an EXIF orientation is ignored (but a TIFF's, which
    OpenCV always applies), and transparent pixels show the colour under them. With `upright` the picture is what a
    viewer shows: turned, and black where it is transparent, as the bars of a letterbox are. Raises
    UnreadablePictureError, also for a picture whose end is missing.
    """
    if upright and (picture := _decode_by_pillow(encoded)) is not None:
        return picture
    data = np.frombuffer(encoded, np.uint8)
    flags = cv2.IMREAD_COLOR_RGB if upright else cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error.err}") from error
    if picture is None:
        advice = " HEIC is not supported: convert it to JPEG." if encoded[4:11] == b"ftyphei" else ""
        raise UnreadablePictureError(f"Not a picture that can be decoded. Received: {len(encoded)} bytes.{advice}")
    return picture


def read(path: Path, upright: bool = False) -> np.ndarray:
    """Return the picture in a file as RGB uint8 (height, width, 3), see `decode`.

    Raises OSError, and UnreadablePictureError also for more than 89 million pixels: a bomb's file is small.
    """
    encoded = Path(path).read_bytes()
    _header(encoded)
    return decode(encoded, upright)


_filters = threading.Lock()  # the filters of warnings belong to the process, and pictures are read in several threads


def _header(encoded: bytes) -> Image.Image | None:
    """Let Pillow read the header, which takes 0.05 ms; OpenCV would first make room for what a header claims.

    Raises UnreadablePictureError for a bomb; returns None for a format that only OpenCV knows, or no picture.
    """
    try:
        with _filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # broken EXIF, for one
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(BytesIO(encoded))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(f"Too many pixels: {error}") from error
    except (OSError, ValueError, SyntaxError, RuntimeError):
        return None


def _decode_by_pillow(encoded: bytes) -> np.ndarray | None:
    """Decode what OpenCV 5.0 does not show as a viewer does, upright: transparent pictures, and AVIF."""
    if encoded.startswith(b"\xff\xd8") or (picture := _header(encoded)) is None:  # JPEG: neither, and time is saved
        return None
    keyed = "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB")
    if not (keyed or picture.mode in ("RGBA", "LA", "PA") or picture.format == "AVIF"):
        return None
    try:
        shown = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error}") from error
    return np.array(Image.alpha_composite(Image.new("RGBA", shown.size, "black"), shown).convert("RGB"))


def crop(picture: np.ndarray, box: Box, margin: float = MARGIN) -> np.ndarray:
    """Cut the square around a face box out of a picture.

    The square has the centre of the box and `1 + 2 * margin` times its longer side; what lies outside the picture is
    left out, so that a crop at the border is not square. `box` is left, top, right, bottom in pixels, fractions
    allowed. Raises EmptyBoxError when the box is empty or lies outside the picture.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    if not (right > left and bottom > top and np.isfinite([x, y]).all()):
        raise EmptyBoxError(f"A face box must have an area. Received: box={box}.")
    side = round(max(right - left, bottom - top) * (1 + 2 * margin))
    first_row, first_column = round(y - side / 2), round(x - side / 2)
    rows = slice(max(0, first_row), min(height, first_row + side))
    columns = slice(max(0, first_column), min(width, first_column + side))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise EmptyBoxError(
            f"The box holds no part of the picture. Received: box={box}, picture of {width} x {height}."
        )
    return picture[rows, columns]


def letterbox(picture: np.ndarray, size: int) -> np.ndarray:
    """Scale a picture into a `size` x `size` square, keeping its aspect, centred between black bars.

    The scaled sides are rounded down, but never to 0. Shape (height, width, 3) uint8 in, (size, size, 3) uint8 out.
    """
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    scale = size / max(height, width)
    # The small term keeps sides exact that only floating point makes fractional: int(size * (width / width)).
    scaled = resize(picture, max(1, int(height * scale + 1e-6)), max(1, int(width * scale + 1e-6)))
    if scaled.shape[:2] == (size, size):
        return scaled
    square = np.zeros((size, size, 3), np.uint8)
    top, left = (size - scaled.shape[0]) // 2, (size - scaled.shape[1]) // 2
    square[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return square


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize bilinearly; a side that shrinks is filtered over the whole shrink ratio.

    By Pillow, as the original does. OpenCV's own bilinear filter looks at two source pixels whatever the ratio, and its
    area filter is a box: against the original's letterbox they are off by up to 25 and 9 grey levels, this by 1.
    """
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def encode(picture: np.ndarray) -> bytes:
    """Encode an RGB uint8 picture for a record: PNG up to 64 pixels, JPEG of quality 95 above.

    Small faces lose visibly under JPEG and cost little as PNG (about 5 kB at 48 pixels).
    """
    small = max(picture.shape[:2]) <= 64
    options = [] if small else [cv2.IMWRITE_JPEG_QUALITY, 95]
    whole, encoded = cv2.imencode(".png" if small else ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    assert whole
    return encoded.tobytes()
