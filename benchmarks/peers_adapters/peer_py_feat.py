"""Py-Feat 2.1 (`Detectorv1.detect`), which downloads its weights. It searches each crop for a face first."""

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from feat import Detectorv1
from protocol import serve

FRAMES = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")


class PyFeat:
    """Its detector with ResMaskNet, the default classifier of emotions."""

    classes = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

    def __init__(self, task: dict[str, Any]) -> None:
        options = {"emotion_model": "resmasknet", "device": "cpu", **task["options"]}
        self.detector = Detectorv1(**options)
        self.version, self.runtime = version("py-feat"), f"PyTorch {version('torch')}"

    def detect(self, picture: np.ndarray):
        """Return its table of the faces in an RGB picture, without the rows that say that there is none."""
        tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        found = self.detector.detect(tensor, data_type="tensor", progress_bar=False)
        return found[found["FaceScore"].notna() & (found["FaceScore"] > 0)]

    def predict(self, face):
        """Return the probabilities of the surest face, or None when it finds no face in the crop."""
        found = self.detect(face)
        if not len(found):
            return None
        return found.sort_values("FaceScore").iloc[-1][list(self.classes)].astype(float).tolist()

    def find(self, frame):
        """Return the boxes of the faces, after classifying all of them."""
        rows = self.detect(frame)[list(FRAMES)].to_numpy(float)
        return [(left, top, left + width, top + height) for left, top, width, height in rows]


serve(PyFeat)
