"""From a picture file to the network's input: decode, crop, letterbox. Used by builders, training and inference."""

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
    """Bytes that are not a picture, or a truncated one."""


class EmptyBoxError(ValueError):
    """A box without any pixel of the picture."""


def decode(encoded: bytes, upright: bool = False) -> np.ndarray:
    """Return the picture in `encoded` (any format that OpenCV reads) as RGB uint8 (height, width, 3).

    Grey, alpha, CMYK and 16-bit pictures are converted to RGB; an animation gives its first picture. By default the
    pixels are as stored, because the boxes of corpora refer to them: the EXIF orientation is ignored (except in TIFF,
    where OpenCV always applies it), and so is transparency. With `upright` the picture is as in a viewer: rotated, and
    black where it is transparent, like the bars of a letterbox. Raises UnreadablePictureError, also for a picture whose
    end is missing.
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

    Raises OSError, and UnreadablePictureError also for more than 89 million pixels (a decompression bomb).
    """
    encoded = Path(path).read_bytes()
    _open_header(encoded)
    return decode(encoded, upright)


_lock = threading.Lock()  # warning filters are global, and several threads read pictures


def _open_header(encoded: bytes) -> Image.Image | None:
    """Read only the header with Pillow, in 0.05 ms: OpenCV would allocate memory for any size that a header claims.

    Raises UnreadablePictureError for a decompression bomb. Returns None if Pillow does not know the format.
    """
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for example about broken EXIF
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(BytesIO(encoded))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(f"Too many pixels: {error}") from error
    except (OSError, ValueError, SyntaxError, RuntimeError):
        return None


def _decode_by_pillow(encoded: bytes) -> np.ndarray | None:
    """Decode, upright, what OpenCV 5.0 does not decode as a viewer does: transparent pictures and AVIF. Else None."""
    if encoded.startswith(b"\xff\xd8") or (picture := _open_header(encoded)) is None:  # JPEG is neither: saves time
        return None
    has_transparent_colour = "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB")
    if not (has_transparent_colour or picture.mode in ("RGBA", "LA", "PA") or picture.format == "AVIF"):
        return None
    try:
        rgba = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error}") from error
    return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("RGB"))


def crop(picture: np.ndarray, box: Box, margin: float = MARGIN) -> np.ndarray:
    """Crop the square around a face box.

    The square has the centre of the box and `1 + 2 * margin` times its longer side. Its part outside the picture is
    left out, so a crop at the border is not square. `box` is left, top, right, bottom in pixels, also fractions. Raises
    EmptyBoxError if the box is empty or outside the picture.
    """
    height, width = picture.shape[:2]
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
    return picture[rows, columns]


def letterbox(picture: np.ndarray, size: int) -> np.ndarray:
    """Scale a picture (height, width, 3) uint8 into (size, size, 3), centred between black bars.

    The aspect ratio is kept: the scaled sides are rounded down, but are at least 1.
    """
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    scale = size / max(height, width)
    # The small term corrects floating-point errors: without it, size * (width / width) can be rounded to size - 1.
    scaled = resize(picture, max(1, int(height * scale + 1e-6)), max(1, int(width * scale + 1e-6)))
    if scaled.shape[:2] == (size, size):
        return scaled
    square = np.zeros((size, size, 3), np.uint8)
    top, left = (size - scaled.shape[0]) // 2, (size - scaled.shape[1]) // 2
    square[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return square


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
