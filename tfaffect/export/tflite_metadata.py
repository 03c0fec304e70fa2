"""The contract inside a TFLite file: a metadata buffer that travels with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tfaffect.contract import MEMBER, Contract, loads

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT


def put(tree: ModelT, contract: Contract) -> None:
    """Put the contract into a metadata buffer of the name `model.json`, in the place of an earlier one.

    `weights_sha256` is empty there: no file can hold its own hash.
    """
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    data = np.frombuffer(replace(contract, weights_sha256="").dumps().encode(), np.uint8)
    for entry in tree.metadata or []:
        if entry.name in (MEMBER, MEMBER.encode()):
            tree.buffers[entry.buffer].data = data
            return
    tree.buffers.append(schema.BufferT(data=data))
    tree.metadata = [*(tree.metadata or []), schema.MetadataT(name=MEMBER, buffer=len(tree.buffers) - 1)]


def add(model: bytes, contract: Contract) -> bytes:
    """Return the file with the contract inside, see `put`."""
    from ai_edge_litert import schema_py_generated as schema

    from tfaffect.export.quantisation.graph import pack

    tree = schema.ModelT.InitFromPackedBuf(model)
    put(tree, contract)
    return pack(tree)


def read(model: bytes) -> Contract | None:
    """Return the contract inside a TFLite file, None when there is none. Raises UsageError for one that is damaged."""
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model)
    entries = (root.Metadata(place) for place in range(root.MetadataLength()))
    for entry in entries:
        if entry.Name() == MEMBER.encode():
            text = root.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
            return loads(text, f"the metadata buffer {MEMBER}")
    return None
