"""Pooling over large maps in two steps, so that no sum is too large for float16."""

from __future__ import annotations

from types import MethodType

import keras

LARGEST_MAP = 64 * 64
"""Values in a map that are summed at once. GPUs of phones sum in float16, which ends at 65,504. A mean of 120 x 120
values overflows when it is above 4.5."""


def split_large(model: keras.Model) -> None:
    """Compute means over maps larger than `LARGEST_MAP` as means over columns, and then the mean of these.

    The result is the same up to rounding. EfficientNet-B1 has two such maps at 240 pixels. Both steps are pooling,
    because ONNX writes a mean along one axis as ReduceMean between transpositions.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.GlobalAveragePooling2D):
            _, height, width, _ = layer.input.shape
            if height * width > LARGEST_MAP:
                layer.call = MethodType(_pool, layer)


def _pool(layer: keras.layers.GlobalAveragePooling2D, inputs: keras.KerasTensor) -> keras.KerasTensor:
    columns = keras.ops.average_pool(inputs, (inputs.shape[1], 1), strides=1)
    return keras.ops.mean(columns, axis=(1, 2), keepdims=layer.keepdims)
