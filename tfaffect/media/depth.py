"""Pictures whose header states how many bits of a sample are used. OpenCV 5.0 ignores it, and they become black."""

from __future__ import annotations

import re
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from tfaffect.media.limits import UnreadablePictureError, open_header

BITS_PER_SAMPLE, MAX_SAMPLE_VALUE = 258, 281
"""TIFF tags. The largest sample is 1023 or 4095 where cameras of 10 or 12 bits write files of 16 bits."""

DEPTHS = tuple(2**bits - 1 for bits in range(8, 16))
"""Values of the second tag that state a depth. Others are only the largest sample of this one picture."""

FLOATS = re.compile(rb"#\?|PF\s|Pf\s")
"""First bytes of Radiance (.hdr) and PFM. OpenCV 5.0 clips the first at 1.0 and rounds the second to whole numbers."""

PAM_MAXIMUM = re.compile(rb"P7\s.*?MAXVAL\s+(\d+)", re.DOTALL)


def decode_by_stated_depth(encoded: bytes) -> np.ndarray | None:
    """Return a PNM picture, or a TIFF of fewer used than stored bits, as RGB uint8, scaled by what its header states.

    Returns None for all other files. That includes PNG: its chunk sBIT only tells how precise the samples are, which
    use all 16 bits. Raises UnreadablePictureError for samples that are floating-point numbers.
    """
    if FLOATS.match(encoded):
        raise UnreadablePictureError("Pictures of floating-point numbers are not supported: convert it to PNG.")
    if (pam := PAM_MAXIMUM.match(encoded[:200])) and int(pam[1]) not in (255, 65535):
        raise UnreadablePictureError(f"PAM is supported with a MAXVAL of 255 and 65535. Received: {pam[1].decode()}.")
    if re.match(rb"P[1-6]\s", encoded):
        return _decode_pnm(encoded)
    return _decode_tiff(encoded) if encoded.startswith((b"II*\0", b"MM\0*")) else None


def to_8_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of Pillow with 8 bits per sample, because Pillow clips samples of more bits at 255.

    Raises UnreadablePictureError for samples of 32 bits, and for colours of which Pillow keeps only the upper 8 of 16.
    """
    depth = stated_depth(picture)
    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PPM") or (depth and picture.mode == "RGB"):
        raise UnreadablePictureError(f"Samples of this kind are not supported: {picture.mode}. Convert it to PNG.")
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray(_to_bytes(depth or 65535)[np.array(picture)])


def stated_depth(picture: Image.Image | None) -> int | None:
    """Return the largest sample of the depth that the header of a TIFF of 16 bits states; None if it states none."""
    tags = getattr(picture, "tag_v2", {})
    most = max(tags.get(MAX_SAMPLE_VALUE, ()), default=0)
    return most if set(tags.get(BITS_PER_SAMPLE, ())) == {16} and most in DEPTHS else None


def _to_bytes(most: int) -> np.ndarray:
    """Return the byte of each sample from 0 to 65535, rounded, where `most` becomes 255."""
    return np.minimum(np.arange(2**16) * 255 / most + 0.5, 255).astype(np.uint8)


def _decode_pnm(encoded: bytes) -> np.ndarray | None:
    """Pillow scales samples to 8 bits, but grey ones of more bits to 16."""
    if (picture := open_header(BytesIO(encoded))) is None:
        return None
    try:
        return np.array(to_8_bits(picture).convert("RGB"))
    except (OSError, ValueError) as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error}") from error


def _decode_tiff(encoded: bytes) -> np.ndarray | None:
    if (depth := stated_depth(open_header(BytesIO(encoded)))) is None:
        return None
    # OpenCV 5.0 leaves the picture unwritten with IMREAD_ANYDEPTH | IMREAD_COLOR_RGB
    try:
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR_BGR)
    except cv2.error as error:
        raise UnreadablePictureError(f"Not a picture that can be decoded: {error.err}") from error
    if picture is None or picture.dtype != np.uint16:
        return None
    return cv2.cvtColor(_to_bytes(depth)[picture], cv2.COLOR_BGR2RGB)
