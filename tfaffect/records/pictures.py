"""The pictures of a batch: decoded, letterboxed and augmented. No TensorFlow: threads of tf.data call it.

cykooz-resizer computes the same filter as Pillow, several times as fast: Pillow has no SIMD instructions, and copies
three channels into four and back. It has no wheels for Linux on ARM: there Pillow itself is used. Levels of the two
differ by 2 at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tfaffect.config import Config
from tfaffect.media import faces
from tfaffect.records.augmentation import affine, augment, change_probabilities, draw_changes

try:
    import cykooz_resizer
except ModuleNotFoundError:
    cykooz_resizer = None

NEARLY = 1.25
"""How much larger than the input a picture can be, so that one warp scales it without antialiasing."""


def letterboxed(encoded: Sequence[bytes], names: Sequence[bytes], size: int) -> np.ndarray:
    """Return the pictures of records as uint8 (n, size, size, 3).

    names: `corpus/key` of each record. Raises UnreadablePictureError, which names a record that cannot be decoded.
    """
    pictures = _empty(len(encoded), size)
    for place, (content, name) in enumerate(zip(encoded, names, strict=True)):
        pictures[place] = faces.letterbox(_decode(content, name), size, _resize)
    return pictures


def augmented(
    encoded: Sequence[bytes], names: Sequence[bytes], epoch: int, indices: np.ndarray, config: Config
) -> np.ndarray:
    """Return the pictures of a batch of training faces, or of a part of it, with the changes of their epoch.

    indices: places of the faces in the epoch. Two generators are seeded by the seed, the epoch and the place: one draws
    the changes of all faces of the batch, the other the parameters of the changes of one face.
    """
    size, strength = config.image_size, config.affine_strength
    pictures = _empty(len(encoded), size)
    step, rows = indices[0] // config.batch_size, indices % config.batch_size
    batch_stream, face_stream = 0, 1
    rng = np.random.default_rng((config.seed, epoch, step, batch_stream))
    chosen = draw_changes(change_probabilities(config), rng, config.batch_size)
    for place, (content, name, index, row) in enumerate(zip(encoded, names, indices, rows, strict=True)):
        picture, changes = _decode(content, name), chosen[row]
        height, width = picture.shape[:2]
        if not (strength and height == width <= NEARLY * size):
            picture = faces.letterbox(picture, size, _resize)
        if strength or changes:
            rng = np.random.default_rng((config.seed, epoch, index, face_stream))
            picture = affine(picture, rng, strength, size) if strength else picture
            picture = augment(picture, changes, rng)
        pictures[place] = picture
    return pictures


def _empty(count: int, size: int) -> np.ndarray:
    """Return an array for pictures that starts at a multiple of 64 bytes: TensorFlow copies all others."""
    shape = (count, size, size, 3)
    memory = np.empty(math.prod(shape) + 64, np.uint8)
    return memory[-memory.ctypes.data % 64 :][: math.prod(shape)].reshape(shape)


def _decode(content: bytes, name: bytes) -> np.ndarray:
    try:
        return faces.decode(content)
    except faces.UnreadablePictureError as error:
        raise faces.UnreadablePictureError(f"The picture of record {name.decode()} is damaged: {error}") from error


def _resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if cykooz_resizer is None:
        return faces.resize(picture, height, width)
    rgb, bilinear = cykooz_resizer.PixelType.U8x3, cykooz_resizer.FilterType.bilinear
    source = cykooz_resizer.ImageData(picture.shape[1], picture.shape[0], rgb, picture.tobytes())
    target = cykooz_resizer.ImageData(width, height, rgb)
    options = cykooz_resizer.ResizeOptions(cykooz_resizer.ResizeAlg.convolution(bilinear))
    cykooz_resizer.Resizer().resize(source, target, options)  # one for all threads would have a lock
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, 3)
