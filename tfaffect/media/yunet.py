"""Runs the network of the face detector YuNet in LiteRT, for pictures of any size."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfaffect.media.yunet_graph import SIDE, STRIDES, convert

OVERLAP = 0.3
"""Intersection over union from which the less certain of two boxes is the same face."""

MOST_PLACES = 5000
"""Places with a possible face that are compared; the less certain ones are left out."""

PIXELS_KEPT = 2 * 640**2
"""Pixels of all inputs for which a thread keeps an interpreter: a new one takes 6 ms. Each pixel takes 80 bytes."""


def search(weights: Path, picture: np.ndarray, min_score: float) -> np.ndarray:
    """Return the faces in a picture, RGB uint8 (height, width, 3), the most certain first.

    Each is a row of 15 numbers: left, top, width, height, x and y of five landmarks, all in pixels, and its score from
    `min_score` to 1. They are those of OpenCV's FaceDetectorYN, apart from rounding.
    """
    network = _network(weights, picture.shape[0], picture.shape[1])
    outputs = network.run(picture)
    certainties = 0.5 + 0.5 * np.tanh(outputs[:, :2] / 2)  # logistic functions that do not overflow
    scores = np.sqrt(certainties.prod(axis=1))
    found = np.flatnonzero(scores >= min_score)
    outputs, places, strides = outputs[found, 2:], network.places[found, :2], network.places[found, 2:]
    centres, sizes = (outputs[:, :2] + places) * strides, np.exp(outputs[:, 2:4]) * strides
    landmarks = (outputs[:, 4:] + np.tile(places, 5)) * strides
    rows = np.hstack([centres - sizes / 2, sizes, landmarks, scores[found, None]])
    boxes = rows[:, :4].astype(int).astype(float)  # whole pixels, as in OpenCV
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), rows[:, 14].tolist(), min_score, OVERLAP, top_k=MOST_PLACES)
    return rows[np.array(kept, int)]


@dataclass(frozen=True, eq=False)
class _Network:
    """The network for one size of input.

    places (n, 3): x and y of all outputs in strides, and the stride. input, outputs: numbers of tensors.
    """

    interpreter: Interpreter
    canvas: np.ndarray
    places: np.ndarray
    input: int
    outputs: list[int]

    def run(self, picture: np.ndarray) -> np.ndarray:
        """Return the outputs (n, 16) of all places. The picture is at the top left of the input, zeros around it."""
        height, width = picture.shape[:2]
        self.canvas[0, 1 : height + 1, 1 : width + 1] = picture
        self.canvas[0, height + 1 :] = self.canvas[0, :, width + 1 :] = 0
        self.interpreter.set_tensor(self.input, self.canvas)
        self.interpreter.invoke()
        outputs = [self.interpreter.get_tensor(number) for number in self.outputs]
        return np.concatenate([output.reshape(-1, output.shape[-1]) for output in outputs])


class _Kept(threading.local):
    """The networks of a thread, the last one used at the end. Threads cannot share an interpreter and its tensors."""

    def __init__(self) -> None:
        self.networks: dict[tuple[Path, int, int], _Network] = {}


_kept = _Kept()


def _network(weights: Path, height: int, width: int) -> _Network:
    """Return this thread's network for pictures of a size."""
    kept = _kept.networks
    size = (weights, -(-height // SIDE) * SIDE, -(-width // SIDE) * SIDE)
    network = kept.pop(size, None) or _open(*size)
    while kept and sum(height * width for _, height, width in [*kept, size]) > PIXELS_KEPT:
        kept.pop(next(iter(kept)))
    kept[size] = network
    return network


def _open(weights: Path, height: int, width: int) -> _Network:
    """Open an interpreter for one size. LiteRT 2.3 can compute wrong numbers after a second change of size."""
    interpreter = Interpreter(model_content=convert(weights), num_threads=1)
    shape = (1, height + 1, width + 1, 3)
    number = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(number, shape)
    interpreter.allocate_tensors()
    outputs = [output["index"] for output in interpreter.get_output_details()]
    places = []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
        places.append(np.stack([x, y, np.full_like(x, stride)], axis=1))
    canvas = np.zeros(shape, np.float32)
    return _Network(interpreter, canvas, np.concatenate(places).astype(np.float32), number, outputs)
