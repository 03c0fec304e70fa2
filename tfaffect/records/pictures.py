"""The pictures of a batch: decoded, letterboxed and augmented. No TensorFlow: threads of tf.data call it.

cykooz-resizer computes the same filter as Pillow, several times as fast: Pillow has no SIMD instructions, and copies
three channels into four and back. It has no wheels for Linux on ARM: there Pillow itself is used. Levels of the two
differ by 2 at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    return np.stack([faces.letterbox(picture, size, _resize) for picture in _decoded(encoded, names)])


def augmented(
    encoded: Sequence[bytes], names: Sequence[bytes], epoch: int, indices: np.ndarray, config: Config
) -> np.ndarray:
    """Return the pictures of a batch of training faces, or of a part of it, with the changes of their epoch.

    indices: places of the faces in the epoch. Two generators are seeded by the seed, the epoch and the place: one draws
    the affine maps and the changes of all faces of the batch, the other the parameters of the changes of one face. One
    for each face costs 0.007 ms, so faces without changes have none; seeded by a tuple it would cost 0.010.

    To read all of a batch and then to change all takes a twentieth less time than to do both for one after the other.
    """
    step, rows = indices[0] // config.batch_size, indices % config.batch_size
    batch_stream, face_stream = 0, 1
    rng = np.random.default_rng((config.seed, epoch, step, batch_stream))
    chosen = draw_changes(change_probabilities(config), rng, config.batch_size)
    maps = rng.uniform(-1, 1, (config.batch_size, AFFINE_DRAWS))[rows].tolist()
    read = zip(_decoded(encoded, names), maps, strict=True)
    pictures = [_placed(picture, draws, config.affine_strength, config.image_size) for picture, draws in read]
    for place, (index, row) in enumerate(zip(indices, rows, strict=True)):
        if chosen[row]:
            rng = np.random.default_rng(np.array([config.seed, epoch, index, face_stream], np.uint32))
            pictures[place] = augment(pictures[place], chosen[row], rng)
    return np.stack(pictures)


def _decoded(encoded: Sequence[bytes], names: Sequence[bytes]) -> Iterator[np.ndarray]:
    for content, name in zip(encoded, names, strict=True):
        try:
            yield faces.decode(content)
        except faces.UnreadablePictureError as error:
            raise faces.UnreadablePictureError(f"The picture of record {name.decode()} is damaged: {error}") from error


def _placed(picture: np.ndarray, draws: Sequence[float], strength: float, size: int) -> np.ndarray:
    """Letterbox a picture and move it. A square one that is not much too large is scaled while it is moved."""
    height, width = picture.shape[:2]
    if not (strength and height == width <= NEARLY * size):
        picture = faces.letterbox(picture, size, _resize)
    return affine(picture, draws, strength, size) if strength else picture


def _resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if cykooz_resizer is None:
        return faces.resize(picture, height, width)
    rgb, bilinear = cykooz_resizer.PixelType.U8x3, cykooz_resizer.FilterType.bilinear
    source = cykooz_resizer.ImageData(picture.shape[1], picture.shape[0], rgb, picture.tobytes())
    target = cykooz_resizer.ImageData(width, height, rgb)
    options = cykooz_resizer.ResizeOptions(cykooz_resizer.ResizeAlg.convolution(bilinear))
    cykooz_resizer.Resizer().resize(source, target, options)  # one for all threads would have a lock
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, 3)
