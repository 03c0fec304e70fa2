"""Apply a recipe to a float32 file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT

from tfaffect.export.quantisation import integers, weights
from tfaffect.export.quantisation.graph import Graph
from tfaffect.export.quantisation.observation import observe
from tfaffect.export.quantisation.simplification import simplify
from tfaffect.export.saved_model import SIGNATURES

Pictures = Callable[[], np.ndarray]

LEAST_SIDE = 112
"""Sides of pictures for which integer arithmetic is more than a tenth faster than dynamic_int8, if the network has
depthwise convolutions, which stay float there. EfficientNet-B1 on one thread: 12.5 and 15.3 ms for 240 pixels, 3.2 and
3.6 for 112, 1.8 and 1.9 for 64. Without depthwise convolutions it is slower: `small` takes 1.8 and 1.3 ms.
ai-edge-quantizer 0.10 makes slower files (13.6 and 16.5 ms)."""


def candidates(recipe: str, content: bytes, calibration: Pictures | None = None) -> Iterator[ModelT]:
    """Yield the candidate models of a recipe, the best first; only int8 needs calibration pictures.

    `content` is a float32 file whose only signature is serving_default; the yielded models have those of `SIGNATURES`.
    """
    if recipe == "int8":
        if calibration is None:
            raise ValueError("int8 needs calibration pictures.")
        yield from _integer_models(content, calibration)
    graph = _open(content)
    if recipe == "float16":
        weights.make_float16(graph)
    elif recipe in ("int8", "dynamic_int8"):
        weights.make_dynamic(graph)
    yield graph.with_signatures(SIGNATURES)


def _integer_models(content: bytes, calibration: Pictures) -> Iterator[ModelT]:
    """Yield a model with integer arithmetic on large maps, where that pays."""
    graph = _open(content)
    (image,) = graph.inputs
    depthwise = any(graph.kind(operator) == "DEPTHWISE_CONV_2D" for operator in graph.operators)
    if not depthwise or graph.shape(image)[1] < LEAST_SIDE:
        return
    operators = integers.choose_operators(graph)
    ranges = observe(graph, integers.tensors_to_observe(graph, operators), calibration())
    integers.quantise(graph, operators, ranges)
    weights.make_dynamic(graph)
    yield graph.with_signatures(SIGNATURES)


def _open(content: bytes) -> Graph:
    graph = Graph(content)
    simplify(graph)
    return graph
