"""Speed of `tfaffect.embed` against its own parts, and against the loop that people write.

    python benchmarks/embed.py --face-detector FILE

EfficientNet-B1 as the recipe has it (weights do not matter for speed), as `.keras` and as TFLite. In every round:

crops   ready face crops in JPEG files to a Parquet table, against the bare network on an array at the same batch size;
video   a 720p video to a table of its largest face, against the slowest of decoding, detecting and the network, each
        alone on all cores;
loop    the same video, one frame at a time: read, search the whole frame for faces, cut, resize, call the network on
        one face (`model.predict` of Keras, an interpreter as it is made by default), keep a row.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np
import pandas as pd
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from tfaffect.config import Config
from tfaffect.contract import MEMBER, Contract, artefact_sha256
from tfaffect.export import saved_model, tflite
from tfaffect.features.embedder import Embedder
from tfaffect.features.job import Job
from tfaffect.features.pipeline import Options
from tfaffect.features.sources import Source
from tfaffect.labels import HEADS
from tfaffect.media import video
from tfaffect.media.detector import FaceDetector, find_weights
from tfaffect.media.faces import crop, letterbox
from tfaffect.networks import model as models
from tfrecords_builders.synthetic import Synthetic


def main(
    image_size: int = 240, crops: int = 256, frames: int = 300, rounds: int = 5, face_detector: Path | None = None
) -> None:
    """Measure and print.

    Args:
        image_size: Input size of the network.
        crops: Ready face crops.
        frames: Frames of the video.
        rounds: Times that everything is measured; ratios are taken within a round.
        face_detector: Weights of YuNet; those of TFAFFECT_FACE_DETECTOR, or downloaded, when not given.
    """
    weights = find_weights(face_detector)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = make_models(folder, image_size)
        pictures, clip = make_crops(folder / "crops", crops, image_size), make_video(folder / "clip.mp4", frames)
        for kind, path in names.items():
            embedder = Embedder(path, face_detector=weights)
            ratios = {"crops": [], "video": [], "loop": []}
            for number in range(rounds + 1):
                seconds = measure(kind, path, embedder, pictures, clip, weights, folder / f"{kind}-{number}")
                if number:  # the first warms up
                    parts = ("decode", "detect", "network")
                    ratios["crops"].append(seconds["bare"] / seconds["crops"])
                    ratios["video"].append(max(seconds[part] for part in parts) / seconds["video"])
                    ratios["loop"].append(seconds["loop"] / seconds["video"])
                    shown = "  ".join(f"{part} {1000 * value:.1f}" for part, value in seconds.items())
                    print(f"{kind} round {number}, ms a face: {shown}", flush=True)
            report(kind, embedder, ratios)


def report(kind: str, embedder: Embedder, ratios: dict[str, list[float]]) -> None:
    """Print the medians of one kind of model."""
    words = {
        "crops": f"of the bare network's speed at batch {embedder.batch_size} on ready crops",
        "video": "of the slowest of decoding, detecting and the network alone, on video",
        "loop": "times the speed of one frame at a time",
    }
    for name, values in ratios.items():
        print(
            f"{kind}: {statistics.median(values):.2f} {words[name]} (rounds {min(values):.2f} to {max(values):.2f})",
            flush=True,
        )


def measure(kind, path, embedder, pictures: Path, clip: Path, weights: Path, out: Path) -> dict[str, float]:
    """Return the seconds a face of every way, in one round."""
    size, detector = embedder.contract.input_size, FaceDetector(weights)
    shown = [frame.picture for frame in video.sampled(clip)]
    found = [letterbox(crop(picture, detector(picture)[0].box), size) for picture in shown]
    files = sorted(pictures.iterdir())
    ready = np.stack([cv2.imread(str(file))[..., ::-1] for file in files])
    loop = one_frame_at_a_time(kind, path, weights, size)
    return {
        "bare": timed(lambda: embedder(ready), len(files)),
        "crops": timed(lambda: embed(embedder, files, out.with_suffix(".crops.parquet"), False), len(files)),
        "decode": timed(lambda: list(video.sampled(clip)), len(shown)),
        "detect": timed(lambda: [detector(picture, 1) for picture in shown], len(shown)),
        "network": timed(lambda: embedder(found), len(shown)),
        "video": timed(lambda: embed(embedder, [clip], out.with_suffix(".video.parquet"), True), len(shown)),
        "loop": timed(lambda: loop(clip), len(shown)),
    }


def timed(work: Callable[[], object], count: int) -> float:
    """Return the seconds that work takes, by the face."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) / count


def embed(embedder: Embedder, paths: list[Path], out: Path, detect: bool) -> None:
    """Write the table as the command does."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as the command does
    job = Job([Source(path, str(path)) for path in paths], out, Options(faces=1), detect)
    counts, _ = job.run(embedder)
    cv2.setNumThreads(threads)
    assert counts.faces == counts.rows, counts


def one_frame_at_a_time(kind: str, path: Path, weights: Path, size: int) -> Callable[[Path], pd.DataFrame]:
    """Return the loop as scripts have it."""
    network = bare(kind, path)
    net = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), 0.6)

    def run(clip: Path) -> pd.DataFrame:
        rows, capture = [], cv2.VideoCapture(str(clip))
        while True:
            decoded, frame = capture.read()
            if not decoded:
                return pd.DataFrame(rows)
            net.setInputSize(frame.shape[1::-1])
            left, top, width, height = net.detect(frame)[1][0][:4].astype(int)
            face = cv2.cvtColor(frame[max(0, top) : top + height, max(0, left) : left + width], cv2.COLOR_BGR2RGB)
            rows.append({name: values[0] for name, values in network(cv2.resize(face, (size, size))[None]).items()})

    return run


def bare(kind: str, path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return the network as scripts call it."""
    if kind == "TFLite":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path / tflite.FILE)).get_signature_runner("serving_default")
        return lambda picture: runner(image=picture)
    network = models.predictor(*models.load(path))
    return lambda picture: network.predict(picture, verbose=0)


def make_models(folder: Path, image_size: int) -> dict[str, Path]:
    """Write one network in both formats."""
    model = models.build(Config(image_size=image_size, weights="none"))
    contract = Contract(input_size=image_size, trained=HEADS, corpora={})
    models.save(model, contract, folder / "model.keras")
    saved_model.write(models.predictor(model, contract), folder / "saved")
    path = folder / "tflite" / tflite.FILE
    path.parent.mkdir()
    path.write_bytes(tflite.convert(folder / "saved"))
    text = replace(contract, weights_sha256=artefact_sha256(path)).dumps()
    (path.parent / MEMBER).write_text(text)
    return {"Keras": folder / "model.keras", "TFLite": path.parent}


def make_crops(folder: Path, count: int, size: int) -> Path:
    """Write drawn faces as JPEG files of the network's input size."""
    folder.mkdir()
    for number, face in zip(range(count), Synthetic(subjects=8, pictures=count).faces(None), strict=False):
        picture = cv2.resize(face.image(), (size, size), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), picture[..., ::-1])
    return folder


def make_video(path: Path, frames: int) -> Path:
    """Write a drawn face of 300 pixels that walks through a frame of 1280 x 720."""
    face = cv2.resize(next(iter(Synthetic(subjects=1, pictures=1).faces(None))).image(), (300, 300))
    noise = np.random.default_rng(0).integers(96, 160, (720, 1280, 3), np.uint8)
    room = cv2.GaussianBlur(noise, None, 5)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (1280, 720))
    for number in range(frames):
        frame, left = room.copy(), 100 + 5 * number % 800
        frame[200:500, left : left + 300] = face[..., ::-1]
        writer.write(frame)
    writer.release()
    return path


if __name__ == "__main__":
    tyro.cli(main)
