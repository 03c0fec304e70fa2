"""BatchNorm and swish in few kernels under TensorFlow, where Keras 3 computes them by many: a quarter of a step."""

from __future__ import annotations

from functools import cache
from types import MethodType

import keras

SMALLEST_EPSILON = 1.001e-5
"""What cuDNN takes at least; smaller ones stay with Keras."""


def fuse(model: keras.Model) -> None:
    """Let the BatchNorm and the swish of maps learn by fused kernels; other backends compile their own.

    What a layer computes, its weights and its file are the same; frozen BatchNorm and inference stay with Keras. What
    it brings: benchmarks/train_step.py. Ioffe and Szegedy, Batch Normalization, ICML 2015; Ramachandran et al.,
    Searching for Activation Functions, 2017.
    """
    if keras.backend.backend() != "tensorflow":
        return
    for layer in model.layers:
        if _is_batchnorm_of_maps(layer):
            layer.call = MethodType(_normalise, layer)
        elif isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.silu:
            layer.call = _swish()


def _is_batchnorm_of_maps(layer: keras.Layer) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization) or layer.epsilon < SMALLEST_EPSILON or layer.renorm:
        return False
    return len(layer.output.shape) == 4 and layer.axis in (-1, 3) and layer.center and layer.scale


def _normalise(layer: keras.layers.BatchNormalization, inputs, training: bool | None = None, mask=None):
    """Normalise, and move the running statistics; the variance that they follow divides by n, as Keras's does."""
    if not training or not layer.trainable or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    nothing = tf.zeros([0])
    output, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.convert_to_tensor(layer.gamma.value),
        offset=tf.convert_to_tensor(layer.beta.value),
        mean=nothing,
        variance=nothing,
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
    variance = unbiased * (count - 1) / count
    for running, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        running.assign(running * layer.momentum + value * (1 - layer.momentum))
    return output


@cache
def _swish():
    """Return, once, x sigmoid(x) whose gradient is one loop: TensorFlow's own takes seven, each over all of the memory.

    XLA compiles that loop alone, for each shape in some hundredths of a second; whole networks take minutes there.
    """
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def gradient(inputs, upstream):
        gate = tf.sigmoid(inputs)
        return upstream * (gate + inputs * gate * (1 - gate))

    @tf.custom_gradient
    def swish(inputs):
        return tf.nn.silu(inputs), lambda upstream: gradient(inputs, upstream)

    return swish
