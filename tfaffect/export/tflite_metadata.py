"""The contract inside a TFLite file, in a metadata buffer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tfaffect.contract import MEMBER, Contract, loads

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT


def put(tree: ModelT, contract: Contract) -> None:
    """Write the contract into the metadata buffer `model.json`; replace an earlier one.

    `weights_sha256` is empty there, because a file cannot contain its own hash.
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


def read(model: bytes) -> Contract | None:
    """Return the contract inside a TFLite file, None when there is none. Raises UsageError when it is damaged."""
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model)
    for entry in map(root.Metadata, range(root.MetadataLength())):
        if entry.Name() == MEMBER.encode():
            text = root.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
            return loads(text, f"the metadata buffer {MEMBER}")
    return None
