"""Weights with fewer bits: int8 with a scale per channel, or float16."""

from __future__ import annotations

import numpy as np

from tfaffect.export.quantisation.graph import Graph, Quantization

DYNAMIC = {"CONV_2D": 5, "FULLY_CONNECTED": 12}
"""Operators that quantise activations at run time when weights are int8 and inputs float32 -> the version that
supports a scale per channel. Depthwise convolutions are missing: XNNPACK cannot do this for them, TFLite's own
implementation is slower than float32, and their weights are few."""

WEIGHTED = (*DYNAMIC, "DEPTHWISE_CONV_2D")

MIN_WEIGHTS = 4096
"""Layers with fewer weights keep float32, because int8 gains nothing: the heads have 2,560."""

SMALLEST_SHARE = 2**-16
"""Smallest scale of a channel relative to the largest scale; a channel of zeros would have the scale 0."""


def quantise(weights: np.ndarray, axis: int, least: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 weights in [-127, 127] and the scale of each channel along `axis`, at least as large as `least`."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    scales = np.abs(weights).max(axis=others) / 127
    scales = np.maximum(scales, np.maximum(least, scales.max() * SMALLEST_SHARE))
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return np.round(weights / np.expand_dims(scales, others)).clip(-127, 127).astype(np.int8), scales


def make_dynamic(graph: Graph) -> None:
    """Give convolutions and dense layers with float32 inputs int8 weights; XNNPACK then multiplies integers."""
    for operator in graph.operators:
        version = DYNAMIC.get(graph.kind(operator))
        weights = graph.constant(operator.inputs[1]) if version else None
        if not version or weights is None or weights.dtype != np.float32 or weights.size < MIN_WEIGHTS:
            continue
        integers, scales = quantise(weights, axis=0)
        operator.inputs[1] = graph.add_constant(integers, operator.inputs[1], Quantization(scales))
        graph.set_version(operator, version)
        if graph.kind(operator) == "FULLY_CONNECTED":
            operator.builtinOptions.asymmetricQuantizeInputs = True


def make_float16(graph: Graph) -> None:
    """Store weights and biases as float16; XNNPACK converts them to float32 once, when it loads the file.

    Biases are few, but in WebAssembly XNNPACK leaves out a convolution of float16 weights with a float32 bias: a face
    of EfficientNet-Lite1 at 64 pixels took 16 instead of 3.5 ms in Chromium.
    """
    operators = []
    for operator in graph.operators:
        if graph.kind(operator) in WEIGHTED:
            for place, tensor in enumerate(operator.inputs):
                if place == 0 or tensor < 0:  # the input, and a bias that is missing
                    continue
                float16 = graph.add_constant(graph.values(tensor).astype(np.float16), tensor)
                operator.inputs[place] = graph.add_tensor(float16, np.float32)
                operators.append(graph.make("DEQUANTIZE", [float16], [operator.inputs[place]], version=3))
        operators.append(operator)
    graph.operators = operators
