"""What is looked at in a `.keras` archive before anything of it is unpacked or built: it may come from anybody."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tfaffect.errors import UsageError

CONFIG = "config.json"
UNPACKED = 1 << 30
"""Bytes that a whole archive may take; the run folders' B1 with its optimizer takes 84 MB."""
WIDTH = 8192
"""Channels that a layer may have; B1's widest has 1,920. Wider ones cost memory before a weight is read."""
LAYERS = 2000
"""Layers that a network may have; B1 has 348."""


def check(path: Path) -> None:
    """Raise UsageError for an archive that would take more memory than a model of this project can need.

    What would run code (Lambda layers, foreign modules) Keras refuses itself, by its safe mode.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(member.file_size for member in archive.infolist())) > UNPACKED:
                raise UsageError(f"{path} unpacks to {size:,} bytes. Expected at most {UNPACKED:,}.")
            config = json.loads(archive.read(CONFIG))
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, RecursionError, NotImplementedError) as error:
        raise UsageError(f"{path} is not a whole model of this project: {error}") from error
    nodes = [*_objects(config)]
    if (layers := sum("class_name" in node and "inbound_nodes" in node for node in nodes)) > LAYERS:
        raise UsageError(f"{path} describes {layers:,} layers. Expected at most {LAYERS:,}.")
    for node in nodes:
        for name in ("units", "filters"):
            if isinstance(width := node.get(name), (int, float)) and width > WIDTH:
                raise UsageError(f"{path} describes a layer of {name}={width:,}. Expected at most {WIDTH:,}.")


def _objects(tree: object) -> Iterator[dict]:
    """Every object in a JSON tree, at any depth, without recursion."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
