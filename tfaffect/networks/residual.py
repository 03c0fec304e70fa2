"""Small residual networks for small pictures; a CPU trains them in one or two hours."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from tfaffect.config import Config

Blocks = Sequence[tuple[str, int, int]]
"""Name, channels and stride of each residual block.

Channels are multiples of 16, better of 32. With 24, 48 and 96 channels in place of the 32, 64 and 96 of `small`,
BatchNorm took three times as long in bfloat16, and a step 1.5 times as long.
"""


def micro(config: Config) -> keras.Model:
    """Return a network of 0.19 million weights: uint8 RGB pictures -> feature maps (batch, size / 4, size / 4, 64)."""
    blocks = (("block1a", 32, 2), ("block1b", 32, 1), ("block2a", 64, 2), ("block2b", 64, 1))
    return _residual(config, "micro", 16, blocks)


def small(config: Config) -> keras.Model:
    """Return a network of 1.1 million weights: uint8 RGB pictures -> feature maps (batch, size / 8, size / 8, 128)."""
    wide = (("block1a", 64, 2), ("block1b", 64, 1), ("block2a", 96, 2), ("block2b", 96, 1))
    return _residual(config, "small", 32, (*wide, ("block3a", 128, 2), ("block3b", 128, 1)))


def _residual(config: Config, name: str, stem: int, blocks: Blocks) -> keras.Model:
    """Return a network with random weights. Odd sides are rounded up when they are halved.

    It is a ResNet for small pictures as for CIFAR (He et al., Deep Residual Learning for Image Recognition, CVPR 2016)
    with squeeze-and-excitation (Hu et al., CVPR 2018). CPUs train plain 3 x 3 convolutions five times as fast as
    separable ones with as many weights. The stem has few channels, because its maps are as large as the picture.
    """
    momentum = config.batchnorm_momentum
    picture = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    x = _convolve(x, stem, 1, "stem", momentum)
    for block, channels, stride in blocks:
        x = _block(x, channels, stride, block, momentum)
    return keras.Model(picture, x, name=name)


def _block(x: keras.KerasTensor, channels: int, stride: int, name: str, momentum: float) -> keras.KerasTensor:
    shortcut = x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(x)
        shortcut = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_shortcut_conv")(shortcut)
        shortcut = layers.BatchNormalization(momentum=momentum, name=f"{name}_shortcut_bn")(shortcut)
    x = _convolve(x, channels, stride, f"{name}_first", momentum)
    x = _convolve(x, channels, 1, f"{name}_second", momentum, activate=False)
    x = layers.Add(name=f"{name}_add")([_excite(x, channels, name), shortcut])
    return layers.Activation("relu", name=f"{name}_activation")(x)


def _convolve(x: keras.KerasTensor, channels: int, stride: int, name: str, momentum: float, activate: bool = True):
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    x = layers.Conv2D(channels, 3, stride, **options, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_activation")(x) if activate else x


def _excite(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """Multiply each channel by a gate that is computed from the complete map (squeeze-and-excitation)."""
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)
    gate = layers.Conv2D(channels // 4, 1, activation="relu", name=f"{name}_se_reduce")(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_se_expand")(gate)
    return layers.Multiply(name=f"{name}_se_excite")([x, gate])
