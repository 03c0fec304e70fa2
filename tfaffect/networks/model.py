"""The network: a backbone, the 256 affective features, and two heads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import keras
from keras import layers, ops

from tfaffect import contract as contracts
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.networks import efficientnet_b1, residual
from tfaffect.networks.pytorch import layers as torch_layers

EMBEDDING = 256
"""Width of the affective features."""

BACKBONES = {"efficientnet_b1": efficientnet_b1.efficientnet_b1, "small": residual.small, "micro": residual.micro}
"""What a config's `architecture` names: functions of the config."""

GROUPS = (
    *("stem", *(f"block{number}" for number in range(1, 8)), "top"),
    *("avg_pool", "identity", "dropout", "embedding", "batchnorm", "activation", "expression", "affect"),
)
"""The layer groups of the original, from the picture to the heads; `identity` is its emptied classifier."""


def build(config: Config, backbone: keras.Model | None = None) -> keras.Model:
    """Return the network: uint8 RGB pictures (batch, size, size, 3) -> {expression, valence, arousal}.

    `expression` holds logits (batch, 8); valence and arousal (batch,) lie in [-1, 1] unless the config says linear.
    The embedding (batch, 256) is the output of the layer `activation`. `backbone` maps the same pictures to a feature
    map (batch, height, width, channels); without one it is the network that the config names.
    """
    backbone = backbone or make_backbone(config)
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


def make_backbone(config: Config) -> keras.Model:
    """Return the network below the embedding that a config names, with the weights that it starts from."""
    backbone = BACKBONES[config.architecture](config)
    if config.weights != "none":
        _start_from(backbone, config)
    return backbone


def resolve_weights(config: Config) -> str:
    """Return what `auto` means here: `imagenet` when these weights can be had, otherwise `none`; others stay."""
    if config.weights != "auto":
        return config.weights
    try:
        _source("imagenet", config.architecture)
    except UsageError:
        return "none"
    return "imagenet"


def _start_from(backbone: keras.Model, config: Config) -> None:
    """Fill the backbone; weights that PyTorch learned keep PyTorch's arithmetic, from its file and from a run."""
    if config.architecture == "efficientnet_b1" and Path(config.weights).suffix in (".pth", ".pt"):
        torch_layers.backbone_weights(Path(config.weights), backbone)
        return
    source = _source(config.weights, config.architecture)
    _set_weights(backbone, source)
    if source.get_layer("stem_bn").epsilon == torch_layers.EPSILON:
        torch_layers.compute_like_pytorch(backbone)


def _source(weights: str, architecture: str) -> keras.Model:
    """Return a network with the weights that a word or a file stands for."""
    path = Path(weights, "model.keras") if Path(weights).is_dir() else Path(weights)
    if path.suffix == ".keras" and path.is_file():
        return load(path)[0]
    if architecture != "efficientnet_b1":
        raise UsageError(f"The {architecture} network starts from none, or from a run. Received: --weights {weights}.")
    if weights == "imagenet":
        return efficientnet_b1.imagenet()
    if not path.is_file():
        raise UsageError(f"--weights must be imagenet, none, auto or an existing file. Received: {weights!r}.")
    return efficientnet_b1.from_file(path)


def _set_weights(backbone: keras.Model, source: keras.Model) -> None:
    """Copy every layer's weights by name, but for the normalisation, which is not learned."""
    for layer in backbone.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):
            try:
                layer.set_weights(source.get_layer(layer.name).get_weights())
            except ValueError as error:
                raise UsageError(f"--weights does not fit {backbone.name} at layer {layer.name}: {error}") from error


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

    The contract's temperature divides the logits. Heads that learned from no label give NaN. Where the contract says
    so, logits, affect and embedding are the means of those of a picture and of its mirror image.
    """
    pictures, answers = _mirrored(model) if contract.mirror else (model.inputs[0], _answers(model))
    logits = answers["expression"]
    if contract.temperature != 1:
        logits = layers.Rescaling(1 / contract.temperature, name="temperature")(logits)
    outputs = {
        "expression": layers.Softmax(name="probabilities")(logits),
        **{name: answers[name] for name in AFFECT},
    }
    unknown = {
        name: layers.Rescaling(float("nan"), name=f"{name}_not_trained")(output)
        for name, output in outputs.items()
        if name not in contract.trained
    }
    return keras.Model(pictures, {**outputs, **unknown, "embedding": answers["embedding"]}, name="predictor")


def _answers(model: keras.Model) -> dict[str, keras.KerasTensor]:
    return {**model.output, "embedding": model.get_layer("activation").output}


def _mirrored(model: keras.Model) -> tuple[keras.KerasTensor, dict[str, keras.KerasTensor]]:
    """Pictures, and what the network answers to them and to their mirror images on average.

    One batch of both: were the network there twice, a TFLite file would be too.
    """
    network = keras.Model(model.inputs[0], _answers(model), name="network")
    pictures = keras.Input(model.input_shape[1:], dtype="uint8", name=model.inputs[0].name)
    both = network(ops.concatenate([pictures, ops.flip(pictures, axis=2)], axis=0))
    pairs = {name: ops.reshape(values, (2, -1, *values.shape[1:])) for name, values in both.items()}
    return pictures, {name: ops.mean(values, axis=0) for name, values in pairs.items()}


def save(model: keras.Model, contract: Contract, path: Path) -> None:
    """Write a `.keras` file with its contract inside, whole or not at all."""
    with atomic.write_file(path) as partial:
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
    except Exception as error:  # of a damaged file Keras raises whatever its parts do, such as h5py's RuntimeError
        raise UsageError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    if model.input_shape[1:] != (contract.input_size, contract.input_size, 3):
        raise UsageError(f"{path} takes pictures {model.input_shape[1:]}; its contract says {contract.input_size}.")
    return model, contract
