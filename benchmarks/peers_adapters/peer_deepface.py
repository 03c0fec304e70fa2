"""DeepFace 0.0.103 (`DeepFace.analyze`, action emotion), which downloads its weights at first use."""

from importlib.metadata import version
from typing import Any

import numpy as np
from deepface import DeepFace
from protocol import serve


class Deepface:
    """Its emotion model, and its default face detector."""

    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    def __init__(self, task: dict[str, Any]) -> None:
        self.version, self.runtime = version("deepface"), "TensorFlow"

    def analyse(self, picture: np.ndarray, **options: Any) -> list[dict[str, Any]]:
        """Return its results for an RGB picture."""
        bgr = np.ascontiguousarray(picture[..., ::-1])
        return DeepFace.analyze(bgr, actions=["emotion"], enforce_detection=False, silent=True, **options)

    def predict(self, face):
        """Return the probabilities of a face crop; it gives percentages."""
        emotions = self.analyse(face, detector_backend="skip")[0]["emotion"]
        return [emotions[name] / 100 for name in self.classes]

    def find(self, frame):
        """Return the boxes of the faces. Without a face, it returns the complete picture with a confidence of 0."""
        found = [face for face in self.analyse(frame) if face["face_confidence"] > 0]
        regions = [face["region"] for face in found]
        return [(box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]) for box in regions]


serve(Deepface)
