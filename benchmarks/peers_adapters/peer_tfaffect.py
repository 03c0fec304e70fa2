"""A model of this project, in LiteRT. Its probabilities are calibrated, as users get them."""

from importlib.metadata import version
from typing import Any

import cv2
from protocol import serve

from tfaffect.features.embedder import Embedder
from tfaffect.labels import CLASSES
from tfaffect.media.faces import crop


class TFAffect:
    """`Embedder`: the face detector YuNet and a network."""

    classes = CLASSES

    def __init__(self, task: dict[str, Any]) -> None:
        cv2.setNumThreads(1)  # as `tfaffect embed` does
        self.embedder = Embedder(task["options"]["model"], face_detector=task["weights"])
        self.detector = self.embedder.find_detector() if task["kind"] == "scenes" else None
        self.version = version("tfaffect")
        self.runtime = f"LiteRT {version('ai-edge-litert')}"

    def predict(self, face):
        """Return the probabilities of a face crop."""
        return self.embedder([face]).expression[0]

    def find(self, frame):
        """Return the boxes of the faces, after describing all of them."""
        assert self.detector is not None
        boxes = [face.box for face in self.detector(frame)]
        self.embedder([crop(frame, box, self.embedder.contract.crop_margin) for box in boxes])
        return boxes


serve(TFAffect)
