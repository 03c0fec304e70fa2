"""Converts the face detector YuNet from ONNX to TFLite, in memory. LiteRT takes less than half of OpenCV's time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator, Padding

SIDE = 32
"""The sides of the network's input are multiples of this, in pixels: it halves a picture five times."""

STRIDES = (8, 16, 32)
"""Pixels between the places of the three outputs, each with one possible face per place."""

HEADS = 4
"""Outputs of a place: certainty that it is a face, box, certainty that it is an object, and landmarks."""

Weights = tuple[np.ndarray, np.ndarray]
"""Kernel (output channels, input channels per group, height, width) and bias (output channels) of a convolution."""


@cache
def convert(path: Path) -> bytes:
    """Return YuNet as a TFLite model, from its weights in ONNX.

    Its input is RGB float32 (1, height + 1, width + 1, 3) of values 0 to 255. Height and width are multiples of SIDE
    and can be resized; the first row and column are zeros, the padding of the first convolution. There is one output
    for each of STRIDES, (1, height / stride, width / stride, 16): the logits of face and object, the box as x, y,
    log(width), log(height) in strides, and x, y of five landmarks in strides. Raises cv2.error for another file.
    """
    weights = _read(path)
    graph = _Graph()
    picture = graph.tensor((1, SIDE + 1, SIDE + 1, 3))
    kernel, bias = next(weights)
    levels = _backbone(graph, graph.convolve(picture, (kernel[:, ::-1], bias), relu=True, stride=2), weights)
    outputs = _heads(graph, levels, list(weights))
    return graph.finish(picture, outputs)


def _read(path: Path) -> Iterator[Weights]:
    """Yield the weights of all convolutions, in the order of the file."""
    net = cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_CLASSIC)  # OpenCV's new engine does not give them
    for name in net.getLayerNames():
        layer = net.getLayer(net.getLayerId(name))
        if layer.type == "Convolution":
            yield layer.blobs[0], layer.blobs[1].ravel()


def _backbone(graph: _Graph, x: int, weights: Iterator[Weights]) -> tuple[int, int, int]:
    """Add all layers between the first convolution and the heads; return the maps of the three strides."""

    def block(x: int) -> int:
        return graph.convolve(graph.convolve(x, next(weights)), next(weights), relu=True)

    x = graph.halve(block(x))
    for _ in range(4):
        x = block(x)
    fine = block(block(graph.halve(x)))
    middle = block(block(graph.halve(fine)))
    coarse = block(block(block(graph.halve(middle))))
    middle = block(graph.add(middle, graph.double(coarse)))
    return block(graph.add(fine, graph.double(middle))), middle, coarse


def _heads(graph: _Graph, levels: Sequence[int], weights: Sequence[Weights]) -> list[int]:
    """Add the heads of all levels. The four heads of a level are computed at once, in the order of `convert`.

    The file has them by kind, then by level, each of a pointwise and a depthwise convolution.
    """
    face, box, thing, landmarks = (weights[first : first + 6] for first in range(0, 6 * HEADS, 6))
    outputs = []
    for level, x in enumerate(levels):
        for part in (2 * level, 2 * level + 1):
            parts = [head[part] for head in (face, thing, box, landmarks)]
            kernel, bias = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            x = graph.convolve(x, (kernel, bias))
        outputs.append(x)
    return outputs


class _Graph:
    """A TFLite model, built layer by layer. Tensors are named by number. Shapes are (1, height, width, channels)."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers, self._codes = [schema.BufferT()], list[int]()  # the first buffer is that of tensors without data

    def tensor(self, shape: Sequence[int], values: np.ndarray | None = None) -> int:
        """Add a float32 tensor, a constant if it has values."""
        tensor = schema.TensorT()
        tensor.name, tensor.type = f"tensor_{len(self._graph.tensors)}", schema.TensorType.FLOAT32
        tensor.shape, tensor.buffer = list(shape), 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def convolve(self, x: int, weights: Weights, relu: bool = False, stride: int = 1) -> int:
        """Add a convolution: a depthwise one if its kernel has one input channel. With a stride it has no padding."""
        kernel, bias = weights
        is_depthwise = kernel.shape[1] == 1
        options = schema.DepthwiseConv2DOptionsT() if is_depthwise else schema.Conv2DOptionsT()
        options.padding = Padding.SAME if stride == 1 else Padding.VALID
        options.strideH = options.strideW = stride
        options.fusedActivationFunction = ActivationFunctionType.RELU if relu else ActivationFunctionType.NONE
        if is_depthwise:
            options.depthMultiplier = 1
        kernel = kernel.transpose(1, 2, 3, 0) if is_depthwise else kernel.transpose(0, 2, 3, 1)
        constants = [self.tensor(values.shape, values) for values in (kernel, bias)]
        code = BuiltinOperator.DEPTHWISE_CONV_2D if is_depthwise else BuiltinOperator.CONV_2D
        height, width, _ = self._shape(x)
        return self._add(code, [x, *constants], (height // stride, width // stride, len(bias)), options)

    def halve(self, x: int) -> int:
        """Add max pooling of 2 x 2."""
        options = schema.Pool2DOptionsT()
        options.padding = Padding.VALID
        options.strideH = options.strideW = options.filterHeight = options.filterWidth = 2
        height, width, channels = self._shape(x)
        return self._add(BuiltinOperator.MAX_POOL_2D, [x], (height // 2, width // 2, channels), options)

    def double(self, x: int) -> int:
        """Repeat every place 2 x 2 times. Unlike a resize, these two layers fit any size and run in XNNPACK."""
        height, width, channels = self._shape(x)
        concatenation, depth_to_space = schema.ConcatenationOptionsT(), schema.DepthToSpaceOptionsT()
        concatenation.axis, depth_to_space.blockSize = 3, 2
        x = self._add(BuiltinOperator.CONCATENATION, [x] * 4, (height, width, 4 * channels), concatenation)
        return self._add(BuiltinOperator.DEPTH_TO_SPACE, [x], (2 * height, 2 * width, channels), depth_to_space)

    def add(self, x: int, y: int) -> int:
        """Add the sum of two tensors of equal shape."""
        return self._add(BuiltinOperator.ADD, [x, y], self._shape(x), schema.AddOptionsT())

    def finish(self, picture: int, outputs: Sequence[int]) -> bytes:
        """Return the model in its file format."""
        self._graph.inputs, self._graph.outputs = [picture], list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [self._graph], self._buffers, []
        for number in self._codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = number  # the old field holds all numbers below 127
            code.version = 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(2**18)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _shape(self, x: int) -> tuple[int, int, int]:
        _, height, width, channels = self._graph.tensors[x].shape
        return height, width, channels

    def _add(self, code: int, inputs: Sequence[int], shape: tuple[int, int, int], options: object) -> int:
        operator = schema.OperatorT()
        if code not in self._codes:
            self._codes.append(code)
        operator.opcodeIndex = self._codes.index(code)
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        operator.inputs, operator.outputs = list(inputs), [self.tensor((1, *shape))]
        self._graph.operators.append(operator)
        return operator.outputs[0]
