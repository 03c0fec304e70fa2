"""Conversion of PyTorch's EfficientNet-B1 to Keras: names of the layers, order of the axes, arithmetic."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.networks.pytorch import pickle as torch_pickle

EPSILON = 1e-5
"""BatchNorm's epsilon in PyTorch; in keras.applications it is 1e-3."""

HEADS = {"embedding": "embeddings_layer", "batchnorm": "batchnorm", "expression": "classifier", "affect": "regression"}
"""Our layers after the backbone -> the original's. Its classes have the same order; its affect is arousal, valence."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the model's state dict."""

PARTS = {
    **{"expand_conv": "0.0", "expand_bn": "0.1", "dwconv": "1.0", "bn": "1.1"},
    **{"se_reduce": "2.fc1", "se_expand": "2.fc2", "project_conv": "3.0", "project_bn": "3.1"},
}
"""The layers of a block: keras.applications -> torchvision."""

VARIABLES = {
    **{"kernel": "weight", "bias": "bias"},
    **{"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"},
}
"""The variables of a layer: Keras -> PyTorch."""


def backbone_weights(checkpoint: Path, backbone: keras.Model) -> None:
    """Load EfficientNet-B1 from torchvision's file or a checkpoint of the original, and use PyTorch's arithmetic.

    It ignores ImageNet's classifier and the original's heads. Raises UsageError as `state_dict` and `fill` do.
    """
    state = state_dict(checkpoint)
    prefix = "model." if any(key.startswith("model.features.") for key in state) else ""
    heads = tuple(f"{name}." for name in HEADS.values())
    state = {key: values for key, values in state.items() if not key.startswith(heads)}
    layers = {name: f"{prefix}{torch_name(name)}" for name in weighted_layers(backbone)}
    fill(backbone, layers, state, checkpoint)
    compute_like_pytorch(backbone)


def state_dict(checkpoint: Path) -> dict[str, np.ndarray]:
    """Return the state dict in a .pth, without wrappers of training scripts, DataParallel and torch.compile."""
    state = torch_pickle.read(checkpoint)
    state = next((state[key] for key in WRAPPERS if isinstance(state.get(key), dict)), state)
    if not all(isinstance(key, str) for key in state):
        raise UsageError(f"{checkpoint} holds no state dict: its keys are not all names.")
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): values for key, values in state.items()}
    return state


def weighted_layers(backbone: keras.Model) -> list[str]:
    """Return the names of the layers with learned weights: 184 in EfficientNet-B1."""
    layers = [layer for layer in backbone.layers if not isinstance(layer, keras.layers.Normalization)]
    return [layer.name for layer in layers if layer.weights]


def torch_name(layer: str) -> str:
    """Return torchvision's name of a layer of keras.applications: block2b_dwconv is features.2.1.block.1.0."""
    block, _, part = layer.partition("_")
    if block in ("stem", "top"):
        return f"features.{0 if block == 'stem' else 8}.{('conv', 'bn').index(part)}"
    stage, repeat = int(block[5]), ord(block[6]) - ord("a")
    step, rest = PARTS[part].split(".")
    return f"features.{stage}.{repeat}.block.{int(step) - (stage == 1)}.{rest}"  # stage 1 has no expansion


def fill(model: keras.Model, layers: dict[str, str], state: dict[str, np.ndarray], source: Path) -> None:
    """Set the weights of `layers` (our name -> PyTorch's) from a state dict, and use each of its keys exactly once.

    PyTorch's batch counters of BatchNorm are ignored. Raises UsageError with the keys of `source` that are missing,
    unknown or do not fit, before any weight is set.
    """
    weights = {
        f"{prefix}.{VARIABLES[variable.name]}": (variable, axes(model.get_layer(name), variable))
        for name, prefix in layers.items()
        for variable in model.get_layer(name).weights
    }
    counters = {key.replace("running_mean", "num_batches_tracked") for key in weights if key.endswith("running_mean")}
    wrong = {
        "missing": [key for key in weights if key not in state],
        "unknown": [key for key in state if key not in weights and key not in counters],
        "not fitting": [
            f"{key} {misfit}" for key in weights if key in state and (misfit := _misfit(state[key], *weights[key]))
        ],
    }
    if any(wrong.values()):
        found = "; ".join(f"{kind}: {_listed(keys)}" for kind, keys in wrong.items() if keys)
        raise UsageError(f"{source} is not a state dict of this network. Received: {found}.")
    for key, (variable, order) in weights.items():
        variable.assign(state[key].transpose(order))


def axes(layer: keras.Layer, variable: keras.Variable) -> tuple[int, ...]:
    """Return the permutation of PyTorch's axes that gives ours.

    PyTorch's convolutions are (out, in, height, width) and its dense layers (out, in). A depthwise convolution is
    (channels, 1, height, width) in PyTorch and (height, width, channels, 1) in Keras.
    """
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (2, 3, 0, 1)
    return {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[len(variable.shape)]


def compute_like_pytorch(model: keras.Model) -> None:
    """Use PyTorch's epsilon in BatchNorm, and its symmetric padding in strided convolutions.

    keras.applications pads an even picture by one pixel less at the top and on the left. Output sizes do not change:
    the stride skips the added row and column.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = EPSILON
        elif isinstance(layer, keras.layers.ZeroPadding2D):
            layer.padding = tuple((max(sides), max(sides)) for sides in layer.padding)


def _misfit(values: object, variable: keras.Variable, order: tuple[int, ...]) -> str:
    """Return why values do not fit a variable, or an empty text."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return "is no tensor of floats"
    expected = tuple(variable.shape[order.index(axis)] for axis in range(len(order)))
    if values.shape != expected:
        return f"{values.shape} instead of {expected}"
    return "" if np.isfinite(values).all() else "is not finite"


def _listed(keys: list[str], most: int = 5) -> str:
    shown = ", ".join(repr(key[:100])[1:-1] for key in keys[:most])
    return shown if len(keys) <= most else f"{shown} and {len(keys) - most} more"
