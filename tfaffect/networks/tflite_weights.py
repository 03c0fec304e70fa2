"""The weights of a `.tflite` file of this project, as a Keras network that can be trained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from tfaffect.errors import UsageError

KINDS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
}
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
COPIES = ("QUANTIZE", "DEQUANTIZE", "CAST", "PAD", "CONCATENATION", "REVERSE_V2")
"""Operators on the pictures that keep their values, or place them elsewhere."""


class _File:
    """The operators of the first subgraph, and the float values of its constants."""

    def __init__(self, path: Path) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
        self._body = self._model.subgraphs[0]
        self.producers = {int(out): operator for operator in self._body.operators for out in operator.outputs}
        weighted = [operator for operator in self._body.operators if self.kind(operator) in WEIGHTED]
        self.weighted = [(operator, self._names(operator)) for operator in weighted]
        """Convolutions and dense layers, each with the names of the layers that it computes."""

    def kind(self, operator: schema.OperatorT) -> str:
        return KINDS[self._model.operatorCodes[operator.opcodeIndex].builtinCode]

    def _names(self, operator: schema.OperatorT) -> set[str]:
        tensors = [*operator.inputs[1:], *operator.outputs]
        paths = [self._body.tensors[tensor].name.decode() for tensor in tensors if tensor >= 0]
        return {re.sub(r"_\d+$", "", part) for path in paths for part in re.split(r"[/;]", path)}

    def constant(self, tensor: int) -> np.ndarray | None:
        """Return the values of a constant as floats; None for a computed tensor and for one that is missing."""
        if tensor < 0:
            return None
        if (producer := self.producers.get(int(tensor))) is not None:
            return self.constant(producer.inputs[0]) if self.kind(producer) == "DEQUANTIZE" else None
        found = self._body.tensors[tensor]
        data = self._model.buffers[found.buffer].data
        if data is None or found.type not in DTYPES:
            return None
        shape = () if found.shape is None else tuple(found.shape)
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), DTYPES[found.type]).reshape(shape)
        scale, zero = _quantization(found, values.ndim)
        return (values.astype(np.float64) - zero) * scale

    def picture(self, tensor: int) -> tuple[np.ndarray, np.ndarray]:
        """Return factor and offset per channel of the normalisation that the file applies to the bytes of a picture."""
        operator = self.producers.get(int(tensor))
        if operator is None:
            scale, zero = _quantization(self._body.tensors[tensor], 1)
            return np.ones(3) * scale, -np.ones(3) * zero * scale
        factor, offset = self.picture(operator.inputs[0])
        kind = self.kind(operator)
        if kind in COPIES:
            return factor, offset
        if kind not in ("MUL", "ADD", "SUB") or (number := self.constant(operator.inputs[1])) is None:
            raise ValueError(f"the operator {kind} on the pictures")
        number = np.broadcast_to(number.reshape(-1), 3)
        if kind == "MUL":
            return factor * number, offset * number
        return factor, offset + number if kind == "ADD" else offset - number


def _quantization(tensor: schema.TensorT, dimensions: int) -> tuple[Any, Any]:
    """Return scale and zero point of a tensor, in a shape that fits its values; 1 and 0 if it has none."""
    found = tensor.quantization
    if found is None or found.scale is None:
        return 1.0, 0
    scale, zero = np.asarray(found.scale, np.float64), np.asarray(found.zeroPoint)
    if scale.size == 1:
        return scale[0], zero[0]
    shape = [1] * dimensions
    shape[found.quantizedDimension] = -1
    return scale.reshape(shape), zero.reshape(shape)


def fill(network: keras.Model, path: Path) -> None:
    """Fill a network, or a backbone, with the weights of a `.tflite` of the same architecture.

    In the file, BatchNorm is part of the convolution before it. So each BatchNorm here gets the mean 0, the variance 1,
    and the bias of that convolution: the network answers as the file does, up to the rounding of int8. It can be
    trained after `statistics.renew` has measured the means and variances. Raises UsageError for a file whose layers are
    others.
    """
    try:
        _fill(network, _File(path))
    except Exception as error:  # a damaged file can raise anything, for example struct.error
        raise UsageError(
            f"The weights of {path} do not fit the network {network.name}: {type(error).__name__}: {error}. --weights "
            "takes a .tflite that `tfaffect export tflite` made from the same --architecture."
        ) from error


def _fill(network: keras.Model, file: _File) -> None:
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    normalised = {
        layer.input._keras_history.operation.name: layer
        for layer in network.layers
        if isinstance(layer, layers.BatchNormalization)
    }
    for layer in network.layers:
        if isinstance(layer, kinds):
            follower = normalised.get(layer.name)
            operator = _find(file, [layer.name, *([follower.name] if follower else [])])
            kernel, bias = (file.constant(tensor) for tensor in operator.inputs[1:3])
            if kernel is None:
                raise ValueError(f"the kernel of the layer {layer.name} is not constant")
            if bias is None:  # the converter leaves out zeros
                bias = np.zeros(layer.kernel.shape[-1])
            if layer.name == "stem_conv":
                kernel, bias = _undo_normalisation(network, file, operator, kernel, bias)
            _set(layer, follower, _arrange(layer, kernel), bias)


def _find(file: _File, names: list[str]) -> schema.OperatorT:
    """Return the operator with one of the names; the converter kept only that of BatchNorm for some."""
    for name in names:
        found = [operator for operator, computed in file.weighted if name in computed]
        if len(found) == 1:
            return found[0]
    raise ValueError(f"{len(found)} operators for the layer {names[0]}")


def _arrange(layer: keras.Layer, kernel: np.ndarray) -> np.ndarray:
    """Return a kernel with Keras's order of axes: TFLite has the output channels first, except in depthwise ones."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return kernel[0][..., None]
    return np.moveaxis(kernel, 0, -1)


def _set(layer: keras.Layer, follower: keras.Layer | None, kernel: np.ndarray, bias: np.ndarray) -> None:
    if follower is None:
        layer.set_weights([kernel, *([bias] if layer.use_bias else [])])
        return
    layer.set_weights([kernel, *([np.zeros_like(bias)] if layer.use_bias else [])])
    one = np.ones_like(bias)
    follower.set_weights([one * np.sqrt(1 + follower.epsilon), bias, 0 * one, one])


def _undo_normalisation(
    network: keras.Model, file: _File, operator: schema.OperatorT, kernel: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of the first convolution for pictures that the network itself has normalised."""
    factor, offset = file.picture(operator.inputs[0])
    source = keras.Model(network.inputs[0], network.get_layer("stem_conv").input)
    low, high = (_middle(source, byte) for byte in (0, 255))
    own_factor, own_offset = (high - low) / 255, low
    bias = bias + (kernel * (offset - factor * own_offset / own_factor)).sum(axis=(1, 2, 3))
    return kernel * (factor / own_factor), bias


def _middle(source: Callable[[np.ndarray], Any], byte: int) -> np.ndarray:
    """Return the channels of the middle pixel of a plain picture, after normalisation."""
    size = source.input_shape[1]  # type: ignore[attr-defined]
    normalised = keras.ops.convert_to_numpy(source(np.full((1, size, size, 3), byte, np.uint8)))
    return normalised[0, size // 2, size // 2].astype(np.float64)
