"""Pictures whose encoded bytes lie inside a larger file."""

import numpy as np

from tfaffect.media import faces, limits


def decoded(encoded: bytes) -> np.ndarray:
    """Return a picture as RGB uint8 (height, width, 3), upright as in a viewer.

    Raises UnreadablePictureError, also for a picture that is too large, see `media.limits`.
    """
    limits.is_large(encoded)
    return faces.decode(encoded, upright=True)
