"""Stand-ins of the libraries that download their weights: their API as their releases document it, with a fixed answer.

Each answer depends on the red and the blue of the first pixel, so that a swap of colours or of classes is seen.
"""

import shlex
import sys
from pathlib import Path

EMOTIEFFLIB = {
    "emotiefflib/__init__.py": "",
    "emotiefflib/facial_analysis.py": """
import numpy as np

class Recogniser:
    idx_to_emotion_class = dict(enumerate(
        ["Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"]))

    def predict_emotions(self, face_img, logits=True):
        assert face_img.dtype == np.uint8 and not logits
        scores = np.zeros((1, 10))  # a multitask model: valence and arousal at the end
        scores[0, 4], scores[0, 6], scores[0, 8:] = face_img[0, 0, 0] / 255, 1 - face_img[0, 0, 0] / 255, 9
        return ["Happiness"], scores

def EmotiEffLibRecognizer(engine="torch", model_name="enet_b0_8_best_vgaf", device="cpu"):
    assert engine == "onnx"
    return Recogniser()
""",
}

DEEPFACE = {
    "deepface/__init__.py": "",
    "deepface/DeepFace.py": """
NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]

def analyze(img_path, actions, enforce_detection=True, detector_backend="opencv", silent=False):
    assert actions == ["emotion"] and not enforce_detection
    red = img_path[0, 0, 2] / 255  # it takes BGR
    emotion = dict.fromkeys(NAMES, 0.0) | {"happy": 100 * red, "sad": 100 * (1 - red)}
    confidence = 0 if detector_backend == "opencv" and red < 0.5 else 0.9
    return [{"region": {"x": 3, "y": 4, "w": 10, "h": 20}, "face_confidence": confidence, "emotion": emotion}]
""",
}

RMN = {
    "torch/__init__.py": "",
    "rmn/__init__.py": """
NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]

class RMN:
    def __init__(self, face_detector=True):
        self.finds = face_detector

    def detect_emotion_for_single_face_image(self, face_image):
        assert face_image.ndim == 2, "grey"
        happy = face_image[0, 0] > 40  # red is 76 in grey, blue 29
        return "", 1.0, [{name: float(name == ("happy" if happy else "sad"))} for name in NAMES]

    def detect_emotion_for_single_frame(self, frame):
        assert self.finds
        return [{"xmin": 3, "ymin": 4, "xmax": 13, "ymax": 24}] if frame[0, 0, 2] == 255 else []
""",
}

LIBREFACE = {
    "torch/__init__.py": "",
    "libreface/__init__.py": """
import cv2

def get_facial_expression(image_path, device="cpu", weights_download_dir="./weights_libreface"):
    return "Happiness" if cv2.imread(image_path)[0, 0, 2] == 255 else "Sadness"
""",
}

PY_FEAT = {
    "torch/__init__.py": "def from_numpy(array):\n    return array\n",
    "feat/__init__.py": """
import numpy as np
import pandas as pd

NAMES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]

class Detectorv1:
    def __init__(self, emotion_model="resmasknet", device="cpu"):
        pass

    def detect(self, inputs, data_type="image", progress_bar=True):
        assert data_type == "tensor" and inputs.shape[:2] == (1, 3)
        red = inputs[0, 0, 0, 0] == 255
        box = {"FaceRectX": 3.0, "FaceRectY": 4.0, "FaceRectWidth": 10.0, "FaceRectHeight": 20.0}
        row = box | {"FaceScore": 0.9 if red else np.nan} | dict.fromkeys(NAMES, 0.0) | {"happiness": 1.0}
        return pd.DataFrame([row])
""",
}

DISTRIBUTIONS = {
    "emotiefflib": EMOTIEFFLIB,
    "deepface": DEEPFACE,
    "rmn": RMN,
    "libreface": LIBREFACE,
    "py-feat": PY_FEAT,
}


def write_environment(folder: Path, distribution: str, version: str = "9.8.7") -> Path:
    """Write an environment with a stand-in of a distribution; torch has the version too."""
    packages = folder / "packages"
    for name, text in DISTRIBUTIONS[distribution].items():
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in (distribution, "torch"):
        metadata = packages / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    program = folder / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(packages))} exec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    return folder


FACE_API = {
    "@tensorflow/tfjs-backend-wasm/index.js": """
exports.setThreadsCount = (count) => { if (count !== 1) throw new Error("one thread"); };
exports.setWasmPaths = () => {};
""",
    "@tensorflow/tfjs/index.js": """
exports.setBackend = async () => {};
exports.ready = async () => {};
exports.tensor3d = (data, shape) => ({ data, shape, dispose() {} });
""",
    "@vladmandic/face-api/dist/face-api.node-wasm.js": """
const NAMES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"];
class FaceExpressions { constructor(values) { NAMES.forEach((name, index) => { this[name] = values[index]; }); } }
class SsdMobilenetv1Options {}
const net = () => ({ loadFromDisk: async () => {} });
const nets = { faceExpressionNet: net(), faceLandmark68Net: net(), ssdMobilenetv1: net() };
nets.faceExpressionNet.predictExpressions = async ({ data }) =>
  new FaceExpressions([0, data[0] / 255, data[2] / 255, 0, 0, 0, 0]);
const detectAllFaces = ({ data, shape }) => {
  const box = { left: 3, top: 4, right: shape[1], bottom: shape[0] };
  const found = Promise.resolve(data[0] === 255 ? [{ detection: { box } }] : []);
  return { withFaceLandmarks: () => ({ withFaceExpressions: () => found }) };
};
module.exports = { FaceExpressions, SsdMobilenetv1Options, detectAllFaces, nets };
""",
}


def write_node_environment(folder: Path) -> Path:
    """Write an environment of node with stand-ins of face-api and of tfjs."""
    for name, text in FACE_API.items():
        path = folder / "node_modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        package = folder / "node_modules" / "/".join(name.split("/")[:2]) / "package.json"
        package.write_text('{"version": "9.8.7"}')
    return folder
