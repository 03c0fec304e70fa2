"""Speed of `tfaffect embed`, compared with its own parts and with a simple loop.

    python benchmarks/embed.py --face-detector FILE

EfficientNet-B1 of the recipe (weights do not matter for speed), as `.keras` and as TFLite. Each round measures:

crops   face crops in JPEG files to a Parquet table, compared with only the network on an array at the same batch size;
video   a 720p video to a table of its largest face, compared with the slowest of decoding, detection and network, each
        alone on all cores;
loop    the same video, one frame at a time: read, detect faces in the complete frame, crop, resize, run the network on
        one face (`model.predict` of Keras, or an interpreter with default options), append a row.
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
from benchmarks.build import drawn_faces
from tfaffect.config import Config
from tfaffect.contract import MEMBER, Contract, artefact_sha256
from tfaffect.export import saved_model, tflite
from tfaffect.features.embedder import Embedder
from tfaffect.features.job import Job
from tfaffect.features.sample import Options
from tfaffect.features.sources import Source
from tfaffect.labels import HEADS
from tfaffect.media import video
from tfaffect.media.detector import FaceDetector, find_weights
from tfaffect.media.faces import crop, letterbox, read
from tfaffect.networks import model as models
from tfrecords_builders.synthetic import Synthetic


def main(
    image_size: int = 240, crops: int = 256, frames: int = 300, rounds: int = 5, face_detector: Path | None = None
) -> None:
    """Measure and print.

    Args:
        image_size: Input size of the network.
        crops: Number of face crops.
        frames: Number of frames in the video.
        rounds: Number of measurements; ratios are computed within a round.
        face_detector: Weights of YuNet. Without it, TFAFFECT_FACE_DETECTOR is used, or they are downloaded.
    """
    weights = find_weights(face_detector)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models_by_format = make_models(folder, image_size)
        make_crops(folder / "crops", crops, image_size)
        make_video(folder / "clip.mp4", frames)
        for kind, path in models_by_format.items():
            embedder = Embedder(path, face_detector=weights)
            ratios: dict[str, list[float]] = {"crops": [], "video": [], "loop": []}
            for number in range(rounds + 1):
                seconds = measure(kind, path, embedder, folder, weights, folder / f"{kind}-{number}")
                if number:  # the first warms up
                    parts = ("decode", "detect", "network")
                    ratios["crops"].append(seconds["bare"] / seconds["crops"])
                    ratios["video"].append(max(seconds[part] for part in parts) / seconds["video"])
                    ratios["loop"].append(seconds["loop"] / seconds["video"])
                    times = "  ".join(f"{part} {1000 * value:.1f}" for part, value in seconds.items())
                    print(f"{kind} round {number}, ms a face: {times}", flush=True)
            report(kind, embedder, ratios)


def report(kind: str, embedder: Embedder, ratios: dict[str, list[float]]) -> None:
    """Print the medians of one model format."""
    meanings = {
        "crops": f"of the speed of only the network at batch {embedder.batch_size}, on face crops",
        "video": "of the speed of the slowest of decoding, detection and network, on video",
        "loop": "times the speed of one frame at a time",
    }
    for name, values in ratios.items():
        print(
            f"{kind}: {statistics.median(values):.2f} {meanings[name]} (rounds {min(values):.2f} to {max(values):.2f})",
            flush=True,
        )


def measure(kind: str, path: Path, embedder: Embedder, folder: Path, weights: Path, out: Path) -> dict[str, float]:
    """Return the seconds a face of every measurement in one round."""
    pictures, clip = folder / "crops", folder / "clip.mp4"
    size, detector = embedder.contract.input_size, FaceDetector(weights)
    frames = [frame.picture for frame in video.sample_frames(clip)]
    faces = [letterbox(crop(picture, detector(picture)[0].box), size) for picture in frames]
    files = sorted(pictures.iterdir())
    crops = np.stack([read(file) for file in files])
    loop = one_frame_at_a_time(kind, path, weights, size)
    return {
        "bare": timed(lambda: embedder(crops), len(files)),
        "crops": timed(lambda: embed(embedder, files, out.with_suffix(".crops.parquet"), False), len(files)),
        "decode": timed(lambda: list(video.sample_frames(clip)), len(frames)),
        "detect": timed(lambda: [detector(picture, 1) for picture in frames], len(frames)),
        "network": timed(lambda: embedder(faces), len(frames)),
        "video": timed(lambda: embed(embedder, [clip], out.with_suffix(".video.parquet"), True), len(frames)),
        "loop": timed(lambda: loop(clip), len(frames)),
    }


def timed(work: Callable[[], object], count: int) -> float:
    """Return the seconds a face that `work` takes for `count` faces."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / count


def embed(embedder: Embedder, paths: list[Path], out: Path, detect: bool) -> None:
    """Write the table as `tfaffect embed` does."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as the command does
    job = Job([Source(path, str(path)) for path in paths], out, Options(faces=1), detect)
    counts, _ = job.run(embedder)
    cv2.setNumThreads(threads)
    assert counts.faces == counts.rows, counts


def one_frame_at_a_time(kind: str, path: Path, weights: Path, size: int) -> Callable[[Path], pd.DataFrame]:
    """Return the loop that simple scripts have."""
    network = plain_network(kind, path)
    net = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), 0.6)

    def run(clip: Path) -> pd.DataFrame:
        rows, capture = list[dict[str, np.ndarray]](), cv2.VideoCapture(str(clip))
        while True:
            decoded, frame = capture.read()
            if not decoded:
                return pd.DataFrame(rows)
            net.setInputSize(frame.shape[1::-1])
            left, top, width, height = net.detect(frame)[1][0][:4].astype(int)
            face = cv2.cvtColor(frame[max(0, top) : top + height, max(0, left) : left + width], cv2.COLOR_BGR2RGB)
            rows.append({name: values[0] for name, values in network(cv2.resize(face, (size, size))[None]).items()})

    return run


def plain_network(kind: str, path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return the network as simple scripts call it."""
    if kind == "TFLite":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path / tflite.FILE)).get_signature_runner("serving_default")
        return lambda picture: runner(image=picture)
    network = models.predictor(*models.load(path))
    return lambda picture: network.predict(picture, verbose=0)


def make_models(folder: Path, image_size: int) -> dict[str, Path]:
    """Write one network in both formats; return the path of each."""
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


def make_crops(folder: Path, count: int, size: int) -> None:
    """Write drawn faces as JPEG files of the network's input size."""
    folder.mkdir()
    for number, face in zip(range(count), drawn_faces(Synthetic(subjects=8, pictures=count)), strict=False):
        picture = cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), picture[..., ::-1])


def make_video(path: Path, frames: int) -> None:
    """Write a video of a drawn face of 300 pixels that moves through frames of 1280 x 720."""
    face = cv2.resize(next(drawn_faces(Synthetic(subjects=1, pictures=1))), (300, 300))
    noise = np.random.default_rng(0).integers(96, 160, (720, 1280, 3), np.uint8)
    background = cv2.GaussianBlur(noise, (0, 0), 5)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (1280, 720))
    for number in range(frames):
        frame, left = background.copy(), 100 + 5 * number % 800
        frame[200:500, left : left + 300] = face[..., ::-1]
        writer.write(frame)
    writer.release()


if __name__ == "__main__":
    tyro.cli(main)
