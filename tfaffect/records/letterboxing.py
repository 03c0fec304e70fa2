"""The letterbox of training and evaluation: Pillow's filter, computed several times as fast by cykooz-resizer.

Pillow has no SIMD instructions, and copies three channels into four and back. cykooz-resizer has no wheels for Linux on
ARM: there Pillow itself is used. Levels of the two differ by 2 at most.
"""

from __future__ import annotations

import numpy as np

from tfaffect.media import faces

try:
    import cykooz_resizer
except ModuleNotFoundError:
    cykooz_resizer = None


class Letterbox:
    """Scales pictures between black bars, as `media.faces.letterbox` does. Each thread needs its own: it has a lock."""

    def __init__(self) -> None:
        self._resizer = cykooz_resizer and cykooz_resizer.Resizer()  # keeps its buffers from one picture to the next

    def __call__(self, picture: np.ndarray, size: int) -> np.ndarray:
        """Return a picture (height, width, 3) uint8 as (size, size, 3)."""
        return faces.letterbox(picture, size, self._resize if self._resizer else faces.resize)

    def _resize(self, picture: np.ndarray, height: int, width: int) -> np.ndarray:
        fast = cykooz_resizer
        source = fast.ImageData(picture.shape[1], picture.shape[0], fast.PixelType.U8x3, picture.tobytes())
        target = fast.ImageData(width, height, fast.PixelType.U8x3)
        bilinear = fast.ResizeAlg.convolution(fast.FilterType.bilinear)
        self._resizer.resize(source, target, fast.ResizeOptions(bilinear))
        return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, 3)
