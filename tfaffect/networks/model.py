"""The network: a backbone, an embedding of 256 affective features, and two heads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from tfaffect import contract as contracts
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.networks import efficientnet_b1, efficientnet_lite1, residual, statistics
from tfaffect.networks.pytorch import layers as torch_layers

EMBEDDING_SIZE = 256
EXPORTS = "A SavedModel or .onnx cannot be trained: name it with --teachers."
"""The end of an error about --weights."""

BACKBONES: dict[str, Callable[[Config], keras.Model]] = {
    "efficientnet_b1": efficientnet_b1.efficientnet_b1,
    "efficientnet_lite1": efficientnet_lite1.efficientnet_lite1,
    "small": residual.small,
    "micro": residual.micro,
}
"""The backbones by the `architecture` of a config: functions of the config."""

PRETRAINED: dict[str, dict[str, Callable[[], keras.Model]]] = {
    "efficientnet_b1": {"imagenet": efficientnet_b1.imagenet, "lite1": efficientnet_lite1.imagenet},
    "efficientnet_lite1": {"imagenet": efficientnet_lite1.imagenet},
}
"""Architecture -> the names of ImageNet's weights for `--weights`, the best first -> functions that load them."""

GROUPS = (
    *("stem", *(f"block{number}" for number in range(1, 8)), "top"),
    *("avg_pool", "identity", "dropout", "embedding", "batchnorm", "activation", "expression", "affect"),
)
"""The layer groups of the original, from the input to the heads; `identity` is in place of its removed classifier."""


def build(config: Config, backbone: keras.Model | None = None) -> keras.Model:
    """Return the network: uint8 RGB pictures (batch, size, size, 3) -> {expression, valence, arousal}.

    `expression`: logits (batch, 8). Valence and arousal: (batch,), in [-1, 1] if `affect_range` is bounded. The
    embedding (batch, 256) is the output of the layer `activation`. `backbone` maps the pictures to feature maps (batch,
    height, width, channels); the default is that of the config.
    """
    backbone = backbone or make_backbone(config)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(backbone.output)
    x = layers.Dropout(config.dropout, seed=config.seed, name="dropout")(x)
    x = layers.Dense(EMBEDDING_SIZE, name="embedding")(x)
    x = layers.BatchNormalization(momentum=config.batchnorm_momentum, name="batchnorm")(x)
    x = layers.Activation("tanh", name="activation")(x)
    outputs = {"expression": layers.Dense(len(CLASSES), name="expression", dtype="float32")(x)}
    squash = "tanh" if config.affect_range == "bounded" else None
    affect = layers.Dense(len(AFFECT), activation=squash, name="affect", dtype="float32")(x)
    outputs |= {name: affect[:, index] for index, name in enumerate(AFFECT)}
    return keras.Model(backbone.inputs[0], outputs, name="tfaffect")


def make_backbone(config: Config) -> keras.Model:
    """Return the backbone of a config with its first weights."""
    backbone = BACKBONES[config.architecture](config)
    if config.weights != "none":
        _load_weights(backbone, config)
    return backbone


def resolve_weights(config: Config) -> tuple[str, list[str]]:
    """Return the weights, and why better ones are not available. Other values than `auto` are returned as they are.

    `auto` becomes the first of `PRETRAINED` that is available, otherwise `none`.
    """
    if config.weights != "auto":
        return config.weights, []
    reasons: list[str] = []
    for name, load_network in PRETRAINED.get(config.architecture, {}).items():
        try:
            load_network()
        except UsageError as error:
            reasons.append(str(error))
        else:
            return name, reasons
    return "none", reasons


def _load_weights(backbone: keras.Model, config: Config) -> None:
    """Load the backbone's first weights. Weights from PyTorch keep its arithmetic, also when a run passes them on."""
    if config.architecture == "efficientnet_b1" and Path(config.weights).suffix in (".pth", ".pt"):
        torch_layers.backbone_weights(Path(config.weights), backbone)
        return
    if Path(config.weights).suffix == ".tflite":
        _fill_from_tflite(backbone, Path(config.weights), config.architecture)
        return
    source = _pretrained(config.weights, config.architecture)
    if (config.architecture, config.weights) == ("efficientnet_b1", "lite1"):
        efficientnet_b1.start_from_lite1(backbone, source)
        return
    _set_weights(backbone, source)
    if source.get_layer("stem_bn").epsilon == torch_layers.EPSILON:
        torch_layers.compute_like_pytorch(backbone)


def _fill_from_tflite(backbone: keras.Model, path: Path, architecture: str) -> None:
    from tfaffect.networks import tflite_weights  # LiteRT is not needed for other weights

    contract = contracts.read(path)
    contracts.check_weights(path, contract)
    if contract.architecture != architecture:
        raise UsageError(
            f"--weights {path} holds the network {contract.architecture}. Received: --architecture {architecture}. "
            f"Add --architecture {contract.architecture}."
        )
    tflite_weights.fill(backbone, path)


def renew_statistics(model: keras.Model, pictures: Iterable[np.ndarray]) -> None:
    """Measure the statistics of the backbone's BatchNorm on batches of pictures, without changing its answers."""
    statistics.renew(keras.Model(model.inputs[0], model.get_layer("avg_pool").input), pictures)


def _pretrained(weights: str, architecture: str) -> keras.Model:
    """Return the network that `--weights` names: one of `PRETRAINED`, a file or a run folder."""
    named = PRETRAINED.get(architecture, {})
    if weights in named:
        return named[weights]()
    path = Path(weights, "model.keras") if Path(weights).is_dir() else Path(weights)
    if path.suffix == ".keras" and path.is_file():
        return load(path)[0]
    if architecture != "efficientnet_b1":
        raise UsageError(
            f"The {architecture} network starts from {', '.join((*named, 'none'))}, or from a run. "
            f"Received: --weights {weights}. {EXPORTS}"
        )
    if not path.is_file() or path.suffix == ".onnx":
        raise UsageError(
            f"--weights must be {', '.join(named)}, none, auto, a run or an existing file. Received: {weights!r}. "
            f"{EXPORTS}"
        )
    return efficientnet_b1.from_file(path)


def _set_weights(backbone: keras.Model, source: keras.Model) -> None:
    """Copy the weights of all layers by name, except the normalisation, which is not learned."""
    for layer in backbone.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):
            try:
                layer.set_weights(source.get_layer(layer.name).get_weights())
            except ValueError as error:
                raise UsageError(f"--weights does not fit {backbone.name} at layer {layer.name}: {error}") from error


def layer_groups(model: keras.Model) -> dict[str, list[keras.Layer]]:
    """Return the layers with weights by group, from the input to the heads, for unfreezing and for learning rates.

    All `GROUPS` are keys: a group without weights still counts as a step between learning rates. Raises ValueError for
    a layer with weights that belongs to no group.
    """
    groups: dict[str, list[keras.Layer]] = {name: [] for name in GROUPS}
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
    """Return the network for users: uint8 pictures -> {expression: probabilities, valence, arousal, embedding}.

    The contract's temperature divides the logits. Heads that were trained without labels return NaN. With `mirror` in
    the contract, logits, affect and embedding are means over a picture and its mirror image.
    """
    pictures, raw = _mirrored(model) if contract.mirror else (model.inputs[0], _raw_outputs(model))
    logits = raw["expression"]
    if contract.temperature != 1:
        logits = layers.Rescaling(1 / contract.temperature, name="temperature")(logits)
    outputs = {"expression": layers.Softmax(name="probabilities")(logits), **{name: raw[name] for name in AFFECT}}
    untrained = {
        name: layers.Rescaling(float("nan"), name=f"{name}_not_trained")(output)
        for name, output in outputs.items()
        if name not in contract.trained
    }
    return keras.Model(pictures, {**outputs, **untrained, "embedding": raw["embedding"]}, name="predictor")


def _raw_outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    return {**model.output, "embedding": model.get_layer("activation").output}


def _mirrored(model: keras.Model) -> tuple[keras.KerasTensor, dict[str, keras.KerasTensor]]:
    """Return the input pictures and the mean outputs over them and their mirror images.

    Both go through the network in one batch: two copies of the network would double the size of a TFLite file.
    """
    network = keras.Model(model.inputs[0], _raw_outputs(model), name="network")
    pictures = keras.Input(model.input_shape[1:], dtype="uint8", name=model.inputs[0].name)
    both = network(ops.concatenate([pictures, ops.flip(pictures, axis=2)], axis=0))
    pairs = {name: ops.reshape(values, (2, -1, *values.shape[1:])) for name, values in both.items()}
    return pictures, {name: ops.mean(values, axis=0) for name, values in pairs.items()}


def save(model: keras.Model, contract: Contract, path: Path) -> None:
    """Write a `.keras` file with its contract inside, atomically."""
    with atomic.write_file(path) as partial:
        model.save(partial)
        contracts.add_to_archive(partial, replace(contract, weights_sha256=contracts.archive_sha256(partial)))


def load(run: Path) -> tuple[keras.Model, Contract]:
    """Return the network and its contract from a run folder or its model.keras.

    Raises UsageError when the file is missing or damaged, or when the contract does not fit the weights.
    """
    path = Path(run) / "model.keras" if Path(run).is_dir() else Path(run)
    contract = contracts.read(path)
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged file can raise anything, for example h5py's RuntimeError
        raise UsageError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    if model.input_shape[1:] != (contract.input_size, contract.input_size, 3):
        raise UsageError(f"{path} takes pictures {model.input_shape[1:]}; its contract says {contract.input_size}.")
    return model, contract
