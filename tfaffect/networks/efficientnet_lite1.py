"""EfficientNet-Lite1: EfficientNet-B1 for devices, without squeeze-and-excitation and with ReLU6."""

from __future__ import annotations

import keras
from keras import layers

from tfaffect.config import Config
from tfaffect.networks.pytorch import layers as torch_layers
from tfaffect.networks.pytorch import lite1

STAGES = (
    *((1, 3, 1, 1, 16), (3, 3, 2, 6, 24), (3, 5, 2, 6, 40), (4, 3, 2, 6, 80)),
    *((4, 5, 1, 6, 112), (5, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
"""Blocks, side of the depthwise kernel, stride of the first block, expansion and channels of each stage.

EfficientNet-B1 has one block more in the first and in the last stage.
"""

INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
}
"""That of keras.applications. A dict, because an initializer object draws its seed once, when it is made."""


def efficientnet_lite1(config: Config) -> keras.Model:
    """Return EfficientNet-Lite1 with random weights and without its classifier, for uint8 RGB pictures.

    Feature maps are (batch, size / 32, size / 32, 1280). Layers have the names of EfficientNet-B1 in Keras. Pictures
    are normalised as (value - 127) / 128. Residual blocks start as the identity, as in EfficientNet-B1. Liu, Higher
    accuracy on vision models with EfficientNet-Lite, TensorFlow blog, 2020.
    """
    momentum = config.batchnorm_momentum
    picture = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(picture)
    x = _convolve(x, 32, "stem", momentum, kernel_size=3, strides=2)
    total, number = sum(blocks for blocks, *_ in STAGES), 0
    for stage, (blocks, kernel_size, stride, expansion, channels) in enumerate(STAGES, start=1):
        for repeat in range(blocks):
            name, drop = f"block{stage}{'abcde'[repeat]}", config.stochastic_depth * number / total
            x = _block(x, channels, kernel_size, 1 if repeat else stride, expansion, drop, name, momentum)
            number += 1
    x = _convolve(x, 1280, "top", momentum)
    return keras.Model(picture, x, name="efficientnet_lite1")


def imagenet() -> keras.Model:
    """Return the network with ImageNet's weights from the package of the extra `imagenet`.

    Raises UsageError when the package is not installed, or when its file is another one.
    """
    path = lite1.weights_file()
    state = torch_layers.state_dict(path)
    network = efficientnet_lite1(Config(weights="none"))
    names = lite1.torch_names(torch_layers.weighted_layers(network))
    torch_layers.fill(network, names, {key: values for key, values in state.items() if key not in lite1.HEAD}, path)
    return network


def _block(
    inputs: keras.KerasTensor,
    channels: int,
    kernel_size: int,
    stride: int,
    expansion: int,
    drop: float,
    name: str,
    momentum: float,
) -> keras.KerasTensor:
    """Return an inverted residual block. `drop` is the probability that training skips it."""
    x = inputs
    if expansion > 1:
        x = _convolve(x, x.shape[-1] * expansion, f"{name}_expand", momentum)
    options = {"padding": "same", "use_bias": False, "depthwise_initializer": INITIALIZER}
    x = layers.DepthwiseConv2D(kernel_size, stride, **options, name=f"{name}_dwconv")(x)
    x = _activate(x, name, momentum)
    x = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=INITIALIZER, name=f"{name}_project_conv")(x)
    is_residual = stride == 1 and inputs.shape[-1] == channels
    gamma = "zeros" if is_residual else "ones"
    x = layers.BatchNormalization(momentum=momentum, gamma_initializer=gamma, name=f"{name}_project_bn")(x)
    if not is_residual:
        return x
    x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Add(name=f"{name}_add")([x, inputs])


def _convolve(
    x: keras.KerasTensor, channels: int, name: str, momentum: float, kernel_size: int = 1, strides: int = 1
) -> keras.KerasTensor:
    options = {"padding": "same", "use_bias": False, "kernel_initializer": INITIALIZER}
    x = layers.Conv2D(channels, kernel_size, strides, **options, name=f"{name}_conv")(x)
    return _activate(x, name, momentum)


def _activate(x: keras.KerasTensor, name: str, momentum: float) -> keras.KerasTensor:
    """Normalise and activate. Keras's epsilon, 1e-3, is that of EfficientNet-Lite1."""
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return layers.Activation("relu6", name=f"{name}_activation")(x)
