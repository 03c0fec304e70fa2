"""The pictures of a batch: decoded, letterboxed and augmented. No TensorFlow: threads of tf.data call it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfaffect.config import Config
from tfaffect.media import faces
from tfaffect.records.augmentation import Change, augment, change_probabilities, draw_changes
from tfaffect.records.letterboxing import Letterbox


def letterboxed(encoded: Sequence[bytes], names: Sequence[bytes], size: int) -> np.ndarray:
    """Return the pictures of records as uint8 (n, size, size, 3).

    names: `corpus/key` of each record. Raises UnreadablePictureError, which names a record that cannot be decoded.
    """
    pictures = np.empty((len(encoded), size, size, 3), np.uint8)
    letterbox = Letterbox()
    for place, (content, name) in enumerate(zip(encoded, names, strict=True)):
        try:
            picture = faces.decode(content)
        except faces.UnreadablePictureError as error:
            raise faces.UnreadablePictureError(f"The picture of record {name.decode()} is damaged: {error}") from error
        pictures[place] = letterbox(picture, size)
    return pictures


def augmented(
    encoded: Sequence[bytes], names: Sequence[bytes], epoch: int, indices: np.ndarray, config: Config
) -> np.ndarray:
    """Return the pictures of a batch of training faces, or of a part of it, with the changes of their epoch.

    indices: places of the faces in the epoch. Two generators are seeded by the seed, the epoch and the place: one draws
    the changes of all faces of the batch, the other the parameters of the changes of one face.
    """
    step, rows = indices[0] // config.batch_size, indices % config.batch_size
    batch_stream, face_stream = 0, 1
    rng = np.random.default_rng((config.seed, epoch, step, batch_stream))
    chosen = draw_changes(_change_probabilities(config), rng, config.batch_size)
    pictures = letterboxed(encoded, names, config.image_size)
    for picture, index, row in zip(pictures, indices, rows, strict=True):
        if changes := chosen[row]:
            picture[:] = augment(picture, changes, np.random.default_rng((config.seed, epoch, index, face_stream)))
    return pictures


def _change_probabilities(config: Config) -> list[tuple[Change, float]]:
    return change_probabilities(
        config.augmentation_probability,
        config.vertical_flip,
        config.affine_strength,
        config.erasing_probability,
        config.degradation_probability,
    )
