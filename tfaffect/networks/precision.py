"""Learning in bfloat16: convolutions in half the bytes, on processors that multiply them in hardware."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import layers

WHOLE = (layers.InputLayer, layers.Rescaling, layers.Normalization)
"""Layers below the pooled maps that keep float32: they bring the pixels in."""


def lower(model: keras.Model, precision: str) -> None:
    """Let the layers up to the pooled maps compute in `precision`, `float32` or `bfloat16`, before it is traced.

    Weights, running statistics, the embedding and the heads stay float32, and so does what `in_float32` saves.
    Micikevicius et al., Mixed Precision Training, ICLR 2018, which bfloat16 spares the scaling of the loss.
    """
    if precision == "float32":
        return
    above = [layer.name for layer in model.layers].index("avg_pool")
    for layer in model.layers[: above + 1]:
        if not isinstance(layer, WHOLE):
            layer.dtype_policy = f"mixed_{precision}"


@contextmanager
def in_float32(model: keras.Model) -> Iterator[keras.Model]:
    """Make it a float32 network while it is saved; what was traced already goes on as it is."""
    policies = {layer: layer.dtype_policy for layer in model.layers}
    for layer in policies:
        layer.dtype_policy = "float32"
    try:
        yield model
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy
