"""Residual Masking Network, rmn 3.3 (`RMN.detect_emotion_for_single_face_image`), which downloads its weights."""

from importlib.metadata import version
from typing import Any

import cv2
from protocol import serve
from rmn import RMN


class Rmn:
    """Its network, and its face detector."""

    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    def __init__(self, task: dict[str, Any]) -> None:
        self.model = RMN(face_detector=task["kind"] == "scenes")
        self.version, self.runtime = version("rmn"), f"PyTorch {version('torch')}"

    def predict(self, face):
        """Return the probabilities of a face crop. It gets grey pixels, as from its own face detector."""
        shares = self.model.detect_emotion_for_single_face_image(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))[2]
        by_name = {name: value for share in shares for name, value in share.items()}
        return [by_name[name] for name in self.classes]

    def find(self, frame):
        """Return the boxes of the faces, after classifying all of them."""
        found = self.model.detect_emotion_for_single_frame(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        return [(face["xmin"], face["ymin"], face["xmax"], face["ymax"]) for face in found]


serve(Rmn)
