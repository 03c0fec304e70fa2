"""Static quantisation of a part of the network: int8 activations with ranges from calibration faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ai_edge_litert.schema_py_generated import OperatorT

from tfaffect.export.quantisation import weights
from tfaffect.export.quantisation.graph import Graph, Quantization
from tfaffect.export.quantisation.observation import Range

LEVELS = 256
LOWEST, HIGHEST = -128, 127

KERNELS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "LOGISTIC": 2, "MUL": 2, "ADD": 2, "MEAN": 2, "PAD": 2}
"""Operators that XNNPACK runs on int8 -> the version that does."""

MAX_REDUCTION = 8
"""The picture's side divided by the side of the smallest feature maps that use integers."""

CONVOLUTIONS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}
"""Operator -> the axis of its weights for output channels."""

LARGEST_BIAS = 2**30
"""Biases are int32 in units of input scale times weight scale; twice this value would overflow."""

PROBABILITY = Quantization(1 / 256, LOWEST)
"""The fixed output quantisation of LOGISTIC's int8 kernel; it covers (0, 1)."""


def parameters(low: float, high: float) -> tuple[float, int]:
    """Return scale and zero point of int8 over a range that contains zero; zero is represented exactly."""
    scale = (high - low) / (LEVELS - 1)
    return scale, round(LOWEST - low / scale)


def choose_operators(graph: Graph) -> list[OperatorT]:
    """Return the operators that can run on integers, on feature maps of at least an eighth of the picture's side.

    Large maps take most of the time, and their values fit 8 bits. In deeper layers of B1 a few channels reach 300 while
    most stay below 1, which is too much for 8 bits. A mean counts by its input. Operators on vectors stay float.
    """
    (image,) = graph.inputs
    side = graph.shape(image)[1]

    def fits(operator: OperatorT) -> bool:
        tensor = operator.inputs[0] if graph.kind(operator) == "MEAN" else operator.outputs[0]
        shape = graph.shape(tensor)
        return len(shape) == 4 and shape[1] * MAX_REDUCTION >= side and graph.dtype(tensor) == np.float32

    return [operator for operator in graph.operators if graph.kind(operator) in KERNELS and fits(operator)]


def tensors_to_observe(graph: Graph, operators: list[OperatorT]) -> set[int]:
    """Return the tensors whose ranges `quantise` needs."""
    tensors = set[int]()
    for operator in operators:
        outputs = [] if graph.kind(operator) == "LOGISTIC" else operator.outputs
        tensors.update(outputs, (tensor for tensor in operator.inputs if graph.constant(tensor) is None))
    return tensors


def quantise(graph: Graph, operators: list[OperatorT], ranges: Mapping[int, Range]) -> None:
    """Run the operators on int8, with conversions between them and the others. Each range (low, high) contains zero."""
    quantiser = _Quantiser(graph, ranges)
    chosen = {id(operator) for operator in operators}
    for operator in graph.operators:
        quantiser.append_integer(operator) if id(operator) in chosen else quantiser.append_float(operator)
    quantiser.dequantise(graph.outputs)
    graph.operators = quantiser.operators


class _Quantiser:
    """The operators written so far, and the int8 versions of tensors.

    int8: float tensor -> its int8 version. int8_only: float tensors that are not computed until an operator needs them.
    """

    def __init__(self, graph: Graph, ranges: Mapping[int, Range]) -> None:
        self.graph, self.ranges = graph, ranges
        self.operators: list[OperatorT] = []
        self.int8: dict[int, int] = {}
        self.int8_only: set[int] = set()

    def append_float(self, operator: OperatorT) -> None:
        self.dequantise(operator.inputs)
        self.operators.append(operator)

    def dequantise(self, tensors: list[int]) -> None:
        for tensor in self.int8_only.intersection(tensors):
            self.operators.append(self.graph.make("DEQUANTIZE", [self.int8[tensor]], [tensor], version=2))
            self.int8_only.remove(tensor)

    def append_integer(self, operator: OperatorT) -> None:
        graph, kind = self.graph, self.graph.kind(operator)
        values = operator.inputs[:1] if kind in (*CONVOLUTIONS, "MEAN", "PAD") else operator.inputs
        inputs = [self._to_int8(tensor) for tensor in values]
        if kind in CONVOLUTIONS:
            inputs += self._weights(operator, inputs[0])
        (output,) = operator.outputs
        if kind == "LOGISTIC":
            quantization = PROBABILITY
        elif kind == "PAD":  # it copies values, so the scale must not change
            quantization = Quantization(*graph.quantization(inputs[0]))
        else:
            quantization = Quantization(*parameters(*self.ranges[output]))
        self.int8[output] = graph.add_tensor(output, np.int8, quantization)
        self.int8_only.add(output)
        operator.inputs = [*inputs, *operator.inputs[len(inputs) :]]
        operator.outputs = [self.int8[output]]
        graph.set_version(operator, KERNELS[kind])
        self.operators.append(operator)

    def _to_int8(self, tensor: int) -> int:
        """Return the int8 version of a tensor; quantise a constant or a float tensor that has none."""
        if tensor not in self.int8:
            values = self.graph.constant(tensor)
            if values is None:
                quantization = Quantization(*parameters(*self.ranges[tensor]))
                self.int8[tensor] = self.graph.add_tensor(tensor, np.int8, quantization)
                self.operators.append(self.graph.make("QUANTIZE", [tensor], [self.int8[tensor]]))
            else:
                scale, zero = parameters(min(values.min(), 0.0), max(values.max(), 0.0))
                integers = (np.round(values / scale) + zero).clip(LOWEST, HIGHEST).astype(np.int8)
                self.int8[tensor] = self.graph.add_constant(integers, tensor, Quantization(scale, zero))
        return self.int8[tensor]

    def _weights(self, operator: OperatorT, image: int) -> list[int]:
        """Return int8 weights with a scale per output channel, and int32 biases in units of both scales multiplied."""
        graph, axis = self.graph, CONVOLUTIONS[self.graph.kind(operator)]
        values = graph.values(operator.inputs[1])
        bias = graph.values(operator.inputs[2]) if len(operator.inputs) > 2 else np.zeros(values.shape[axis])
        scale, _ = graph.quantization(image)
        integers, scales = weights.quantise(values, axis, least=np.abs(bias) / (scale * LARGEST_BIAS))
        units = scales.astype(np.float64) * scale
        return [
            graph.add_constant(integers, operator.inputs[1], Quantization(scales, axis=axis)),
            graph.add_constant(np.round(bias / units).astype(np.int32), operator.inputs[1], Quantization(units)),
        ]
