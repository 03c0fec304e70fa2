"""A safe reader of PyTorch's .pth files, without PyTorch.

A .pth is a pickle, and a pickle is a program: loading it can run any function that it names. This reader only accepts
the names of tensors, their storages and OrderedDict, and imports none of them. It checks sizes against the file before
it allocates memory. torch/serialization.py defines the format: a zip archive since PyTorch 1.6, before that five
pickles followed by the storages.
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
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from tfaffect.errors import UsageError

STORAGES = {
    **{"DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bfloat16"},
    **{"LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1"},
    **{"ByteStorage": "u1", "BoolStorage": "?"},
}
"""PyTorch's storage class -> NumPy's element type; NumPy has no bfloat16, which is converted to float32."""

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")

PICKLE_BYTES = 4 << 20
"""Largest pickle that is accepted. EfficientNet-B1's 517 tensors take 87 kB: their numbers are stored outside."""

LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of a file before PyTorch 1.6, after the two bytes of the pickle protocol."""

ADVICE = "In PyTorch, save the weights alone: torch.save(model.state_dict(), 'weights.pth')."


class Storage(NamedTuple):
    """The numbers (count,) behind one or more tensors; immutable, so that no pickle can change them."""

    values: np.ndarray


ReadStorage = Callable[[str, str, int], np.ndarray]
"""Key of a storage, element type and count -> its numbers (count,)."""


def read(path: Path) -> dict:
    """Return the content of a .pth: dicts, lists and plain values, with tensors as NumPy arrays of native byte order.

    Tensors that share a storage share memory. bfloat16 becomes float32; a dtype becomes its name. Raises UsageError for
    a file that is missing, damaged or has wrong sizes, and for one that names anything except tensors.
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
                raise UsageError("torch.save did not write it.")
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
            raise UsageError("The members of the archive are larger than the file.")
        root = members[0].filename.partition("/")[0]
        marker = f"{root}/byteorder"
        order = {b"little": "<", b"big": ">"}[archive.read(marker) if marker in archive.namelist() else b"little"]

        def read_storage(key: str, kind: str, count: int) -> np.ndarray:
            return _decode(archive.read(f"{root}/data/{key}"), key, kind, count, order)

        with archive.open(f"{root}/data.pkl") as stream:
            return _Unpickler(_next_pickle(stream), read_storage).load()


def _read_legacy(file: io.BytesIO) -> object:
    """Load the fourth of five pickles (magic number, version, system, content, keys) and the storages after them.

    The numbers are little-endian on every machine.
    """
    limit = len(file.getbuffer())
    _, _, _, content, keys = (_next_pickle(file) for _ in range(5))
    unfilled: dict[str, tuple[str, np.ndarray]] = {}

    def reserve(key: str, kind: str, count: int) -> np.ndarray:
        if sum(len(values) for _, values in unfilled.values()) + count > limit or count < 0:
            raise UsageError(f"Its storages are larger than the file. Received: {count} of {kind}.")
        unfilled[key] = (kind, np.zeros(count, "f4" if kind == "bfloat16" else kind))
        return unfilled[key][1]

    loaded = _Unpickler(content, reserve).load()
    for key in _Unpickler(keys, reserve).load():
        if key not in unfilled:
            raise UsageError("It holds a storage that no tensor uses.")
        kind, values = unfilled.pop(key)
        (count,) = struct.unpack("<q", file.read(8))
        if count != len(values):
            raise UsageError(f"Storage {key[:20]!r} has {count} elements. Received: {len(values)}.")
        values[:] = _decode(file.read(count * _item_bytes(kind)), key, kind, count, "<")
    if unfilled:
        raise UsageError(f"{len(unfilled)} storages are missing, the first {next(iter(unfilled))[:20]!r}.")
    return loaded


def _next_pickle(stream: IO[bytes]) -> bytes:
    """Read one pickle and check it before it is loaded: its length, its arguments and the size of its memo.

    The unpickler allocates a memo for the largest index in the pickle, which can be 2^32.
    """
    start = stream.tell()
    for opcode, argument, position in pickletools.genops(stream):
        length = (position or 0) - start  # the position of a file is never None
        if length > PICKLE_BYTES:
            raise UsageError(f"Its pickle is longer than {PICKLE_BYTES} bytes, so it holds more than tensors. {ADVICE}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > length:
            raise UsageError(f"Its pickle asks for a memo larger than itself. Received: {argument}.")
    end = stream.tell()
    stream.seek(start)
    return stream.read(end - start)


class _Dict(dict):
    """Replaces OrderedDict, and ignores attributes that a pickle sets, such as PyTorch's `_metadata`."""

    def __setstate__(self, state: object) -> None: ...


class _Unpickler(pickle.Unpickler):
    """Loads one pickle. It creates the allowed names anew, so that no pickle can change them for the next one."""

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
        """Return the replacement of an allowed name. Raises UsageError for every other name; nothing is imported."""
        if (module, name) not in self.names:
            raise UsageError(f"It asks for {f'{module}.{name}'[:100]!r}, which builds no tensor. {ADVICE}")
        return self.names[module, name]

    def persistent_load(self, identity: tuple) -> Storage:
        """Return the storage of ("storage", kind, key, device, count); older files add None, which means no view."""
        _, kind, key, _, count, *view = identity
        if kind not in STORAGES.values() or not isinstance(key, str) or not isinstance(count, int) or any(view):
            raise UsageError("It refers to something other than a storage by kind, key and count.")
        if key not in self.storages:
            self.storages[key] = (kind, Storage(self.read_storage(key, kind, count)))
        known, storage = self.storages[key]
        if (known, len(storage.values)) != (kind, count):
            raise UsageError(f"It reads {len(storage.values)} of {known} as {count} of {kind}. Received: {key[:20]!r}.")
        return storage


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Return a view of a storage; offset and strides count elements. Raises UsageError if it exceeds the storage."""
    are_sizes = all(isinstance(number, int) and number >= 0 for number in (offset, *shape, *strides))
    if not isinstance(storage, Storage) or len(shape) != len(strides) or not are_sizes:
        raise UsageError("It builds a tensor from something other than a storage and sizes.")
    values, count = storage.values, math.prod(shape)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if not count:
        return np.zeros(shape, values.dtype)
    if last >= len(values) or count > len(values):  # more elements than the storage: a copy would exhaust the memory
        raise UsageError(f"It builds a tensor of {shape} elements on a storage of {len(values)}.")
    return np.ndarray(shape, values.dtype, values, offset * values.itemsize, [n * values.itemsize for n in strides])


def _item_bytes(kind: str) -> int:
    return 2 if kind == "bfloat16" else np.dtype(kind).itemsize


def _decode(content: bytes, key: str, kind: str, count: int, order: str) -> np.ndarray:
    if len(content) != count * _item_bytes(kind):
        raise UsageError(f"Storage {key[:20]!r} has {len(content)} bytes. Received: {count} of {kind}.")
    if kind == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(content, order + "u2").astype("u4") << 16).view("f4")
    return np.frombuffer(content, order + kind).astype(kind)
