"""The gradients of depthwise convolutions of small maps, as products of small matrices, for TensorFlow on processors.

TensorFlow's own kernel for the gradient of the filter visits every place of the filter for every place of the map. At
the last maps of EfficientNet-B1, most of these places are padding: for 2 x 2 maps of 1,152 channels and a filter of
5 x 5, it takes 11 ms, and the products take 1.3 ms. Measured by benchmarks/train_step.py.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import keras
import numpy as np

from tfaffect.networks.precision import only_cpus

MOST_PLACES = 25
"""The largest input map for which products are used. A matrix has a row for each place of the output and a column for
each place of the input, so for large maps nearly all of it would be zeros."""


def speed_up(layer: keras.layers.DepthwiseConv2D) -> None:
    """Replace the gradients of a layer with small maps. Results differ by rounding only."""
    if _is_suitable(layer):
        layer.call = MethodType(_call, layer)


def _is_suitable(layer: keras.layers.DepthwiseConv2D) -> bool:
    is_plain = not layer.use_bias and layer.activation is keras.activations.linear and layer.depth_multiplier == 1
    is_last = layer.data_format == "channels_last" and tuple(layer.dilation_rate) == (1, 1)
    _, height, width, _ = layer.input.shape
    is_small = None not in (height, width) and height * width <= MOST_PLACES
    return is_plain and is_last and is_small and only_cpus() and layer.compute_dtype == "float32"


def _call(layer: keras.layers.DepthwiseConv2D, inputs: Any) -> Any:
    import tensorflow as tf

    strides, padding = [1, *layer.strides, 1], layer.padding.upper()

    @tf.custom_gradient
    def convolve(inputs: Any, kernel: Any) -> Any:
        output = tf.nn.depthwise_conv2d(inputs, kernel, strides, padding)
        places = _places(inputs.shape[1:3], output.shape[1:3], layer)
        return output, lambda upstream: _gradients(inputs, kernel, upstream, places)

    return convolve(inputs, tf.convert_to_tensor(layer.kernel))


def _gradients(inputs: Any, kernel: Any, upstream: Any, places: np.ndarray) -> tuple[Any, Any]:
    """Return the gradients of the input and of the filter, from that of the output."""
    import tensorflow as tf

    taps, outputs, sources = places.shape
    flat = places.reshape(taps, -1)
    channels = kernel.shape[2]

    def by_channel(maps: Any, count: int) -> Any:
        return tf.transpose(tf.reshape(maps, (-1, count, channels)), (2, 1, 0))

    above, below = by_channel(upstream, outputs), by_channel(inputs, sources)
    products = tf.matmul(above, below, transpose_b=True)
    of_filter = tf.matmul(flat, tf.reshape(products, (channels, -1)), transpose_b=True)
    matrices = tf.matmul(tf.reshape(kernel, (taps, channels)), flat, transpose_a=True)
    of_input = tf.matmul(tf.reshape(matrices, (channels, outputs, sources)), above, transpose_a=True)
    return tf.reshape(tf.transpose(of_input, (2, 1, 0)), tf.shape(inputs)), tf.reshape(of_filter, kernel.shape)


def _places(source: Any, output: Any, layer: keras.layers.DepthwiseConv2D) -> np.ndarray:
    """Return which place of the input each tap of the filter multiplies: ones in (taps, outputs, inputs)."""
    sizes = zip(source, output, layer.kernel_size, layer.strides, strict=True)
    rows, columns = (_places_of_axis(*size, padded=layer.padding == "same") for size in sizes)
    taps, outputs, sources = (own * other for own, other in zip(rows.shape, columns.shape, strict=True))
    return np.einsum("iay,jbx->ijabyx", rows, columns).reshape(taps, outputs, sources)


def _places_of_axis(source: int, output: int, taps: int, stride: int, padded: bool) -> np.ndarray:
    """Return the same for one axis. TensorFlow puts the smaller half of its padding before the map."""
    before = max((output - 1) * stride + taps - source, 0) // 2 if padded else 0
    tap, place = np.mgrid[:taps, :output]
    return ((place * stride + tap - before)[..., None] == np.arange(source)).astype(np.float32)
