"""Apply a recipe to a float32 file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT

from tfaffect.export.quantisation import integers, picture, weights
from tfaffect.export.quantisation.graph import Graph
from tfaffect.export.quantisation.observation import observe
from tfaffect.export.quantisation.ranges import choose_range
from tfaffect.export.quantisation.simplification import simplify
from tfaffect.export.saved_model import SIGNATURES

Pictures = Callable[[], np.ndarray]


def candidates(recipe: str, content: bytes, calibration: Pictures | None = None) -> Iterator[ModelT]:
    """Yield the candidate models of a recipe, the best first; only int8 needs calibration pictures.

    `content` is a float32 file whose only signature is serving_default; the yielded models have those of `SIGNATURES`.
    """
    if recipe == "int8":
        if calibration is None:
            raise ValueError("int8 needs calibration pictures.")
        yield from _int8_models(content, calibration())
        return
    graph = _open(content)
    if recipe == "float16":
        weights.make_float16(graph)
    elif recipe == "dynamic_int8":
        weights.make_dynamic(graph)
    yield graph.with_signatures(SIGNATURES)


def _int8_models(content: bytes, pictures: np.ndarray) -> Iterator[ModelT]:
    """Yield a model with all suitable operators on int8, and then, for sensitive networks, with expansions only.

    With EfficientNet-B1 a face of 240 pixels takes 11.1 and 12.8 ms, 14.6 as dynamic_int8 and 22.2 as float32.
    """
    ranges = _ranges(content, pictures)
    for everywhere in (True, False):
        graph = _open(content)  # so tensors have the same indices as in `_ranges`
        centred = picture.subtract_common_mean(graph)
        operators = integers.choose_operators(graph)
        operators = operators if everywhere else integers.keep_expansions(graph, operators)
        integers.quantise(graph, operators, ranges)
        if centred:
            picture.quantise_bytes(graph, *centred)
        weights.make_dynamic(graph)
        yield graph.with_signatures(SIGNATURES)


def _ranges(content: bytes, pictures: np.ndarray) -> dict[int, tuple[float, float]]:
    """Return the ranges of all tensors that any of the models needs."""
    graph = _open(content)
    centred = picture.subtract_common_mean(graph)
    functions = integers.tensors_to_observe(graph, integers.choose_operators(graph))
    values = observe(graph, functions, pictures)
    ranges = {tensor: choose_range(values[tensor], function) for tensor, function in functions.items()}
    return ranges | ({centred[0]: picture.value_range(centred[1])} if centred else {})


def _open(content: bytes) -> Graph:
    graph = Graph(content)
    simplify(graph)
    return graph
