"""Speed and memory of `tfaffect embed` on video, side by side with another version of this project.

    git archive b3b4698 | tar x -C /tmp/before
    python benchmarks/video.py --before /tmp/before --face-detector FILE

Each version runs in a process of its own, and the processes take turns. A round measures with both:

largest      EfficientNet-B1 at 240 pixels as TFLite, 12 seconds of 720p, all frames, `--faces largest`; compared with
             the slowest of decoding, detection and network, each alone on all cores;
fps 5        the shipped small network, 20 seconds of 1080p H.264 with grain, 6 Mbit/s, a key frame every two seconds,
             `--fps 5 --faces largest`; compared with decoding alone on all cores;
key frames   the same file with `--key-frames`; the other version, which has no such option, runs `--every 50`;
still fps 5  the same without grain, 0.4 Mbit/s, as of a still picture: decoding is no longer most of the work.

`--memory-minutes 60` measures the peak memory instead: an hour of 640 x 360 with `--fps 5`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import av
import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
ROOT = Path(__file__).parents[1]

CHILD = """
import json, resource, sys, time
from pathlib import Path
import cv2
from tfaffect.features.embedder import Embedder
from tfaffect.features.job import Job
from tfaffect.features.pipeline import Options
from tfaffect.features.sources import Source

cv2.setNumThreads(1)  # as the command does
embedders = {}
for number, line in enumerate(sys.stdin):
    task = json.loads(line)
    model = task["model"]
    if model not in embedders:
        embedders[model] = Embedder(Path(model), face_detector=Path(task["weights"]))
    out = Path(task["folder"]) / f"{number}.parquet"
    start = time.perf_counter()
    job = Job([Source(Path(task["clip"]), task["clip"])], out, Options(**task["options"]), True)
    counts, _ = job.run(embedders[model])
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, counts.rows, counts.faces, memory]), flush=True)
"""


class Version:
    """A process that runs one version of the project, in its folder."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.scratch = scratch
        scratch.mkdir()
        command = [sys.executable, "-c", CHILD]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=root, env=environment, text=True, **pipes)

    def run(self, clip: Path, model: Path, weights: Path, **options: object) -> tuple[float, int, float]:
        """Return the seconds of a job, its rows and the peak memory of the process in MB."""
        task = {"clip": clip, "model": model, "weights": weights, "folder": self.scratch, "options": options}
        print(json.dumps(task, default=str), file=self.process.stdin, flush=True)
        seconds, rows, faces, memory = json.loads(self.process.stdout.readline())
        assert faces == rows, f"{clip} has {faces} faces in {rows} rows"
        return seconds, rows, memory


def main(before: Path, face_detector: Path | None = None, rounds: int = 5, memory_minutes: int = 0) -> None:
    """Measure and print.

    Args:
        before: Folder of the other version.
        face_detector: Weights of YuNet. Without it, TFAFFECT_FACE_DETECTOR is used.
        rounds: Number of rounds; ratios are computed within a round.
        memory_minutes: Measure the memory for so many minutes of video, instead of speed.
    """
    from tfaffect.media.detector import find_weights

    weights = find_weights(face_detector).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        versions = {"ours": Version(ROOT, folder / "ours"), "before": Version(before.resolve(), folder / "before")}
        if memory_minutes:
            measure_memory(folder, versions, weights, memory_minutes)
        else:
            measure_speed(folder, versions, weights, rounds)


def measure_speed(folder: Path, versions: dict[str, Version], weights: Path, rounds: int) -> None:
    """Print the ratios of every round, and their medians."""
    from benchmarks.embed import make_models, make_video

    b1, small = make_models(folder, 240)["TFLite"], ROOT / "models" / "fer_plus_small"
    make_video(folder / "720p.mp4", 300)
    write_h264(folder / "camera.mp4", (1080, 1920), seconds=20, megabits=6)
    write_h264(folder / "still.mp4", (1080, 1920), seconds=20)
    ratios: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        seconds = round_of(folder, versions, weights, b1, small)
        parts = ("decoding", "detection", "network")
        measured = {
            "largest: of the slowest part": max(seconds[part] for part in parts) / seconds["largest, ours"],
            "largest: times the other version": seconds["largest, before"] / seconds["largest, ours"],
            "fps 5: of decoding alone": seconds["camera decoding"] / seconds["camera, ours"],
            "fps 5: times the other version": seconds["camera, before"] / seconds["camera, ours"],
            "key frames: times --every 50 of the other version": seconds["every 50, before"] / seconds["key, ours"],
            "still fps 5: of decoding alone": seconds["still decoding"] / seconds["still, ours"],
            "still fps 5: times the other version": seconds["still, before"] / seconds["still, ours"],
        }
        if number:  # the first warms up
            print("  ".join(f"{name} {value:.2f} s" for name, value in seconds.items()), flush=True)
            for name, ratio in measured.items():
                ratios.setdefault(name, []).append(ratio)
    for name, values in ratios.items():
        print(f"{name}: {statistics.median(values):.2f} (rounds {min(values):.2f} to {max(values):.2f})")


def round_of(folder: Path, versions: dict[str, Version], weights: Path, b1: Path, small: Path) -> dict[str, float]:
    """Return the seconds of every measurement in one round."""
    seconds = measure_parts(folder / "720p.mp4", b1, weights)
    for name, version in versions.items():
        seconds[f"largest, {name}"] = version.run(folder / "720p.mp4", b1, weights, faces=1)[0]
    for clip in ("camera", "still"):
        seconds[f"{clip} decoding"] = timed(lambda path=folder / f"{clip}.mp4": decode_alone(path))
        for name, version in versions.items():
            seconds[f"{clip}, {name}"] = version.run(folder / f"{clip}.mp4", small, weights, faces=1, fps=5)[0]
    key = versions["ours"].run(folder / "camera.mp4", small, weights, faces=1, key_frames=True)
    every = versions["before"].run(folder / "camera.mp4", small, weights, faces=1, every=50)
    assert key[1] == every[1], "both look at one frame in fifty"
    return seconds | {"key, ours": key[0], "every 50, before": every[0]}


def measure_parts(clip: Path, model: Path, weights: Path) -> dict[str, float]:
    """Return the seconds of decoding, of detection and of the network alone, for all frames of a video."""
    from tfaffect.features.embedder import Embedder
    from tfaffect.media import video
    from tfaffect.media.detector import FaceDetector
    from tfaffect.media.faces import crop, letterbox

    embedder, detector = Embedder(model, face_detector=weights), FaceDetector(weights)
    pictures = [frame.picture for frame in video.sample_frames(clip)]
    size = embedder.contract.input_size
    faces = [letterbox(crop(picture, detector(picture, 1)[0].box), size) for picture in pictures]
    return {
        "decoding": timed(lambda: decode_alone(clip)),
        "detection": timed(lambda: [detector(picture, 1) for picture in pictures]),
        "network": timed(lambda: embedder(faces)),
    }


def measure_memory(folder: Path, versions: dict[str, Version], weights: Path, minutes: int) -> None:
    """Print the peak memory of both versions for a long video."""
    write_h264(folder / "long.mp4", (360, 640), seconds=60 * minutes)
    for name, version in versions.items():
        options = {"faces": 1, "fps": 5}
        seconds, rows, memory = version.run(folder / "long.mp4", ROOT / "models" / "fer_plus_small", weights, **options)
        print(f"{name}: {memory:.0f} MB, {rows} rows, {seconds:.0f} s", flush=True)


def timed(work) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decode_alone(clip: Path) -> int:
    """Decode a video with all cores, and do nothing with its frames."""
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def write_h264(path: Path, shape: tuple[int, int], seconds: int, megabits: int = 0) -> None:
    """Write a drawn face that moves over a blurred background, at 25 frames a second, a key frame every 2 seconds.

    megabits: of each second, then every frame has grain like that of a camera; 0 for as many as the encoder needs.
    """
    from benchmarks.build import drawn_faces
    from tfrecords_builders.synthetic import Synthetic

    height, width = shape
    side = height // 2
    face = cv2.resize(next(drawn_faces(Synthetic(subjects=1, pictures=1))), (side, side))
    noise = np.random.default_rng(0).integers(96, 160, (height, width, 3), np.uint8)
    background = cv2.GaussianBlur(noise, (0, 0), 5)
    grains = [np.random.default_rng(number).normal(0, 3, (height, width, 1)).astype(np.int8) for number in range(7)]
    with av.open(str(path), "w") as container:
        options = {"g": "50", "keyint_min": "50", "sc_threshold": "0", "preset": "veryfast"}
        options |= {"b": f"{megabits}M"} if megabits else {}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(25 * seconds):
            picture, left = np.roll(background, number, axis=1), width // 10 + 5 * number % (width // 2)
            picture[side // 2 : side // 2 + side, left : left + side] = face
            picture = (picture + grains[number % 7]).clip(0, 255).astype(np.uint8) if megabits else picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    tyro.cli(main)
