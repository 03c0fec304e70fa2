"""EmotiEffLib 1.1 (`EmotiEffLibRecognizer.predict_emotions`), which downloads its weights at first use."""

from importlib.metadata import version
from typing import Any

from emotiefflib.facial_analysis import EmotiEffLibRecognizer
from protocol import serve


class EmotiEffLib:
    """One of its recognisers. It classifies faces, and finds none."""

    def __init__(self, task: dict[str, Any]) -> None:
        if task["kind"] == "scenes":
            raise SystemExit("EmotiEffLib has no face detector.")
        options = {"engine": "onnx", "model_name": "enet_b0_8_best_vgaf", **task["options"]}
        self.recogniser = EmotiEffLibRecognizer(**options)
        names = self.recogniser.idx_to_emotion_class
        self.classes = tuple(names[index] for index in range(len(names)))
        self.version, self.runtime = version("emotiefflib"), options["engine"]

    def predict(self, face):
        """Return the probabilities. The outputs of a multitask model end with valence and arousal."""
        return self.recogniser.predict_emotions(face, logits=False)[1][0][: len(self.classes)]


serve(EmotiEffLib)
