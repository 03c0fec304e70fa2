"""Class-balanced sampling: an epoch uses faces of rare classes more often, and those of frequent classes less often.

The number of times is a whole number that is drawn for each face and epoch, as in repeat factor sampling (Gupta et al.,
LVIS, CVPR 2019). It follows from seed, epoch and place alone, so a run resumes exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def face_weights(labels: Sequence[np.ndarray], corpus_weights: Sequence[float], power: float) -> list[np.ndarray]:
    """Return for each corpus how often (n,) an epoch uses each of its faces, on average, before its corpus weight.

    labels: the distributions (n, 8) of each corpus. A class of share s counts s ** -power times: with 1 all classes are
    equally frequent, with 0 nothing changes. The mean over the faces with a class is 1. A face without a class gets 1.
    """
    weighted = zip(labels, corpus_weights, strict=True)
    counts = np.sum([weight * part.sum(axis=0) for part, weight in weighted], axis=0)
    factors = np.divide(counts.sum(), counts, out=np.zeros(len(counts)), where=counts > 0) ** power
    factors *= counts.sum() / (counts @ factors) if counts.any() else 1.0
    return [np.where(part.any(axis=1), part @ factors, 1.0) for part in labels]


def repeated(examples: tf.data.Dataset, weights: np.ndarray, seed: int, epoch: int | tf.Tensor) -> tf.data.Dataset:
    """Return examples as often as an epoch uses them: on average `weights` (n,), in whole numbers drawn anew."""
    draws = tf.random.stateless_uniform(weights.shape, (tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)))
    times = tf.cast(tf.floor(tf.constant(weights, tf.float32) + draws), tf.int64)
    counted = tf.data.Dataset.zip(examples, tf.data.Dataset.from_tensor_slices(times))
    used = counted.filter(lambda _, count: count > 0)
    return used.flat_map(lambda example, count: tf.data.Dataset.from_tensors(example).repeat(count))
