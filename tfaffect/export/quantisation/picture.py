"""Input of integer arithmetic: convert the bytes of a picture to int8 without float32 in between."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import OperatorT

from tfaffect.export.quantisation.graph import Graph, Quantization

MAX_BYTE = 255


def subtract_common_mean(graph: Graph) -> tuple[int, int] | None:
    """Subtract one integer from all channels, and move the rest of each channel's mean into the first biases.

    Return the tensor of centred pictures and the integer; None when the graph does not start as `simplify` leaves it.
    A byte minus that integer is an int8 value without rounding. The padding around the picture, which was the mean of
    each channel, becomes one grey: 114 for ImageNet's 124, 116 and 104.
    """
    found = _first_operators(graph)
    if found is None:
        return None
    subtraction, convolution = found
    means = np.broadcast_to(graph.values(subtraction.inputs[1]), graph.shape(subtraction.outputs[0])[-1:])
    common = round(float(means.mean()))
    weights = graph.values(convolution.inputs[1])
    bias = graph.values(convolution.inputs[2]) + (weights * (common - means)).sum(axis=(1, 2, 3))
    convolution.inputs[2] = graph.add_constant(bias.astype(np.float32), convolution.inputs[2])
    subtraction.inputs[1] = graph.add_constant(np.array([common], np.float32), subtraction.inputs[1])
    return subtraction.outputs[0], common


def value_range(common: int) -> tuple[float, float]:
    """Return the range of bytes minus an integer; its scale is 1."""
    return float(-common), float(MAX_BYTE - common)


def quantise_bytes(graph: Graph, centred: int, common: int) -> None:
    """Compute the int8 pictures from bytes instead of floats: 0.2 instead of 1.1 ms for a face of 240 pixels."""
    pictures = graph.pictures()
    for tensor in pictures:  # the same scale for all, so that concatenation only copies
        graph.requantise(tensor, Quantization(1.0, common))
    for index, operator in enumerate(graph.operators):
        if graph.kind(operator) == "QUANTIZE" and operator.inputs == [centred]:
            graph.operators[index] = graph.make("QUANTIZE", [pictures[-1]], operator.outputs, version=2)


def _first_operators(graph: Graph) -> tuple[OperatorT, OperatorT] | None:
    """Return the subtraction from the picture and the convolution with bias after it, if nothing else reads between."""
    users, tensor = graph.users(), graph.pictures()[-1]
    path: list[OperatorT] = []
    while len(users.get(tensor, [])) == 1 and not (path and graph.kind(path[-1]) == "CONV_2D"):
        (operator,) = users[tensor]
        path.append(operator)
        (tensor,) = operator.outputs
    kinds = [graph.kind(operator) for operator in path]
    if kinds not in (["CAST", "SUB", "CONV_2D"], ["CAST", "SUB", "PAD", "CONV_2D"]) or len(path[-1].inputs) < 3:
        return None
    return path[1], path[-1]
