"""Editing of a TFLite file: the operators and tensors of its subgraph, and the signatures made from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
FIRST_BUFFER = 0
"""The buffer of all tensors without constant values; its index must not change."""

MIRRORING = ("REVERSE_V2", "CONCATENATION")
"""Operators on the pictures in a network with flip test-time augmentation."""

KINDS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
DTYPES: dict[int, np.dtype] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.UINT8: np.dtype(np.uint8),
}
TYPES = {dtype: code for code, dtype in DTYPES.items()}


class Quantization(schema.QuantizationParametersT):
    """Affine quantisation: value = scale * (integer - zero_point); with one scale per channel along `axis`.

    A file contains it only once for all tensors that share it: B1's scales and zero points per channel take 0.4 MB, and
    its tensors are in three subgraphs.
    """

    def __init__(self, scale: float | np.ndarray, zero_point: int = 0, axis: int = 0) -> None:
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        zeros = np.full(scales.shape, zero_point, np.int64)
        super().__init__(scale=scales, zeroPoint=zeros, quantizedDimension=axis)
        self._packed: tuple[flatbuffers.Builder, int] | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802, the generated schema calls this name
        """Return the position in the file; the first call writes the object there."""
        if self._packed is None or self._packed[0] is not builder:
            self._packed = builder, super().Pack(builder)
        return self._packed[1]


class Graph:
    """A file with one subgraph. A tensor is an index; an operator reads `inputs` and writes `outputs`.

    Raises ValueError for a file with several subgraphs.
    """

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content)
        (self._body,) = self._model.subgraphs
        self._tensors: list[schema.TensorT] = self._body.tensors
        self.operators: list[schema.OperatorT] = self._body.operators
        for operator in self.operators:
            operator.inputs, operator.outputs = list(map(int, operator.inputs)), list(map(int, operator.outputs))
        self.inputs, self.outputs = list(map(int, self._body.inputs)), list(map(int, self._body.outputs))

    def pictures(self) -> list[int]:
        """Return the uint8 tensors of pictures: the input and, with flip test-time augmentation, its mirror and both.

        The network reads the last of them.
        """
        (image,) = self.inputs
        users = {self.kind(user): user.outputs[0] for user in self.users().get(image, [])}
        return [image, *(users[kind] for kind in MIRRORING)] if set(users) == set(MIRRORING) else [image]

    def kind(self, operator: schema.OperatorT) -> str:
        """Return the name of an operator's kind, for example CONV_2D."""
        return KINDS[self._model.operatorCodes[operator.opcodeIndex].builtinCode]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor; the batch counts as 1."""
        shape = self._tensors[tensor].shape
        return () if shape is None else tuple(map(int, shape))

    def dtype(self, tensor: int) -> np.dtype | None:
        """Return the number type of a tensor, None for a type that this project does not use."""
        return DTYPES.get(self._tensors[tensor].type)

    def constant(self, tensor: int) -> np.ndarray | None:
        """Return the values of a constant tensor, None for a computed one."""
        data = self._model.buffers[self._tensors[tensor].buffer].data
        if data is None or self.dtype(tensor) is None:
            return None
        return np.frombuffer(np.asarray(data, np.uint8).tobytes(), self.dtype(tensor)).reshape(self.shape(tensor))

    def values(self, tensor: int) -> np.ndarray:
        """Return the values of a tensor that must be constant. Raises ValueError for a computed one."""
        if (values := self.constant(tensor)) is None:
            raise ValueError(f"Tensor {tensor} is not constant.")
        return values

    def quantization(self, tensor: int) -> tuple[float, int]:
        """Return scale and zero point of a tensor that is quantised as a whole, not per channel."""
        parameters = self._tensors[tensor].quantization
        return float(parameters.scale[0]), int(parameters.zeroPoint[0])

    def users(self) -> dict[int, list[schema.OperatorT]]:
        """Return tensor -> the operators that read it."""
        users: dict[int, list[schema.OperatorT]] = {}
        for operator in self.operators:
            for tensor in operator.inputs:
                users.setdefault(tensor, []).append(operator)
        return users

    def producers(self) -> dict[int, schema.OperatorT]:
        """Return tensor -> the operator that writes it."""
        return {tensor: operator for operator in self.operators for tensor in operator.outputs}

    def add_constant(self, values: np.ndarray, like: int, quantization: Quantization | None = None) -> int:
        """Add a constant tensor, named after the tensor `like`, and return it."""
        data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(schema.BufferT(data=data))
        buffer, shape = len(self._model.buffers) - 1, np.array(values.shape, np.int32)
        return self._add(like, TYPES[values.dtype], quantization, buffer=buffer, shape=shape, shapeSignature=None)

    def add_tensor(self, like: int, dtype: type, quantization: Quantization | None = None) -> int:
        """Add a tensor with the shape and name of the tensor `like`, and return it."""
        return self._add(like, TYPES[np.dtype(dtype)], quantization, buffer=FIRST_BUFFER)

    def make(self, kind: str, inputs: list[int], outputs: list[int], version: int = 1) -> schema.OperatorT:
        """Return a new operator with default options; the caller adds it to `operators`.

        LiteRT reads an operator without a table of options. OpenVINO refuses the file.
        """
        operator = schema.OperatorT(opcodeIndex=self._code(kind, version), inputs=inputs, outputs=outputs)
        options = f"{kind.capitalize()}Options"
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        operator.builtinOptions = getattr(schema, f"{options}T")()
        return operator

    def set_version(self, operator: schema.OperatorT, version: int) -> None:
        """Set the version of an operator that a runtime must support."""
        operator.opcodeIndex = self._code(self.kind(operator), version)

    def with_outputs(self, tensors: Iterable[int]) -> bytes:
        """Return a file without signatures whose outputs are these tensors; their indices do not change."""
        model, body = copy(self._model), copy(self._body)
        body.outputs = list(tensors)
        body.operators, _ = self._needed(body.outputs)
        model.subgraphs, model.signatureDefs = [body], None
        return pack(model)

    def with_signatures(self, signatures: Mapping[str, tuple[str, ...]]) -> schema.ModelT:
        """Return a model for `pack` with one subgraph per signature; the subgraphs share their constants.

        signatures: name -> outputs, all of them outputs of the only signature in the opened file. Each signature has
        its own subgraph, because LiteRT's CompiledModel refuses one that does not name all outputs of its subgraph.
        """
        model, (source,) = copy(self._model), self._model.signatureDefs
        tensors = {entry.name.decode(): entry.tensorIndex for entry in source.outputs}
        (image,) = source.inputs
        model.subgraphs, model.signatureDefs = [], []
        for number, (key, names) in enumerate(signatures.items()):
            body, moved = self._cut([tensors[name] for name in names])
            body.name = key
            _name_tensors(body, key, {moved[tensors[name]]: name for name in names} | {body.inputs[0]: "image"})
            outputs = [schema.TensorMapT(name, moved[tensors[name]]) for name in names]
            inputs = [schema.TensorMapT(image.name, moved[image.tensorIndex])]
            model.subgraphs.append(body)
            model.signatureDefs.append(schema.SignatureDefT(inputs, outputs, key, number))
        _drop_unused(model)
        return model

    def _add(self, like: int, code: int, quantization: Quantization | None, **changes: Any) -> int:
        tensor = copy(self._tensors[like])
        tensor.type, tensor.quantization = code, quantization
        tensor.name = f"{tensor.name.decode()}_{DTYPES[code].name}".encode()
        for name, value in changes.items():
            setattr(tensor, name, value)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _code(self, kind: str, version: int) -> int:
        code = getattr(schema.BuiltinOperator, kind)
        codes = self._model.operatorCodes
        for index, known in enumerate(codes):
            if (known.builtinCode, known.version) == (code, version):
                return index
        # Readers before version 3a of the schema only know codes of one byte, up to 127.
        codes.append(schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version))
        return len(codes) - 1

    def _needed(self, outputs: list[int]) -> tuple[list[schema.OperatorT], set[int]]:
        """Return the operators and tensors that the outputs depend on."""
        needed, live = set(outputs), []
        for operator in reversed(self.operators):
            if needed & set(operator.outputs):
                needed |= set(operator.inputs)
                live.append(operator)
        return live[::-1], needed

    def _cut(self, outputs: list[int]) -> tuple[schema.SubGraphT, dict[int, int]]:
        """Return a subgraph of all that the outputs depend on, and old -> new index of its tensors."""
        live, needed = self._needed(outputs)
        kept = sorted({*needed, *self.inputs} - {-1})  # -1: an optional input that is missing
        moved = {-1: -1} | {tensor: index for index, tensor in enumerate(kept)}
        body = copy(self._body)
        body.tensors = [copy(self._tensors[tensor]) for tensor in kept]
        body.operators = [copy(operator) for operator in live]
        body.inputs, body.outputs = self.inputs, outputs
        for part in (body, *body.operators):
            part.inputs, part.outputs = (
                [moved[tensor] for tensor in part.inputs],
                [moved[tensor] for tensor in part.outputs],
            )
        return body, moved


def _name_tensors(body: schema.SubGraphT, key: str, names: Mapping[int, str]) -> None:
    """Give every tensor a name of its own in the file: runtimes without signatures show inputs and outputs by it.

    names: tensor -> its name, for inputs and outputs. The others keep the converter's names, numbered.
    """
    for tensor, content in enumerate(body.tensors):
        content.name = f"{key}/{names.get(tensor) or f'{content.name.decode()}_{tensor}'}".encode()


def _drop_unused(model: schema.ModelT) -> None:
    """Remove buffers and operator codes that nothing refers to."""
    tensors = [tensor for body in model.subgraphs for tensor in body.tensors]
    holders = [*tensors, *(copy(entry) for entry in model.metadata or [])]
    if model.metadata:
        model.metadata = holders[len(tensors) :]
    kept = sorted({FIRST_BUFFER, *(holder.buffer for holder in holders)})
    moved = {buffer: index for index, buffer in enumerate(kept)}
    model.buffers = [model.buffers[buffer] for buffer in kept]
    for holder in holders:
        holder.buffer = moved[holder.buffer]
    operators = [operator for body in model.subgraphs for operator in body.operators]
    codes = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    for operator in operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)


def pack(model: schema.ModelT) -> bytes:
    """Return the model as the bytes of a file."""
    builder = flatbuffers.Builder(2**24)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
