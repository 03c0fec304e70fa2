"""The layers of torchvision's EfficientNet-B1 in ours: their names, the order of their axes, their arithmetic."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.networks.pytorch import pickle as torch_pickle

EPSILON = 1e-5
"""What PyTorch's BatchNorm adds to the variance; keras.applications adds 1e-3."""

HEADS = {
    "embedding": "embeddings_layer",
    "batchnorm": "batchnorm",
    "expression": "classifier",
    "affect": "regression",
}
"""Our layers above the backbone -> the original's. Classes have the same order; affect is arousal, valence there."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict beside their optimizer's."""

PARTS = {
    **{"expand_conv": "0.0", "expand_bn": "0.1", "dwconv": "1.0", "bn": "1.1"},
    **{"se_reduce": "2.fc1", "se_expand": "2.fc2", "project_conv": "3.0", "project_bn": "3.1"},
}
"""The layers of a block in keras.applications -> in torchvision."""

VARIABLES = {
    **{"kernel": "weight", "bias": "bias"},
    **{"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"},
}
"""The variables of a layer in Keras -> in PyTorch."""


def backbone_weights(checkpoint: Path, backbone: keras.Model) -> None:
    """Fill EfficientNet-B1 from torchvision's file, or from a checkpoint of the original; its arithmetic is PyTorch's.

    The classifier of ImageNet and the heads of the original are left out. Raises UsageError as `network` does.
    """
    state = state_dict(checkpoint)
    prefix = "model." if any(key.startswith("model.features.") for key in state) else ""
    heads = tuple(f"{name}." for name in HEADS.values())
    state = {key: values for key, values in state.items() if not key.startswith(heads)}
    layers = {name: f"{prefix}{torch_name(name)}" for name in weighted_layers(backbone)}
    fill(backbone, layers, state, checkpoint)
    compute_like_pytorch(backbone)


def state_dict(checkpoint: Path) -> dict[str, np.ndarray]:
    """Return the state dict of a .pth, out of the dict of a training script, DataParallel and torch.compile."""
    state = torch_pickle.read(checkpoint)
    state = next((state[key] for key in WRAPPERS if isinstance(state.get(key), dict)), state)
    if not all(isinstance(key, str) for key in state):
        raise UsageError(f"{checkpoint} holds no state dict: its keys are not all names.")
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): values for key, values in state.items()}
    return state


def weighted_layers(backbone: keras.Model) -> list[str]:
    """Return the names of the layers whose weights are learned: 184 in EfficientNet-B1."""
    fixed = keras.layers.Normalization
    return [layer.name for layer in backbone.layers if layer.weights and not isinstance(layer, fixed)]


def torch_name(layer: str) -> str:
    """Return torchvision's name of a layer of keras.applications: block2b_dwconv is features.2.1.block.1.0."""
    place, _, part = layer.partition("_")
    if place in ("stem", "top"):
        return f"features.{0 if place == 'stem' else 8}.{('conv', 'bn').index(part)}"
    stage, repeat = int(place[5]), ord(place[6]) - ord("a")
    step, rest = PARTS[part].split(".")
    return f"features.{stage}.{repeat}.block.{int(step) - (stage == 1)}.{rest}"  # stage 1 does not expand


def fill(model: keras.Model, layers: dict[str, str], state: dict[str, np.ndarray], source: Path) -> None:
    """Set the weights of `layers` (our name -> PyTorch's) from a state dict, each key of it exactly once.

    PyTorch counts the batches of a BatchNorm, which nothing here asks for. Raises UsageError that names the keys of
    `source` which are missing, unknown or do not fit; nothing is set then.
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
    """Return PyTorch's axes in the order of ours: its convolutions are (out, in, height, width), its others (out, in).

    A depthwise convolution is (channels, 1, height, width) there, and (height, width, channels, 1) here.
    """
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (2, 3, 0, 1)
    return {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[len(variable.shape)]


def compute_like_pytorch(model: keras.Model) -> None:
    """Give BatchNorm the epsilon of PyTorch, and strided convolutions the same padding on both sides.

    keras.applications pads an even picture by one less above and on the left. Sizes stay as they are: the added row and
    column are left over by the stride.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = EPSILON
        elif isinstance(layer, keras.layers.ZeroPadding2D):
            layer.padding = tuple((max(sides), max(sides)) for sides in layer.padding)


def _misfit(values: object, variable: keras.Variable, order: tuple[int, ...]) -> str:
    """Say why values do not fit a variable, or nothing."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return "is no tensor of floats"
    expected = tuple(variable.shape[order.index(place)] for place in range(len(order)))
    if values.shape != expected:
        return f"{values.shape} instead of {expected}"
    return "" if np.isfinite(values).all() else "is not finite"


def _listed(keys: list[str], most: int = 5) -> str:
    shown = ", ".join(repr(key[:100])[1:-1] for key in keys[:most])
    return shown if len(keys) <= most else f"{shown} and {len(keys) - most} more"
