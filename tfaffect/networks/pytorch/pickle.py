"""PyTorch's .pth files without PyTorch, by a reader that can build tensors and nothing else.

A .pth is a pickle, and a pickle is a program: loading one runs whatever it names. This one may name tensors, their
storages and OrderedDict. Nothing it names is ever imported, and sizes are checked against the file before memory is
taken for them. The format is that of torch/serialization.py: a zip archive since PyTorch 1.6, before it five pickles
and the storages after them.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tfaffect.errors import UsageError

STORAGES = {
    **{"DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bfloat16"},
    **{"LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1"},
    **{"ByteStorage": "u1", "BoolStorage": "?"},
}
"""PyTorch's storages -> NumPy's name of their elements; NumPy has no bfloat16, which is widened to float32."""

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")

PICKLE_BYTES = 4 << 20
"""Largest pickle that is run. EfficientNet-B1's 517 tensors take 87 kB, for the numbers lie outside of it."""

LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The number that PyTorch before 1.6 pickled first, without the two bytes of the pickle's protocol."""

ADVICE = "In PyTorch, save the weights alone: torch.save(model.state_dict(), 'weights.pth')."


class Storage(NamedTuple):
    """The numbers (count,) that one or more tensors are views of; a tuple, so that no pickle can change it."""

    values: np.ndarray


ReadStorage = Callable[[str, str, int], np.ndarray]
"""Storage's key, kind of elements and their count -> its numbers (count,)."""


def read(path: Path) -> dict:
    """Return what a .pth holds: dicts, lists and plain values, its tensors as NumPy arrays of native byte order.

    Tensors that share a storage share memory. bfloat16 comes as float32, dtypes as their names. Raises UsageError for a
    file that is not there, is damaged or lies about its sizes, and for one that asks for anything but tensors.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(16)
            file.seek(0)
            if start.startswith(b"PK\x03\x04"):
                content = _read_zip(file)
            elif start[2:].startswith(LEGACY_MAGIC):
                content = _read_legacy(io.BytesIO(file.read()))
            else:
                raise UsageError("It is no file of torch.save.")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path} was not loaded. {error}") from error
    except Exception as error:  # a pickle can make the unpickler raise anything
        reason = f"{type(error).__name__}: {str(error)[:100]!r}"
        raise UsageError(f"{path} was not loaded. It is damaged: {reason}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no dict of tensors. Received: {type(content).__name__}.")
    return content


def _read_zip(file: BinaryIO) -> object:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise UsageError("It is compressed, which torch.save never does.")
        if sum(member.file_size for member in members) > file.seek(0, io.SEEK_END):
            raise UsageError("Its parts are larger than itself.")
        root = members[0].filename.partition("/")[0]
        marker = f"{root}/byteorder"
        order = {b"little": "<", b"big": ">"}[archive.read(marker) if marker in archive.namelist() else b"little"]

        def read_storage(key: str, kind: str, count: int) -> np.ndarray:
            return _decode(archive.read(f"{root}/data/{key}"), key, kind, count, order)

        with archive.open(f"{root}/data.pkl") as stream:
            return _Unpickler(_next_pickle(stream), read_storage).load()


def _read_legacy(file: io.BytesIO) -> object:
    """Run the fourth of five pickles (magic number, version, system, content, keys) and fill the storages after them.

    Their numbers are little-endian whatever the machine was.
    """
    limit = len(file.getbuffer())
    _, _, _, content, keys = (_next_pickle(file) for _ in range(5))
    empty: dict[str, tuple[str, np.ndarray]] = {}

    def reserve(key: str, kind: str, count: int) -> np.ndarray:
        if sum(len(values) for _, values in empty.values()) + count > limit or count < 0:
            raise UsageError(f"Its storages are larger than itself. Received: {count} of {kind}.")
        empty[key] = (kind, np.zeros(count, "f4" if kind == "bfloat16" else kind))
        return empty[key][1]

    loaded = _Unpickler(content, reserve).load()
    for key in _Unpickler(keys, reserve).load():
        if key not in empty:
            raise UsageError("It holds a storage that no tensor asks for.")
        kind, values = empty.pop(key)
        (count,) = struct.unpack("<q", file.read(8))
        if count != len(values):
            raise UsageError(f"Storage {key[:20]!r} has {count} elements. Received: {len(values)}.")
        values[:] = _decode(file.read(count * _item_bytes(kind)), key, kind, count, "<")
    if empty:
        raise UsageError(f"{len(empty)} storages are missing, the first {next(iter(empty))[:20]!r}.")
    return loaded


def _next_pickle(stream: BinaryIO) -> bytes:
    """Read one pickle, checked before it is run: its arguments end where it does, and its memo is no larger.

    The unpickler takes memory for a memo as large as any index it is told, which can be 2^32.
    """
    start = stream.tell()
    for opcode, argument, position in pickletools.genops(stream):
        length = position - start
        if length > PICKLE_BYTES:
            raise UsageError(f"Its pickle is longer than {PICKLE_BYTES} bytes, so it holds more than tensors. {ADVICE}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > length:
            raise UsageError(f"Its pickle asks for a memo larger than itself. Received: {argument}.")
    end = stream.tell()
    stream.seek(start)
    return stream.read(end - start)


class _Dict(dict):
    """Stands for OrderedDict, and drops the `_metadata` that PyTorch sets on a state dict, or whatever else is set."""

    def __setstate__(self, state: object) -> None: ...


class _Unpickler(pickle.Unpickler):
    """Runs one pickle; the names it may use are fresh objects, so that no pickle can change them for the next."""

    def __init__(self, pickled: bytes, read_storage: ReadStorage) -> None:
        super().__init__(io.BytesIO(pickled))
        self.read_storage = read_storage
        self.storages: dict[str, tuple[str, Storage]] = {}
        self.names = {
            ("collections", "OrderedDict"): _Dict,
            ("torch", "Size"): tuple,
            ("torch._utils", "_rebuild_tensor"): lambda *given: _tensor(*given),
            ("torch._utils", "_rebuild_tensor_v2"): lambda *given: _tensor(*given[:4]),
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
            **{("torch", name): kind for name, kind in STORAGES.items()},
            **{("torch", name): name for name in DTYPES},
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name of PyTorch. Raises UsageError for every other name; nothing is imported."""
        if (module, name) not in self.names:
            raise UsageError(f"It asks for {f'{module}.{name}'[:100]!r}, which builds no tensor. {ADVICE}")
        return self.names[module, name]

    def persistent_load(self, identity: tuple) -> Storage:
        """Return the storage that ("storage", kind, key, device, count) names; older files add None for no view."""
        _, kind, key, _, count, *view = identity
        if kind not in STORAGES.values() or not isinstance(key, str) or not isinstance(count, int) or any(view):
            raise UsageError("It asks for something else than a storage by kind, key and count.")
        if key not in self.storages:
            self.storages[key] = (kind, Storage(self.read_storage(key, kind, count)))
        known, storage = self.storages[key]
        if (known, len(storage.values)) != (kind, count):
            raise UsageError(f"It reads {len(storage.values)} of {known} as {count} of {kind}. Received: {key[:20]!r}.")
        return storage


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Return a view of a storage; offset and strides count elements. Raises UsageError where it leaves the storage."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides) or not all(_is_size(n) for n in numbers):
        raise UsageError("It builds a tensor from something else than a storage and sizes.")
    values, count = storage.values, math.prod(shape)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if not count:
        return np.zeros(shape, values.dtype)
    if last >= len(values) or count > len(values):  # more elements than the storage: a bomb when it is copied
        raise UsageError(f"It builds a tensor of {shape} elements on a storage of {len(values)}.")
    return np.ndarray(shape, values.dtype, values, offset * values.itemsize, [n * values.itemsize for n in strides])


def _is_size(number: object) -> bool:
    return isinstance(number, int) and number >= 0


def _item_bytes(kind: str) -> int:
    return 2 if kind == "bfloat16" else np.dtype(kind).itemsize


def _decode(content: bytes, key: str, kind: str, count: int, order: str) -> np.ndarray:
    if len(content) != count * _item_bytes(kind):
        raise UsageError(f"Storage {key[:20]!r} has {len(content)} bytes. Received: {count} of {kind}.")
    if kind == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(content, order + "u2").astype("u4") << 16).view("f4")
    return np.frombuffer(content, order + kind).astype(kind)
