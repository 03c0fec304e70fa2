"""A small residual network for small pictures: a fortieth of EfficientNet-B1's weights, trained in an hour."""

from __future__ import annotations

import keras
from keras import layers

from tfaffect.config import Config

STEM = 16
"""Channels of the only maps as large as the picture: one block there would take as long as all others together."""

BLOCKS = (("block1a", 32, 2), ("block1b", 32, 1), ("block2a", 64, 2), ("block2b", 64, 1))
"""Name, channels and stride of each residual block."""


def micro(config: Config) -> keras.Model:
    """Return the network from random weights: uint8 RGB pictures -> maps (batch, size / 4, size / 4, 64).

    A ResNet of the kind made for CIFAR (He et al., Deep Residual Learning for Image Recognition, CVPR 2016), with
    squeeze-and-excitation (Hu et al., CVPR 2018). Plain 3 x 3 convolutions, because CPUs train them five times as fast
    as separable ones with as many weights.
    """
    momentum = config.batchnorm_momentum
    picture = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    x = _convolve(x, STEM, 1, "stem", momentum)
    for name, channels, stride in BLOCKS:
        x = _block(x, channels, stride, name, momentum)
    return keras.Model(picture, x, name="micro")


def _block(x, channels: int, stride: int, name: str, momentum: float):
    shortcut = x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(x)
        shortcut = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_shortcut_conv")(shortcut)
        shortcut = layers.BatchNormalization(momentum=momentum, name=f"{name}_shortcut_bn")(shortcut)
    x = _convolve(x, channels, stride, f"{name}_first", momentum)
    x = _convolve(x, channels, 1, f"{name}_second", momentum, activate=False)
    x = layers.Add(name=f"{name}_add")([_excite(x, channels, name), shortcut])
    return layers.Activation("relu", name=f"{name}_activation")(x)


def _convolve(x, channels: int, stride: int, name: str, momentum: float, activate: bool = True):
    x = layers.Conv2D(channels, 3, stride, "same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv")(
        x
    )
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_activation")(x) if activate else x


def _excite(x, channels: int, name: str):
    """Weigh each channel by what the whole map shows."""
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)
    gate = layers.Conv2D(channels // 4, 1, activation="relu", name=f"{name}_se_reduce")(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_se_expand")(gate)
    return layers.Multiply(name=f"{name}_se_excite")([x, gate])
