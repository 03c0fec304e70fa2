"""Fused BatchNorm and swish for TensorFlow. They save a quarter of a step: Keras 3 computes both with many kernels."""

from __future__ import annotations

from functools import cache
from types import MethodType
from typing import Any

import keras

from tfaffect.networks import depthwise

SMALLEST_EPSILON = 1.001e-5
"""The smallest epsilon that cuDNN accepts; layers with a smaller one keep Keras's code."""


def fuse(model: keras.Model) -> None:
    """Train BatchNorm of feature maps and swish with fused kernels under TensorFlow; other backends fuse them already.

    Depthwise convolutions of small maps get the gradients of `depthwise`. Results, weights and saved files stay the
    same. Frozen BatchNorm and inference keep Keras's code. Measured by benchmarks/train_step.py. Ioffe and Szegedy,
    Batch Normalization, ICML 2015; Ramachandran et al., Searching for Activation Functions, 2017.
    """
    if keras.backend.backend() != "tensorflow":
        return
    for layer in model.layers:
        if _is_batchnorm_of_maps(layer):
            layer.call = MethodType(_normalise, layer)
        elif isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.silu:
            layer.call = _swish()
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            depthwise.speed_up(layer)


def _is_batchnorm_of_maps(layer: keras.Layer) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization) or layer.epsilon < SMALLEST_EPSILON or layer.renorm:
        return False
    return len(layer.output.shape) == 4 and layer.axis in (-1, 3) and layer.center and layer.scale


def _normalise(layer: keras.layers.BatchNormalization, inputs: Any, training: bool | None = None, mask: Any = None):
    """Normalise and update the running statistics; their variance divides by n, as in Keras."""
    if not training or not layer.trainable or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    empty = tf.zeros([0])
    output, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.convert_to_tensor(layer.gamma.value),
        offset=tf.convert_to_tensor(layer.beta.value),
        mean=empty,
        variance=empty,
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
    variance = unbiased * (count - 1) / count
    for running, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        running.assign(running * layer.momentum + value * (1 - layer.momentum))
    return output


@cache
def _swish() -> Any:
    """Return x sigmoid(x) with a gradient of one loop over the memory; TensorFlow's own gradient takes seven.

    XLA compiles only this loop, in some hundredths of a second per shape. A complete network would take minutes.
    """
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def gradient(inputs: Any, upstream: Any) -> Any:
        gate = tf.sigmoid(inputs)
        return upstream * (gate + inputs * gate * (1 - gate))

    @tf.custom_gradient
    def swish(inputs: Any) -> Any:
        return tf.nn.silu(inputs), lambda upstream: gradient(inputs, upstream)

    return swish
