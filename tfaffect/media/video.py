"""Reads the frames of a video at given times. Every video is decoded once, from start to end."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tfaffect.media.containers import is_truncated

ROUNDING = 0.002
"""Seconds by which a time stamp may be late: Matroska and WebM round time stamps, also the first one, to 1 ms."""

MAX_FRAME_SECONDS = 3600.0
"""Longest time that one frame may stay on screen. A broken AVI header gave steps of 10^8 s, with a row at each time."""


class UnreadableVideoError(ValueError):
    """A file that is not a video, or one without frames."""

    def __init__(self, message: str):
        # a message with a file name that is not UTF-8 could not be stored
        super().__init__(message.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


class TruncatedVideoError(UnreadableVideoError):
    """A video whose end is missing: it has frames for `reached` seconds, but its container claims `claimed`."""

    def __init__(self, path: Path, reached: float, claimed: float):
        super().__init__(f"{path} ends after {reached:.2f} of {claimed:.2f} seconds.")
        self.reached, self.claimed = reached, claimed


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame: its number from 0, a time in seconds at which it is on screen, and the picture, RGB uint8, upright."""

    number: int
    seconds: float
    picture: np.ndarray


def frames(path: Path, seconds: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (time, picture RGB uint8) for ascending times, until the video ends.

    The picture at a time is the first frame whose time stamp is at least that time minus half a frame. Time stamps are
    the container's; if it has none, frames are counted. Times after the last frame yield nothing. Raises
    UnreadableVideoError.
    """
    with _opened(path) as capture:
        step = 1 / _rate(path, capture)
        stamp, picture = -np.inf, None
        stamps = _stamps(capture, step)
        for time in seconds:
            while stamp < time - step / 2:
                if (following := next(stamps, None)) is None:
                    return
                stamp, picture = following, None
            if picture is None and (picture := _picture(capture)) is None:
                return
            yield time, picture


def sample_frames(path: Path, frames_per_second: float | None = None, every: int = 1) -> Iterator[VideoFrame]:
    """Yield every `every`-th frame, or `frames_per_second` frames per second, from the first frame to the last.

    Without a rate, `seconds` is the frame's time stamp, counted from the first frame. With a rate, `seconds` is
    k / rate for k = 0, 1, ... until the end of the last frame, and the picture is the one on screen at that time: the
    last frame whose time stamp is not later, apart from ROUNDING or half a frame. (`frames` instead returns the frame
    nearest to an annotated time. Here a frame is never early, and is repeated for as long as it stays on screen.)

    Raises UnreadableVideoError, TruncatedVideoError after the last frame, and ValueError for a rate or a number that is
    not positive, or both together.
    """
    if every < 1 or (frames_per_second is not None and not (0 < frames_per_second < np.inf and every == 1)):
        received = f"frames_per_second={frames_per_second}, every={every}"
        raise ValueError(f"Give a positive frames_per_second or a positive every, not both. Received: {received}.")
    return _sample_frames(Path(path), frames_per_second, every)


def _sample_frames(path: Path, rate: float | None, every: int) -> Iterator[VideoFrame]:
    with _opened(path) as capture:
        step = 1 / _rate(path, capture)
        chosen = _every_nth(path, capture, step, every) if rate is None else _at_rate(path, capture, step, rate)
        reached = yield from chosen
        claimed = capture.get(cv2.CAP_PROP_FRAME_COUNT) * step
        codec = (int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little").decode("ascii", "replace")
    if not reached:  # for example AV1: OpenCV 5.0 finds its streams but has no decoder for them
        raise UnreadableVideoError(f"{path} has no frames that can be decoded. Its codec is {codec!r}.")
    if reached < claimed - 2 * step and is_truncated(path):
        raise TruncatedVideoError(path, reached, claimed)


def _every_nth(path: Path, capture: cv2.VideoCapture, step: float, every: int) -> Generator[VideoFrame, None, float]:
    """Yield every `every`-th frame; return the end time of the last one."""
    reached = 0.0
    for number, stamp in enumerate(_stamps(capture, step)):
        if number % every == 0:
            picture = _picture(capture)
            if picture is None:
                raise UnreadableVideoError(f"Frame {number} of {path} cannot be decoded.")
            yield VideoFrame(number, stamp, picture)
        reached = stamp + step
    return reached


def _at_rate(path: Path, capture: cv2.VideoCapture, step: float, rate: float) -> Generator[VideoFrame, None, float]:
    """Yield the frame on screen at each k / rate; return the end time of the last one.

    Whether a frame is needed depends on the time stamp of the next one, but it can be converted only before the next
    one is fetched. Converting takes as long as decoding (0.6 ms each at 720p), so the frame's duration is estimated.
    """
    duration, tolerance = step, min(ROUNDING, step / 2)
    stamps = _stamps(capture, step)
    number, index, reached, stamp = 0, 0, 0.0, next(stamps, None)
    while stamp is not None:
        picture = _picture(capture) if index / rate + tolerance < stamp + duration else None
        following = next(stamps, None)
        reached = stamp + step if following is None else following
        if reached - stamp > MAX_FRAME_SECONDS:
            raise UnreadableVideoError(f"The time stamps of {path} jump from {stamp:.2f} to {reached:.2f} seconds.")
        while index / rate + tolerance < reached:
            if picture is None:  # the frame stays longer than estimated: read it again, and double the estimate
                duration, picture = 2 * (reached - stamp), _read_again(path, number)
            yield VideoFrame(number, index / rate, picture)
            index += 1
        number, stamp = number + 1, following
    return reached


def silence() -> None:
    """Stop FFmpeg and OpenCV from writing to standard error in this process. Errors have the reasons too.

    Call it before the first video is opened, because FFmpeg reads its level then. Variables that are set are kept.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def duration(path: Path) -> float:
    """Return the seconds that the container claims; a missing end is not detected. Raises UnreadableVideoError."""
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
    """Open a video. Pipes are refused because FFmpeg would wait for them, and pictures because they have one frame."""
    name: Any = os.fsencode(path)  # OpenCV 5.0 crashes on a str that is not UTF-8; its stubs do not list bytes
    if not os.path.isfile(path) or cv2.haveImageReader(name):
        raise UnreadableVideoError(f"{path} is not a video.")
    capture = cv2.VideoCapture(b"file:" + name, cv2.CAP_FFMPEG)  # without "file:", "10:30.mp4" has the protocol "10"
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
    """Go to each next frame and yield its time stamp. One that does not increase is replaced by frame number * step."""
    number, last = 0, -1.0
    while capture.grab():
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        last = stamp if stamp > last else number * step
        yield last
        number += 1


def _picture(capture: cv2.VideoCapture) -> np.ndarray | None:
    """Return the current frame, RGB uint8, rotated as the container says; None if it cannot be decoded."""
    decoded, bgr = capture.retrieve()
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if decoded else None


def _read_again(path: Path, number: int) -> np.ndarray:
    with _opened(path) as capture:
        if not all(capture.grab() for _ in range(number + 1)) or (picture := _picture(capture)) is None:
            raise UnreadableVideoError(f"Frame {number} of {path} cannot be decoded.")
        return picture
