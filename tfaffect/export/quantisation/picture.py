"""The way of a picture into integer arithmetic: its own bytes, without a detour through floats."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import OperatorT

from tfaffect.export.quantisation.graph import Graph, Quantization

BRIGHTEST = 255
SHIFT = 128
"""From uint8 to int8."""


def share_centre(graph: Graph) -> tuple[int, int] | None:
    """Subtract one whole number from all channels, and the rest of the centre in the first convolution's biases.

    Return the tensor of centred pictures and the number; None where the graph does not begin as `simplify` leaves it.
    Then a byte less that number is the integer, and nothing is rounded. What lies around the picture, which was each
    channel's centre, becomes one grey: 114 for ImageNet's 124, 116 and 104.
    """
    found = _beginning(graph)
    if found is None:
        return None
    subtraction, convolution = found
    centres = np.broadcast_to(graph.constant(subtraction.inputs[1]), graph.shape(subtraction.outputs[0])[-1:])
    shared = round(float(centres.mean()))
    weights = graph.constant(convolution.inputs[1])
    bias = graph.constant(convolution.inputs[2]) + (weights * (shared - centres)).sum(axis=(1, 2, 3))
    convolution.inputs[2] = graph.add_constant(bias.astype(np.float32), convolution.inputs[2])
    subtraction.inputs[1] = graph.add_constant(np.float32([shared]), subtraction.inputs[1])
    return subtraction.outputs[0], shared


def range_of(shared: int) -> tuple[float, float]:
    """Return the range of pictures less a whole number: its integers are one apart."""
    return float(-shared), float(BRIGHTEST - shared)


def enter_directly(graph: Graph, centred: int, shared: int) -> None:
    """Let the integers of centred pictures be made of their bytes instead of floats. 1.1 to 0.2 ms of 240 pixels."""
    pictures = graph.pictures()
    for tensor in pictures:  # to join two of other scales, a kernel would compute
        graph.requantise(tensor, Quantization(1.0, shared))
    for place, operator in enumerate(graph.operators):
        if graph.kind(operator) == "QUANTIZE" and operator.inputs == [centred]:
            graph.operators[place] = graph.make("QUANTIZE", [pictures[-1]], operator.outputs, version=2)


def _beginning(graph: Graph) -> tuple[OperatorT, OperatorT] | None:
    """The subtraction from the picture and the convolution after it, with a bias; nothing else reads in between."""
    users, tensor = graph.users(), graph.pictures()[-1]
    path = []
    while len(users.get(tensor, [])) == 1 and not (path and graph.kind(path[-1]) == "CONV_2D"):
        (operator,) = users[tensor]
        path.append(operator)
        (tensor,) = operator.outputs
    kinds = [graph.kind(operator) for operator in path]
    if kinds not in (["CAST", "SUB", "CONV_2D"], ["CAST", "SUB", "PAD", "CONV_2D"]) or len(path[-1].inputs) < 3:
        return None
    return path[1], path[-1]
