"""The contract inside a TFLite file: a metadata buffer that travels with it."""

from __future__ import annotations

from dataclasses import replace

from tfaffect.contract import MEMBER, Contract, loads

IDENTIFIER = b"TFL3"


def add(model: bytes, contract: Contract) -> bytes:
    """Return the file with the contract in a metadata buffer of the name `model.json`, in the place of an earlier one.

    `weights_sha256` is empty there: no file can hold its own hash.
    """
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(model)
    for earlier in [entry for entry in tree.metadata or [] if entry.name == MEMBER.encode()]:
        tree.buffers[earlier.buffer].data = None
        tree.metadata.remove(earlier)
    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(replace(contract, weights_sha256="").dumps().encode(), np.uint8)
    entry.name, entry.buffer = MEMBER, len(tree.buffers)
    tree.buffers.append(buffer)
    tree.metadata = [*(tree.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + 2**16)
    builder.Finish(tree.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


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
