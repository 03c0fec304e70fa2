"""EfficientNet-B1 of keras.applications, for uint8 RGB pictures."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers

from tfaffect.config import Config
from tfaffect.errors import UsageError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def efficientnet_b1(config: Config) -> keras.Model:
    """Return EfficientNet-B1 with random weights and without its classifier, for uint8 RGB pictures.

    Feature maps are (batch, size / 32, size / 32, 1280). Tan and Le, EfficientNet: Rethinking Model Scaling for
    Convolutional Neural Networks, ICML 2019. It normalises pictures by ImageNet's mean and deviation, with any weights.
    `keras.applications` only does so with ImageNet's weights, and there corrects a wrong variance by a second layer.
    """
    picture = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    backbone = keras.applications.EfficientNetB1(include_top=False, weights=None, input_tensor=picture)
    for layer in backbone.layers:
        if isinstance(layer, layers.Normalization):
            _normalise_like_imagenet(layer)
        elif isinstance(layer, layers.BatchNormalization):
            layer.momentum = config.batchnorm_momentum
        elif isinstance(layer, layers.Dropout):  # drops a block; keras.applications fixes the highest rate at 0.2
            layer.rate *= config.stochastic_depth / 0.2
    _start_residual_blocks_at_identity(backbone)
    return backbone


def _start_residual_blocks_at_identity(backbone: keras.Model) -> None:
    """Set the scale of each residual branch's last BatchNorm to 0: Goyal et al., Accurate, Large Minibatch SGD, 2017.

    Accuracy on FER+ after 300 steps of 64 faces at 32 pixels: 43 %, and 34 % with Keras's scale of 1. On drawn faces
    after 1,000 steps of 32: 94.7 %, and 84.4 % with a scale of 1.
    """
    names = {layer.name for layer in backbone.layers}
    for layer in backbone.layers:
        if layer.name.endswith("_project_bn") and layer.name.replace("_project_bn", "_add") in names:
            layer.gamma.assign(keras.ops.zeros_like(layer.gamma))


def _normalise_like_imagenet(layer: layers.Normalization) -> None:
    *_, count = layer.get_weights()
    layer.set_weights([np.array(IMAGENET_MEAN), np.square(IMAGENET_DEVIATION), count])
    layer.finalize_state()  # otherwise the layer keeps using its previous mean and variance


def imagenet() -> keras.Model:
    """Return the network with ImageNet's weights, downloaded once. Raises UsageError when the download fails."""
    try:
        return keras.applications.EfficientNetB1(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise UsageError(
            f"ImageNet weights could not be downloaded: {error}. Download efficientnetb1_notop.h5 on another machine "
            "and pass --weights PATH, start from EfficientNet-Lite1 with --weights lite1, or train from scratch with "
            "--weights none."
        ) from error


def start_from_lite1(backbone: keras.Model, lite1: keras.Model) -> None:
    """Set the weights so that the network begins close to EfficientNet-Lite1, which is B1 with fewer layers.

    Layers that both have are copied by name. Gates of squeeze-and-excitation begin at sigmoid(3) = 0.95. Blocks 1b and
    7b, which only B1 has, stay the identity. Swish stays in place of ReLU6.
    """
    shared = {layer.name for layer in lite1.layers if layer.weights}
    for layer in backbone.layers:
        if layer.name in shared:
            layer.set_weights(lite1.get_layer(layer.name).get_weights())
        elif layer.name.endswith("_se_expand"):
            kernel, bias = layer.get_weights()
            layer.set_weights([np.zeros_like(kernel), np.full_like(bias, 3)])
    _normalise_in_stem(backbone)


def _normalise_in_stem(backbone: keras.Model) -> None:
    """Let a stem that expects (value - 127) / 128 take pictures that are normalised by ImageNet's mean and deviation.

    The first is the second times `factor` plus `offset`. The kernel takes the factor, and BatchNorm's running mean the
    sum of the offsets. Only at the borders a small difference remains: there zeros stand for 127 in the one network and
    for the mean in the other.
    """
    convolution, batchnorm = backbone.get_layer("stem_conv"), backbone.get_layer("stem_bn")
    factor = 255 * np.array(IMAGENET_DEVIATION) / 128
    offset = (255 * np.array(IMAGENET_MEAN) - 127) / 128
    (kernel,) = convolution.get_weights()
    convolution.set_weights([kernel * factor[:, None]])
    gamma, beta, mean, variance = batchnorm.get_weights()
    batchnorm.set_weights([gamma, beta, mean - (kernel * offset[:, None]).sum(axis=(0, 1, 2)), variance])


def from_file(path: Path) -> keras.Model:
    """Return the network with the weights of Keras's efficientnetb1_notop.h5. Raises UsageError for another file."""
    network = keras.applications.EfficientNetB1(include_top=False, weights=None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns about layers that are missing in the file
            network.load_weights(path)
    except (ValueError, OSError, UserWarning) as error:
        raise UsageError(f"{path} does not hold the weights of EfficientNet-B1 without top: {error}") from error
    return network
