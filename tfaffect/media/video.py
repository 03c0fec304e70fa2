"""The only reader of video: the pictures that are on screen at given times, decoded once and front to back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np


class UnreadableVideoError(ValueError):
    """A file that is not a video, or one without frames."""


def frames(path: Path, seconds: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (time asked for, picture RGB uint8) for ascending times, until the video ends.

    The picture at a time is the first frame whose own time stamp is not earlier than half a frame before it. Time
    stamps are the container's; where it has none, frames are counted. Times after the last frame yield nothing. Raises
    UnreadableVideoError.
    """
    with _opened(path) as capture:
        step = 1 / _rate(path, capture)
        shown, picture = -np.inf, None
        stamps = _stamps(capture, step)
        for time in seconds:
            while shown < time - step / 2:
                shown = next(stamps, None)
                if shown is None:
                    return
                picture = None
            if picture is None:
                decoded, bgr = capture.retrieve()
                if not decoded:
                    return
                picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            yield time, picture


def duration(path: Path) -> float:
    """Return the seconds that the container claims to last; a broken tail is not seen. Raises UnreadableVideoError."""
    with _opened(path) as capture:
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not count > 0:
            raise UnreadableVideoError(f"{path} has no frames.")
        return count / _rate(path, capture)


def frames_per_second(path: Path) -> float:
    """Return the container's frame rate. Raises UnreadableVideoError."""
    with _opened(path) as capture:
        return _rate(path, capture)


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise UnreadableVideoError(f"{path} is not a video that can be decoded.")
        yield capture
    finally:
        capture.release()


def _rate(path: Path, capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not 0 < rate < 10_000:
        raise UnreadableVideoError(f"{path} has no frame rate.")
    return rate


def _stamps(capture: cv2.VideoCapture, step: float) -> Iterator[float]:
    """Go to each next frame and yield its time; one that does not grow is replaced by the count of frames."""
    number, last = 0, -1.0
    while capture.grab():
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        last = stamp if stamp > last else number * step
        yield last
        number += 1
