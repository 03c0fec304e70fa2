"""The child's side of the protocol: a peer runs in its own environment, with numpy and its own packages only.

The parent starts `python peer_NAME.py TASK`. The task is JSON:

kind         "faces" or "scenes";
faces        a .npy file of RGB uint8 (n, height, width, 3), for "faces";
frames       .npy files of RGB uint8 (height, width, 3), for "scenes";
environment  the folder that the peer's packages were installed into; weights: a file that some peers need;
options      of the peer; reply: the file to write.

The reply is JSON: the peer's own `classes` in its own order, its `version` and `runtime`, and for faces the `answers`
(a list of probabilities for each face, null without an answer) and `ms`, the median time of a face, one at a time; for
scenes the `boxes` of the faces (left, top, right, bottom) in each frame, and the `seconds` of each. `memory` is the
peak of the process in megabytes.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

WARM_UP = 20
"""Faces that are classified once before the time is taken."""


class Peer(Protocol):
    """A library that classifies expressions. One without a face detector refuses "scenes" and has no `find`."""

    classes: Sequence[str]
    version: str
    runtime: str

    def predict(self, face: np.ndarray) -> Sequence[float] | None:
        """Return a probability for each of `classes`, or None without an answer."""

    def find(self, frame: np.ndarray) -> list[Sequence[float]]:
        """Return the boxes of the faces in a frame, after classifying all of them."""


def serve(make: Callable[[dict[str, Any]], Peer]) -> None:
    """Carry out the task of the command line with the peer that `make` returns for it, and write the reply."""
    task = json.loads(Path(sys.argv[1]).read_text())
    peer = make(task)
    result = _classify(peer, task) if task["kind"] == "faces" else _search(peer, task)
    reply = {"classes": list(peer.classes), "version": peer.version, "runtime": peer.runtime, **result}
    reply["memory"] = peak_megabytes()
    Path(task["reply"]).write_text(json.dumps(reply))


def peak_megabytes() -> float:
    """Return the peak memory of this process. `ru_maxrss` would include the memory of the parent at the start."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _classify(peer: Peer, task: dict[str, Any]) -> dict[str, Any]:
    faces = np.load(task["faces"])
    for face in faces[:WARM_UP]:
        peer.predict(face)
    answers, milliseconds = [], []
    for face in faces:
        start = time.perf_counter()
        answer = peer.predict(face)
        milliseconds.append(1000 * (time.perf_counter() - start))
        answers.append(None if answer is None else [float(value) for value in answer])
    return {"answers": answers, "ms": statistics.median(milliseconds)}


def _search(peer: Peer, task: dict[str, Any]) -> dict[str, Any]:
    peer.find(np.load(task["frames"][0]))  # warms up
    boxes, seconds = [], []
    for path in task["frames"]:
        frame = np.load(path)
        start = time.perf_counter()
        found = peer.find(frame)
        seconds.append(time.perf_counter() - start)
        boxes.append([[float(side) for side in box] for box in found])
    return {"boxes": boxes, "seconds": seconds}
