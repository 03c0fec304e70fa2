"""The pictures of a batch: decoded, letterboxed and augmented. No TensorFlow: threads of tf.data call it.

cykooz-resizer computes the same filter as Pillow, several times as fast: Pillow has no SIMD instructions, and copies
three channels into four and back. It has no wheels for Linux on ARM: there Pillow itself is used. Levels of the two
differ by 2 at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfaffect.config import Config
from tfaffect.media import faces
from tfaffect.records.augmentation import AFFINE_DRAWS, affine, augment, change_probabilities, draw_changes

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
    return np.stack(_read(encoded, names, size))


def augmented(
    encoded: Sequence[bytes], names: Sequence[bytes], epoch: int, indices: np.ndarray, config: Config
) -> np.ndarray:
    """Return the pictures of a batch of training faces, or of a part of it, with the changes of their epoch.

    indices: places of the faces in the epoch. Two generators are seeded by the seed, the epoch and the place: one draws
    the affine maps and the changes of all faces of the batch, the other the parameters of the changes of one face. One
    for each face costs 0.01 ms, so faces without changes have none.
    """
    size, strength = config.image_size, config.affine_strength
    step, rows = indices[0] // config.batch_size, indices % config.batch_size
    batch_stream, face_stream = 0, 1
    rng = np.random.default_rng((config.seed, epoch, step, batch_stream))
    chosen = draw_changes(change_probabilities(config), rng, config.batch_size)
    maps = rng.uniform(-1, 1, (config.batch_size, AFFINE_DRAWS))
    pictures = _read(encoded, names, size, NEARLY if strength else 0)
    for place, (index, row) in enumerate(zip(indices, rows, strict=True)):
        if strength:
            pictures[place] = affine(pictures[place], maps[row], strength, size)
        if chosen[row]:
            rng = np.random.default_rng((config.seed, epoch, index, face_stream))
            pictures[place] = augment(pictures[place], chosen[row], rng)
    return np.stack(pictures)


def _read(encoded: Sequence[bytes], names: Sequence[bytes], size: int, kept: float = 0) -> list[np.ndarray]:
    """Decode and letterbox pictures. Square ones of at most `kept * size` pixels a side keep their size.

    To read all of a batch and then to change all takes a twentieth less time than to do both for one after the other.
    """
    pictures = []
    for content, name in zip(encoded, names, strict=True):
        try:
            picture = faces.decode(content)
        except faces.UnreadablePictureError as error:
            raise faces.UnreadablePictureError(f"The picture of record {name.decode()} is damaged: {error}") from error
        height, width = picture.shape[:2]
        keeps = height == width <= kept * size
        pictures.append(picture if keeps else faces.letterbox(picture, size, _resize))
    return pictures


def _resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if cykooz_resizer is None:
        return faces.resize(picture, height, width)
    rgb, bilinear = cykooz_resizer.PixelType.U8x3, cykooz_resizer.FilterType.bilinear
    source = cykooz_resizer.ImageData(picture.shape[1], picture.shape[0], rgb, picture.tobytes())
    target = cykooz_resizer.ImageData(width, height, rgb)
    options = cykooz_resizer.ResizeOptions(cykooz_resizer.ResizeAlg.convolution(bilinear))
    cykooz_resizer.Resizer().resize(source, target, options)  # one for all threads would have a lock
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, 3)
