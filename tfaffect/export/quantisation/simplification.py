"""Write the same network with fewer operators; every recipe starts with these exact changes."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import OperatorT

from tfaffect.export.quantisation.graph import Graph

MAP_AXES = [1, 2]
"""Height and width."""


def simplify(graph: Graph) -> None:
    """Simplify squeeze-and-excitation and the normalisation of pictures."""
    keep_dimensions(graph)
    fold_normalisation(graph)


def keep_dimensions(graph: Graph) -> None:
    """Set `keepDims` of a mean over a map when the next operator only restores the dimensions.

    Keras reshapes to (batch, 1, 1, channels) with the shape of the mean: four operators in each of B1's 23 blocks that
    XNNPACK cannot run, so it must stop and start again. 22.7 instead of 24.3 ms for a face of 240 pixels.
    """
    producers = graph.producers()
    for operator in [operator for operator in graph.operators if graph.kind(operator) == "RESHAPE"]:
        mean = producers.get(operator.inputs[0])
        batch, *shape = graph.shape(operator.outputs[0])
        if mean is None or graph.kind(mean) != "MEAN" or shape[:-1] != [1, 1] or mean.builtinOptions.keepDims:
            continue
        if graph.values(mean.inputs[1]).tolist() == MAP_AXES and graph.shape(mean.outputs[0]) == (batch, shape[-1]):
            mean.builtinOptions.keepDims, mean.outputs = True, operator.outputs
            graph.operators.remove(operator)


def fold_normalisation(graph: Graph) -> None:
    """Turn the normalisation of pictures into one subtraction, and its factor into weights of the first convolution.

    It computes factor * (picture - mean) per channel. The padding around the picture stays 0, so the edges do not
    change. Arithmetic on three channels is slow: each removed operator saves 0.2 ms for a face of 240 pixels.
    """
    found = _normalisation(graph)
    if found is None:
        return
    (cast, *others), factor, offset, convolution = found
    weights = graph.values(convolution.inputs[1])
    convolution.inputs[1] = graph.add_constant((weights * factor).astype(np.float32), convolution.inputs[1])
    mean = graph.add_constant((-offset / factor).astype(np.float32), cast.outputs[0])
    index = graph.operators.index(others[-1])
    graph.operators[index] = graph.make("SUB", [cast.outputs[0], mean], others[-1].outputs)
    for operator in others[:-1]:
        graph.operators.remove(operator)


def _normalisation(graph: Graph) -> tuple[list[OperatorT], np.ndarray, np.ndarray, OperatorT] | None:
    """Return the operators on the picture, their factor and offset, and the first convolution; None if they differ."""
    users, tensor = graph.users(), graph.pictures()[-1]
    channels = graph.shape(tensor)[-1]
    factor, offset, padded = np.ones(channels), np.zeros(channels), False
    operators: list[OperatorT] = []
    while len(users.get(tensor, [])) == 1:
        (operator,) = users[tensor]
        kind, number = graph.kind(operator), _number(graph, operator)
        if kind == "CONV_2D":
            return (operators, factor, offset, operator) if len(operators) > 1 and np.all(factor) else None
        if kind == "PAD" and operators:
            padded = True  # with zeros, which a factor does not change
        elif kind in ("MUL", "ADD", "SUB") and operators and not padded and number is not None:
            factor, offset = _apply(kind, factor, offset, number)
            operators.append(operator)
        elif kind == "CAST" and not operators:
            operators.append(operator)
        else:
            return None
        (tensor,) = operator.outputs
    return None


def _number(graph: Graph, operator: OperatorT) -> np.ndarray | None:
    """Return the constant of an operator if it is a single number, or one number per channel."""
    values = graph.constant(operator.inputs[1]) if len(operator.inputs) == 2 else None
    if values is None or values.size not in (1, *values.shape[-1:]):
        return None
    return values.reshape(-1).astype(np.float64)


def _apply(kind: str, factor: np.ndarray, offset: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if kind == "MUL":
        return factor * number, offset * number
    return factor, offset + number if kind == "ADD" else offset - number
