"""The network: a backbone, the 256 affective features, and two heads."""

from __future__ import annotations

import re
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from tfaffect import contract as contracts
from tfaffect import whole
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.pytorch import layers as torch_layers

EMBEDDING = 256
"""Width of the affective features."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

GROUPS = (
    *("stem", *(f"block{number}" for number in range(1, 8)), "top"),
    *("avg_pool", "identity", "dropout", "embedding", "batchnorm", "activation", "expression", "affect"),
)
"""The layer groups of the original, from the picture to the heads; `identity` is its emptied classifier."""


def build(config: Config, backbone: keras.Model | None = None) -> keras.Model:
    """Return the network: uint8 RGB pictures (batch, size, size, 3) -> {expression, valence, arousal}.

    `expression` holds logits (batch, 8); valence and arousal (batch,) lie in [-1, 1] unless the config says linear.
    The embedding (batch, 256) is the output of the layer `activation`. `backbone` maps the same pictures to a feature
    map (batch, height, width, channels); without one it is EfficientNet-B1 with the weights that the config names.
    """
    backbone = backbone or efficientnet_b1(config)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(backbone.output)
    x = layers.Dropout(config.dropout, seed=config.seed, name="dropout")(x)
    x = layers.Dense(EMBEDDING, name="embedding")(x)
    x = layers.BatchNormalization(momentum=config.batchnorm_momentum, name="batchnorm")(x)
    x = layers.Activation("tanh", name="activation")(x)
    outputs = {"expression": layers.Dense(len(CLASSES), name="expression", dtype="float32")(x)}
    squash = "tanh" if config.affect_range == "bounded" else None
    affect = layers.Dense(len(AFFECT), activation=squash, name="affect", dtype="float32")(x)
    outputs |= {name: affect[:, place] for place, name in enumerate(AFFECT)}
    return keras.Model(backbone.inputs[0], outputs, name="tfaffect")


def efficientnet_b1(config: Config) -> keras.Model:
    """Return EfficientNet-B1 without its classifier, on uint8 RGB pictures that it normalises itself.

    Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019. Pictures are
    normalised by ImageNet's mean and deviation whatever the weights: `keras.applications` alone leaves them in [0, 1]
    without ImageNet's weights, and with these mends a wrong variance by a second Rescaling layer.
    """
    picture = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    backbone = keras.applications.EfficientNetB1(include_top=False, weights=None, input_tensor=picture)
    if config.weights != "none":
        _start_from(backbone, config.weights)
    for layer in backbone.layers:
        if isinstance(layer, layers.Normalization):
            _normalise_like_imagenet(layer)
        elif isinstance(layer, layers.BatchNormalization):
            layer.momentum = config.batchnorm_momentum
        elif isinstance(layer, layers.Dropout):  # of whole blocks; keras.applications fixes the highest rate at 0.2
            layer.rate *= config.stochastic_depth / 0.2
    return backbone


def _normalise_like_imagenet(layer: layers.Normalization) -> None:
    *_, count = layer.get_weights()
    layer.set_weights([np.array(IMAGENET_MEAN), np.square(IMAGENET_DEVIATION), count])
    layer.finalize_state()  # without it the layer goes on with the mean and variance of before


def resolve_weights(weights: str) -> str:
    """Return what `auto` means here: `imagenet` when these weights can be had, otherwise `none`; others stay."""
    if weights != "auto":
        return weights
    try:
        _weights_source("imagenet")
    except UsageError:
        return "none"
    return "imagenet"


def _start_from(backbone: keras.Model, weights: str) -> None:
    """Fill the backbone; weights that PyTorch learned keep PyTorch's arithmetic, from its file and from a run."""
    if Path(weights).suffix in (".pth", ".pt"):
        torch_layers.backbone_weights(Path(weights), backbone)
        return
    source = _weights_source(weights)
    _set_weights(backbone, source)
    if source.get_layer("stem_bn").epsilon == torch_layers.EPSILON:
        torch_layers.compute_like_pytorch(backbone)


def _weights_source(weights: str) -> keras.Model:
    if weights == "imagenet":
        try:
            return keras.applications.EfficientNetB1(include_top=False, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception when a download fails
            raise UsageError(
                f"ImageNet weights could not be had: {error}. Without internet, download efficientnetb1_notop.h5 "
                "elsewhere and pass --weights PATH, or train from scratch with --weights none."
            ) from error
    path = Path(weights)
    if path.is_dir():
        path = path / "model.keras"
    if not path.is_file():
        raise UsageError(f"--weights must be imagenet, none, auto or an existing file. Received: {weights!r}.")
    if path.suffix == ".keras":
        return load(path)[0]
    source = keras.applications.EfficientNetB1(include_top=False, weights=None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of layers that it does not find in the file
            source.load_weights(path)
    except (ValueError, OSError, UserWarning) as error:
        raise UsageError(f"{path} does not hold the weights of EfficientNet-B1 without top: {error}") from error
    return source


def _set_weights(backbone: keras.Model, source: keras.Model) -> None:
    """Copy every layer's weights by name, but for the normalisation, which is not learned."""
    for layer in backbone.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):
            try:
                layer.set_weights(source.get_layer(layer.name).get_weights())
            except ValueError as error:
                raise UsageError(f"--weights does not fit EfficientNet-B1 at layer {layer.name}: {error}") from error


def layer_groups(model: keras.Model) -> dict[str, list[keras.Layer]]:
    """Return the layers with weights by group, from the picture to the heads; one order for freezing and for rates.

    Every group of `GROUPS` is there: those without weights count as steps between learning rates. Raises ValueError for
    a weight that belongs to no group.
    """
    groups = {name: [] for name in GROUPS}
    for layer in model.layers:
        if not layer.weights:
            continue
        match = re.match(r"normalization|stem|block[1-7]|top|(embedding|batchnorm|expression|affect)$", layer.name)
        if match is None:
            raise ValueError(
                f"A layer with weights belongs to no group. Received: layer={layer.name}, groups={GROUPS}."
            )
        groups["stem" if match[0] == "normalization" else match[0]].append(layer)
    return groups


def predictor(model: keras.Model, contract: Contract) -> keras.Model:
    """Return what users get: uint8 pictures -> {expression: probabilities, valence, arousal, embedding}.

    The contract's temperature divides the logits. Heads that learned from no label give NaN.
    """
    logits = model.output["expression"]
    if contract.temperature != 1:
        logits = layers.Rescaling(1 / contract.temperature, name="temperature")(logits)
    outputs = {
        "expression": layers.Softmax(name="probabilities")(logits),
        **{name: model.output[name] for name in AFFECT},
    }
    unknown = {
        name: layers.Rescaling(float("nan"), name=f"{name}_not_trained")(output)
        for name, output in outputs.items()
        if name not in contract.trained
    }
    embedding = model.get_layer("activation").output
    return keras.Model(model.inputs[0], {**outputs, **unknown, "embedding": embedding}, name="predictor")


def save(model: keras.Model, contract: Contract, path: Path) -> None:
    """Write a `.keras` file with its contract inside, whole or not at all."""
    with whole.file(path) as partial:
        model.save(partial)
        contracts.add_to_archive(partial, replace(contract, weights_sha256=contracts.archive_sha256(partial)))


def load(run: Path) -> tuple[keras.Model, Contract]:
    """Return the network and its contract from a run folder or its model.keras.

    Raises UsageError when the file is missing or damaged, and when its contract does not fit its weights.
    """
    path = Path(run) / "model.keras" if Path(run).is_dir() else Path(run)
    contract = contracts.read(path)
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, zipfile.BadZipFile, OSError) as error:
        raise UsageError(f"{path} could not be loaded: {error}") from error
    if model.input_shape[1:] != (contract.input_size, contract.input_size, 3):
        raise UsageError(f"{path} takes pictures {model.input_shape[1:]}; its contract says {contract.input_size}.")
    return model, contract
