"""Checks of a `.keras` archive before it is unpacked: the file may come from an untrusted source."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tfaffect.errors import UsageError

CONFIG = "config.json"
MAX_BYTES = 1 << 30
"""Limit of an archive's size after unpacking; a run's B1 with its optimizer takes 84 MB."""
MAX_WIDTH = 8192
"""Limit of a layer's channels; B1's widest layer has 1,920. Wider ones use memory before a weight is read."""
MAX_LAYERS = 2000
"""Limit of a network's layers; B1 has 348."""


def check(path: Path) -> None:
    """Raise UsageError for an archive that would use more memory than any model of this project.

    Keras's safe mode refuses everything that would run code: Lambda layers, foreign modules.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(member.file_size for member in archive.infolist())) > MAX_BYTES:
                raise UsageError(f"{path} unpacks to {size:,} bytes. Expected at most {MAX_BYTES:,}.")
            config = json.loads(archive.read(CONFIG))
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, RecursionError, NotImplementedError) as error:
        raise UsageError(f"{path} is not a complete model of this project: {error}") from error
    nodes = [*_objects(config)]
    if (layers := sum("class_name" in node and "inbound_nodes" in node for node in nodes)) > MAX_LAYERS:
        raise UsageError(f"{path} describes {layers:,} layers. Expected at most {MAX_LAYERS:,}.")
    for node in nodes:
        for name in ("units", "filters"):
            if isinstance(width := node.get(name), (int, float)) and width > MAX_WIDTH:
                raise UsageError(f"{path} describes a layer of {name}={width:,}. Expected at most {MAX_WIDTH:,}.")


def _objects(tree: object) -> Iterator[dict]:
    """Yield every object in a JSON tree, at any depth, without recursion."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
