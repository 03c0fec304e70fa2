"""The face detector: YuNet behind one callable, and its weights, fetched once and checked."""

from __future__ import annotations

import hashlib
import os
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.media.faces import Box

FILE = "face_detection_yunet_2026may.onnx"
URL = f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{FILE}"
SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
VARIABLE = "TFAFFECT_FACE_DETECTOR"

SIDES = (640, 192)
"""Longest sides in pixels at which a picture is searched, until one shows a face: of faces that fill the picture 640
shows 67 % and 192 shows 96 % (199 faces of FER+, enlarged); of small faces in a large picture 640 shows more."""

QUICK_SIDE, QUICK_PIXELS = 320, 32
"""Longest side of a quick search for the largest faces, in a third of the time (4 ms of 12); and the shortest side, in
its pixels, from which they are taken: what it misses is smaller. Where it finds too few, the full search follows: of
300 faces of FER+ in 1080p, 700 pixels a side, it finds 285 and the full one 297; 300 pixels a side, 221 and 286. Their
boxes overlap by 0.87. At 224 it takes 2 ms, and faces of 350 pixels in 720p, whose boxes tremble more, change the
network's classes by 7 % more from frame to frame."""


@dataclass(frozen=True)
class Detection:
    """A face: its box in pixels of the picture, the detector's confidence from 0 to 1, and its five landmarks.

    The landmarks are x and y, in pixels, of the right eye, the left eye, the nose, the right and the left corner of the
    mouth; right is the person's own, on the left of the picture.
    """

    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def area(self) -> float:
        """The area of the box in pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def centre(self) -> tuple[float, float]:
        """The centre of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class FaceDetector:
    """YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023): a picture in, its faces out, the largest first.

    It can be sent to another process and called from several threads: each makes its own network at its first call.
    `sides` are the longest sides in pixels at which a picture is searched, until one shows a face.
    """

    weights: Path
    min_score: float = 0.6
    sides: tuple[int, ...] = SIDES

    def __call__(self, picture: np.ndarray, most: int | None = None) -> list[Detection]:
        """Return the faces in a picture, RGB uint8 (height, width, 3).

        Where no more than the `most` largest are wanted, a small picture may do: see QUICK_SIDE. Others may be missing.
        """
        if most is not None and self.sides[0] > QUICK_SIDE:
            quick = self._find(picture, _scaled_quickly(picture, QUICK_SIDE))
            if len(quick) >= most and all(self._is_sure(face, picture) for face in quick[:most]):
                return quick
        return next(filter(None, (self._find(picture, _scaled(picture, side)) for side in self.sides)), [])

    def _is_sure(self, face: Detection, picture: np.ndarray) -> bool:
        """Say whether a face is large enough that one that was missed would be smaller."""
        left, top, right, bottom = face.box
        shortest = min(right - left, bottom - top) * QUICK_SIDE / max(picture.shape[:2])
        return shortest >= QUICK_PIXELS

    def _find(self, picture: np.ndarray, scaled: np.ndarray) -> list[Detection]:
        """Search a scaled picture; boxes and landmarks are those of the picture itself."""
        net = _net(self.weights, self.min_score)
        net.setInputSize(scaled.shape[1::-1])
        _, rows = net.detect(cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR))
        scale_x, scale_y = scaled.shape[1] / picture.shape[1], scaled.shape[0] / picture.shape[0]
        found = [_detection(row, scale_x, scale_y) for row in _some(rows)]
        return sorted(found, key=lambda face: face.area, reverse=True)


def _scaled(picture: np.ndarray, longest_side: int) -> np.ndarray:
    """Scale by a box filter, not the letterbox's: the detector finds the same with it, and 720p takes 0.4 ms, not 6."""
    how = cv2.INTER_AREA if longest_side < max(picture.shape[:2]) else cv2.INTER_LINEAR
    return cv2.resize(picture, _shape(picture, longest_side), interpolation=how)


def _scaled_quickly(picture: np.ndarray, longest_side: int) -> np.ndarray:
    """Halve as long as half is not too small, by four pixels for each; 0.3 ms of 720p, 1.0 of 1080p.

    The box filter takes 0.9 and 1.8 ms, or 9 where the ratio is not whole.
    """
    while max(picture.shape[:2]) >= 2 * longest_side and min(picture.shape[:2]) > 1:
        height, width = (side // 2 for side in picture.shape[:2])
        # Of an odd side the last pixel is left out: with it, sizes would not be whole multiples, and the filter slow.
        picture = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(picture, _shape(picture, longest_side), interpolation=cv2.INTER_LINEAR)


def _shape(picture: np.ndarray, longest_side: int) -> tuple[int, int]:
    """The width and height of a picture with this longest side."""
    height, width = picture.shape[:2]
    scale = longest_side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


_making = threading.Lock()  # OpenCV's level of logging belongs to the process
_nets = threading.local()  # a network holds the size that it was last set to, so that threads cannot share one


def _net(weights: Path, min_score: float) -> cv2.FaceDetectorYN:
    if getattr(_nets, "made_for", None) != (weights, min_score):
        with _making:
            _nets.net, _nets.made_for = _make_net(weights, min_score), (weights, min_score)
    return _nets.net


def _make_net(weights: Path, min_score: float) -> cv2.FaceDetectorYN:
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_ERROR)  # OpenCV 5.0 warns of a target that nobody chose
    try:
        return cv2.FaceDetectorYN.create(str(weights), "", (320, 320), min_score, 0.3, 5000)
    finally:
        log.setLogLevel(level)


def _some(rows: np.ndarray | None) -> np.ndarray | tuple:
    return () if rows is None else rows


def _detection(row: np.ndarray, scale_x: float, scale_y: float) -> Detection:
    """Columns of a row: left, top, width, height, x and y of five landmarks, score."""
    (left, top), (width, height), *landmarks = (row[:14].reshape(7, 2) / (scale_x, scale_y)).tolist()
    box = (left, top, left + width, top + height)
    return Detection(box, float(row[14]), tuple(map(tuple, landmarks)))


def find_weights(path: Path | None = None) -> Path:
    """Return the detector's weights: `path`, the file that TFAFFECT_FACE_DETECTOR names, or the cached download.

    Raises UsageError when they cannot be had, or are not the ones that every crop so far was made with.
    """
    named = path or os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise UsageError(f"There is no face detector at {named}. Name {FILE}, or leave it out to download it.")
        return _checked(Path(named))
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tfaffect", FILE)
    if not cached.is_file():
        _download(cached)
    return _checked(cached)


def _checked(path: Path) -> Path:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise UsageError(
            f"{path} is not {FILE}. Received: sha256 {digest}. Expected: {SHA256}. Remove it, or get {URL}."
        )
    return path


def _download(target: Path) -> None:
    try:
        with urllib.request.urlopen(URL, timeout=30) as answer:
            content = answer.read()
    except OSError as error:
        raise UsageError(
            f"The face detector could not be downloaded from {URL}: {error}. Without internet, put a copy somewhere "
            f"and name it with --face-detector PATH or {VARIABLE}."
        ) from error
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic.write_file(target) as partial:
        partial.write_bytes(content)
        _checked(partial)
