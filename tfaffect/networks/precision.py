"""Training in bfloat16: convolutions with half the memory, for hardware that multiplies bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import layers

FLOAT32_LAYERS = (layers.InputLayer, layers.Rescaling, layers.Normalization)
"""Layers before the pooled feature maps that stay float32, because they handle the pixel values."""


def set_precision(model: keras.Model, precision: str) -> None:
    """Let the layers up to the pooled feature maps compute in `precision`: `float32` or `bfloat16`.

    Call it before the model is traced. Weights, running statistics, the embedding and the heads stay float32.
    Micikevicius et al., Mixed Precision Training, ICLR 2018; bfloat16 does not need the loss scaling of that paper.
    """
    if precision == "float32":
        return
    last = [layer.name for layer in model.layers].index("avg_pool")
    for layer in model.layers[: last + 1]:
        if not isinstance(layer, FLOAT32_LAYERS):
            layer.dtype_policy = f"mixed_{precision}"


@contextmanager
def in_float32(model: keras.Model) -> Iterator[keras.Model]:
    """Make the model a float32 network while it is saved. Functions that were traced before do not change."""
    policies = {layer: layer.dtype_policy for layer in model.layers}
    for layer in policies:
        layer.dtype_policy = "float32"
    try:
        yield model
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy
