"""LibreFace 0.2 (`get_facial_expression`), which downloads its weights. It gives a class and no probabilities."""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
from libreface import get_facial_expression
from protocol import serve


class LibreFace:
    """Its classifier of aligned faces, which reads files."""

    classes = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")

    def __init__(self, task: dict[str, Any]) -> None:
        if task["kind"] == "scenes":
            raise SystemExit("LibreFace takes the first face of a picture only, and returns no box.")
        self.folder = tempfile.TemporaryDirectory()
        self.options = {"weights_download_dir": str(Path.home() / ".cache" / "libreface"), **task["options"]}
        self.version, self.runtime = version("libreface"), f"PyTorch {version('torch')}"

    def predict(self, face):
        """Return 1 for its class and 0 for the others."""
        path = Path(self.folder.name) / "face.png"
        cv2.imwrite(str(path), face[..., ::-1])
        answer = get_facial_expression(str(path), **self.options)
        return [float(name == answer) for name in self.classes]


serve(LibreFace)
