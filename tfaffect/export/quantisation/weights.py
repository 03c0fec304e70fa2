"""Weights in fewer bits: eight with a scale for each channel, or sixteen."""

from __future__ import annotations

import numpy as np

from tfaffect.export.quantisation.graph import Graph, Quantization

DYNAMIC = {"CONV_2D": 5, "FULLY_CONNECTED": 12}
"""Operators that quantise each picture's activations themselves when their weights are int8 and their inputs float32,
with the version that knows a scale for each channel. XNNPACK has no such depthwise convolution: TFLite's own is slower
than the float one, and depthwise weights are few."""

WEIGHTED = (*DYNAMIC, "DEPTHWISE_CONV_2D")

FEWEST = 4096
"""Weights below which there is nothing to gain: the heads' 2,560 keep float32."""

SMALLEST_SHARE = 2**-16
"""Smallest scale of a channel as a share of the largest: a channel without weights has none of its own."""


def quantise(weights: np.ndarray, axis: int, least: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 weights in [-127, 127] and the scale of each channel along `axis`, at least as large as `least`."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    scales = np.abs(weights).max(axis=others) / 127
    scales = np.maximum(scales, np.maximum(least, scales.max() * SMALLEST_SHARE))
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return np.round(weights / np.expand_dims(scales, others)).clip(-127, 127).astype(np.int8), scales


def make_dynamic(graph: Graph) -> None:
    """Give convolutions and dense layers on float32 activations int8 weights; XNNPACK then multiplies integers."""
    for operator in graph.operators:
        version = DYNAMIC.get(graph.kind(operator))
        weights = graph.constant(operator.inputs[1]) if version else None
        if weights is None or weights.dtype != np.float32 or weights.size < FEWEST:
            continue
        integers, scales = quantise(weights, axis=0)
        operator.inputs[1] = graph.add_constant(integers, operator.inputs[1], Quantization(scales))
        graph.set_version(operator, version)
        if graph.kind(operator) == "FULLY_CONNECTED":
            operator.builtinOptions.asymmetricQuantizeInputs = True


def make_float16(graph: Graph) -> None:
    """Store weights as float16; XNNPACK widens them once, when the file is loaded."""
    operators = []
    for operator in graph.operators:
        if graph.kind(operator) in WEIGHTED:
            narrow = graph.add_constant(graph.constant(operator.inputs[1]).astype(np.float16), operator.inputs[1])
            wide = graph.add_tensor(narrow, np.float32)
            operators.append(graph.make("DEQUANTIZE", [narrow], [wide], version=3))
            operator.inputs[1] = wide
        operators.append(operator)
    graph.operators = operators
