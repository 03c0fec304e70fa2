"""A TFLite file opened for changes: the operators and tensors of one subgraph, and the signatures cut out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
FIRST_BUFFER = 0
"""The buffer of all tensors without values, which must stay where it is."""

MIRRORING = ("REVERSE_V2", "CONCATENATION")
"""What reads the pictures of a network that answers with means over them and their mirror images."""

KINDS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
DTYPES = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.UINT8: np.dtype(np.uint8),
}
TYPES = {dtype: code for code, dtype in DTYPES.items()}


class Quantization(schema.QuantizationParametersT):
    """Integers stand for scale * (integer - zero_point); `axis` is that of several scales, one a channel.

    Written once into a file, however many tensors have it: the scales and zero points of B1's channels take 0.4 MB, and
    its tensors are in three subgraphs.
    """

    def __init__(self, scale: float | np.ndarray, zero_point: int = 0, axis: int = 0) -> None:
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        zeros = np.full(scales.shape, zero_point, np.int64)
        super().__init__(scale=scales, zeroPoint=zeros, quantizedDimension=axis)
        self._packed: tuple[flatbuffers.Builder, int] | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802, the name that the schema's code calls
        """Return the place in the file, and write there at the first call."""
        if self._packed is None or self._packed[0] is not builder:
            self._packed = builder, super().Pack(builder)
        return self._packed[1]


class Graph:
    """A file of one subgraph; tensors are numbers, and an operator reads `inputs` and writes `outputs`.

    Raises ValueError for a file of several subgraphs.
    """

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content)
        (self._body,) = self._model.subgraphs
        self._tensors: list[schema.TensorT] = self._body.tensors
        self.operators: list[schema.OperatorT] = self._body.operators
        for operator in self.operators:
            operator.inputs, operator.outputs = (list(map(int, ends)) for ends in (operator.inputs, operator.outputs))
        self.inputs, self.outputs = (list(map(int, ends)) for ends in (self._body.inputs, self._body.outputs))

    def pictures(self) -> list[int]:
        """Return the tensors of pictures as bytes: those given and, where there are such, mirrored, and both.

        The last of them is what the network sees.
        """
        (given,) = self.inputs
        users = {self.kind(user): user.outputs[0] for user in self.users().get(given, [])}
        return [given, *(users[kind] for kind in MIRRORING)] if set(users) == set(MIRRORING) else [given]

    def kind(self, operator: schema.OperatorT) -> str:
        """Return the name of what an operator does, such as CONV_2D."""
        return KINDS[self._model.operatorCodes[operator.opcodeIndex].builtinCode]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor; the batch counts as 1."""
        shape = self._tensors[tensor].shape
        return () if shape is None else tuple(map(int, shape))

    def dtype(self, tensor: int) -> np.dtype | None:
        """Return the type of a tensor's values, None for one that this project has no use for."""
        return DTYPES.get(self._tensors[tensor].type)

    def constant(self, tensor: int) -> np.ndarray | None:
        """Return the values of a constant tensor, None for one that an operator computes."""
        data = self._model.buffers[self._tensors[tensor].buffer].data
        if data is None or self.dtype(tensor) is None:
            return None
        return np.frombuffer(np.asarray(data, np.uint8).tobytes(), self.dtype(tensor)).reshape(self.shape(tensor))

    def quantization(self, tensor: int) -> tuple[float, int]:
        """Return scale and zero point of a tensor that has one of each."""
        parameters = self._tensors[tensor].quantization
        return float(parameters.scale[0]), int(parameters.zeroPoint[0])

    def users(self) -> dict[int, list[schema.OperatorT]]:
        """Return the operators that read a tensor, by tensor."""
        users: dict[int, list[schema.OperatorT]] = {}
        for operator in self.operators:
            for tensor in operator.inputs:
                users.setdefault(tensor, []).append(operator)
        return users

    def producers(self) -> dict[int, schema.OperatorT]:
        """Return the operator that writes a tensor, by tensor."""
        return {tensor: operator for operator in self.operators for tensor in operator.outputs}

    def add_constant(self, values: np.ndarray, like: int, quantization: Quantization | None = None) -> int:
        """Return a new constant tensor, named after another."""
        data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(schema.BufferT(data=data))
        buffer, shape = len(self._model.buffers) - 1, np.array(values.shape, np.int32)
        return self._add(like, TYPES[values.dtype], quantization, buffer=buffer, shape=shape, shapeSignature=None)

    def add_tensor(self, like: int, dtype: type, quantization: Quantization | None = None) -> int:
        """Return a new tensor of another's shape and name."""
        return self._add(like, TYPES[np.dtype(dtype)], quantization, buffer=FIRST_BUFFER)

    def requantise(self, tensor: int, quantization: Quantization) -> None:
        """Say of an integer tensor what its values stand for."""
        self._tensors[tensor].quantization = quantization

    def make(self, kind: str, inputs: list[int], outputs: list[int], version: int = 1) -> schema.OperatorT:
        """Return a new operator without options; it is not among `operators` yet."""
        return schema.OperatorT(opcodeIndex=self._code(kind, version), inputs=inputs, outputs=outputs)

    def set_version(self, operator: schema.OperatorT, version: int) -> None:
        """Demand of a runtime that it knows a later version of an operator."""
        operator.opcodeIndex = self._code(self.kind(operator), version)

    def with_outputs(self, tensors: Iterable[int]) -> bytes:
        """Return a file without signatures that gives these tensors, all of them by the numbers they have here."""
        model, body = copy(self._model), copy(self._body)
        body.outputs = list(tensors)
        body.operators, _ = self._needed(body.outputs)
        model.subgraphs, model.signatureDefs = [body], None
        return pack(model)

    def with_signatures(self, signatures: Mapping[str, tuple[str, ...]]) -> schema.ModelT:
        """Return what `pack` makes a file of: a subgraph for each signature, of what its outputs need.

        They share their constants. `signatures` names the outputs of each, among those of the only one in the file that
        was opened. A subgraph each: LiteRT's CompiledModel refuses a signature that does not name all outputs of its
        subgraph.
        """
        model, (whole,) = copy(self._model), self._model.signatureDefs
        places = {entry.name.decode(): entry.tensorIndex for entry in whole.outputs}
        (image,) = whole.inputs
        model.subgraphs, model.signatureDefs = [], []
        for number, (key, names) in enumerate(signatures.items()):
            body, moved = self._cut([places[name] for name in names])
            body.name = key
            outputs = [schema.TensorMapT(name, moved[places[name]]) for name in names]
            inputs = [schema.TensorMapT(image.name, moved[image.tensorIndex])]
            model.subgraphs.append(body)
            model.signatureDefs.append(schema.SignatureDefT(inputs, outputs, key, number))
        _drop_unused(model)
        return model

    def _add(self, like: int, code: int, quantization: Quantization | None, **changes: object) -> int:
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
        for place, known in enumerate(codes):
            if (known.builtinCode, known.version) == (code, version):
                return place
        # Readers before the schema's version 3a know codes of one byte, up to 127.
        codes.append(schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version))
        return len(codes) - 1

    def _needed(self, outputs: list[int]) -> tuple[list[schema.OperatorT], set[int]]:
        """The operators and the tensors without which there are no such outputs."""
        needed, live = set(outputs), []
        for operator in reversed(self.operators):
            if needed & set(operator.outputs):
                needed |= set(operator.inputs)
                live.append(operator)
        return live[::-1], needed

    def _cut(self, outputs: list[int]) -> tuple[schema.SubGraphT, dict[int, int]]:
        """A subgraph of what the outputs need, and the new numbers of its tensors."""
        live, needed = self._needed(outputs)
        kept = sorted({*needed, *self.inputs} - {-1})  # -1: an input that an operator can do without
        moved = {-1: -1} | {tensor: place for place, tensor in enumerate(kept)}
        body = copy(self._body)
        body.tensors = [copy(self._tensors[tensor]) for tensor in kept]
        body.inputs, body.outputs = ([moved[tensor] for tensor in ends] for ends in (self.inputs, outputs))
        body.operators = [copy(operator) for operator in live]
        for operator in body.operators:
            operator.inputs, operator.outputs = (
                [moved[tensor] for tensor in ends] for ends in (operator.inputs, operator.outputs)
            )
        return body, moved


def _drop_unused(model: schema.ModelT) -> None:
    """Leave out buffers and operator codes that nothing refers to any more."""
    tensors = [tensor for body in model.subgraphs for tensor in body.tensors]
    holders = [*tensors, *(copy(entry) for entry in model.metadata or [])]
    if model.metadata:
        model.metadata = holders[len(tensors) :]
    kept = sorted({FIRST_BUFFER, *(holder.buffer for holder in holders)})
    moved = {buffer: place for place, buffer in enumerate(kept)}
    model.buffers = [model.buffers[buffer] for buffer in kept]
    for holder in holders:
        holder.buffer = moved[holder.buffer]
    operators = [operator for body in model.subgraphs for operator in body.operators]
    codes = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    for operator in operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)


def pack(model: schema.ModelT) -> bytes:
    """Return the file."""
    builder = flatbuffers.Builder(2**24)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
