"""Means and variances of BatchNorm, measured on pictures without changing what the network computes."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
from keras import layers, ops


def renew(network: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Give each BatchNorm the mean and variance of its input on some pictures, and a scale and an offset to match.

    In use, the network answers as before. In training, BatchNorm divides by the variance of the batch. This gives what
    the network gives in use only if its scale and offset belong to that variance. batches: uint8 pictures (batch, size,
    size, 3).
    """
    found = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    moments = keras.Model(network.inputs[0], {layer.name: _moments(layer.input) for layer in found})
    measured = [moments(batch, training=False) for batch in batches]
    for layer in found:
        parts = [np.float64(ops.convert_to_numpy(values[layer.name])) for values in measured]
        mean, mean_square = np.mean(parts, axis=0)
        _set(layer, mean, np.maximum(mean_square - mean**2, 0))


def _moments(values: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean and the mean square of each channel: (2, channels)."""
    axes = list(range(len(values.shape) - 1))
    return ops.stack([ops.mean(values, axis=axes), ops.mean(ops.square(values), axis=axes)])


def _set(layer: layers.BatchNormalization, mean: np.ndarray, variance: np.ndarray) -> None:
    scale, offset, old_mean, old_variance = layer.get_weights()
    slope = scale / np.sqrt(old_variance + layer.epsilon)
    layer.set_weights([slope * np.sqrt(variance + layer.epsilon), offset + slope * (mean - old_mean), mean, variance])
