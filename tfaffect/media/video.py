"""The only reader of video: the pictures that are on screen at given times, decoded once and front to back."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tfaffect.media.containers import is_cut_off

ROUNDING = 0.002
"""Seconds by which a stamp may be late for its time: Matroska and WebM round stamps, and the first one, to 1 ms."""

LONGEST_STILL = 3600.0
"""Seconds that one frame may stay on screen; a broken header of an AVI gave steps of 10^8 s, each a flood of rows."""


class UnreadableVideoError(ValueError):
    """A file that is not a video, or one without frames."""

    def __init__(self, message: str):
        # a name that is not UTF-8 would make the message one that cannot be stored
        super().__init__(message.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


class TruncatedVideoError(UnreadableVideoError):
    """A video whose end is missing: it has frames for `reached` seconds, and its container claims `claimed`."""

    def __init__(self, path: Path, reached: float, claimed: float):
        super().__init__(f"{path} breaks off after {reached:.2f} of {claimed:.2f} seconds.")
        self.reached, self.claimed = reached, claimed


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame: its number in the video from 0, a time at which it is on screen, the picture RGB uint8, upright."""

    number: int
    seconds: float
    picture: np.ndarray


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
                picture = _picture(capture)
                if picture is None:
                    return
            yield time, picture


def sampled(path: Path, frames_per_second: float | None = None, every: int = 1) -> Iterator[VideoFrame]:
    """Yield every `every`-th frame, or `frames_per_second` pictures a second, from the first frame to the last.

    Without a rate `seconds` is the frame's own stamp, counted from the first frame. With one, `seconds` is k / rate for
    k = 0, 1, ... until the last frame's end, and the picture is the one on screen then: the last frame whose stamp is
    not later than that, by ROUNDING or half a frame. (`frames` looks for the frame nearest to an annotated instant
    instead; this does not show a frame before its time, and holds it however long it stays.)

    Raises UnreadableVideoError, after the last frame TruncatedVideoError, and ValueError for a rate or a number that is
    not positive, or both at once.
    """
    if every < 1 or (frames_per_second is not None and not (0 < frames_per_second < np.inf and every == 1)):
        raise ValueError(
            f"Choose a positive rate or number. Received: frames_per_second={frames_per_second}, every={every}."
        )
    return _sampled(Path(path), frames_per_second, every)


def _sampled(path: Path, rate: float | None, every: int) -> Iterator[VideoFrame]:
    with _opened(path) as capture:
        step = 1 / _rate(path, capture)
        chosen = _each(path, capture, step, every) if rate is None else _regular(path, capture, step, rate)
        reached = yield from chosen
        claimed = capture.get(cv2.CAP_PROP_FRAME_COUNT) * step
        codec = (int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little").decode("ascii", "replace")
    if not reached:  # AV1 for one: OpenCV 5.0 finds its streams, and has no decoder for them
        raise UnreadableVideoError(f"{path} has no frames that can be decoded. Its codec is {codec!r}.")
    if reached < claimed - 2 * step and is_cut_off(path):
        raise TruncatedVideoError(path, reached, claimed)


def _each(path: Path, capture: cv2.VideoCapture, step: float, every: int) -> Generator[VideoFrame, None, float]:
    """Yield every `every`-th frame; return the end of the last one."""
    reached = 0.0
    for number, stamp in enumerate(_stamps(capture, step)):
        if number % every == 0:
            picture = _picture(capture)
            if picture is None:
                raise UnreadableVideoError(f"Frame {number} of {path} cannot be decoded.")
            yield VideoFrame(number, stamp, picture)
        reached = stamp + step
    return reached


def _regular(path: Path, capture: cv2.VideoCapture, step: float, rate: float) -> Generator[VideoFrame, None, float]:
    """Yield what is on screen at k / rate; return the end of the last frame.

    A frame can be converted only before the next one is fetched, whose stamp says whether this one is wanted. As
    converting takes as long as decoding (0.6 ms each at 720p), the next stamp is guessed: `stays` later.
    """
    stays, tolerance = step, min(ROUNDING, step / 2)
    stamps = _stamps(capture, step)
    number, asked, reached, stamp = 0, 0, 0.0, next(stamps, None)
    while stamp is not None:
        picture = _picture(capture) if asked / rate + tolerance < stamp + stays else None
        following = next(stamps, None)
        reached = stamp + step if following is None else following
        if reached - stamp > LONGEST_STILL:
            raise UnreadableVideoError(f"The time stamps of {path} jump from {stamp:.2f} to {reached:.2f} seconds.")
        while asked / rate + tolerance < reached:
            if picture is None:  # a frame stays longer than any before: read up to it again, and guess twice as long
                stays, picture = 2 * (reached - stamp), _read_again(path, number)
            yield VideoFrame(number, asked / rate, picture)
            asked += 1
        number, stamp = number + 1, following
    return reached


def silence() -> None:
    """Keep FFmpeg and OpenCV from writing to standard error in this process: what is wrong with a file, errors say.

    For commands, before they open the first video, when FFmpeg's level is read. Variables that are set stay.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


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
    """Open a video. FFmpeg would wait for a pipe, and takes a picture for a video of one frame."""
    name = os.fsencode(path)  # as bytes: OpenCV 5.0 crashes on a name that is not UTF-8
    if not os.path.isfile(path) or cv2.haveImageReader(name):
        raise UnreadableVideoError(f"{path} is not a video.")
    capture = cv2.VideoCapture(b"file:" + name, cv2.CAP_FFMPEG)  # else "10:30.mp4" is looked up under the protocol "10"
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


def _picture(capture: cv2.VideoCapture) -> np.ndarray | None:
    """Return the frame that was gone to, RGB uint8, turned as the container says; None if it cannot be decoded."""
    decoded, bgr = capture.retrieve()
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if decoded else None


def _read_again(path: Path, number: int) -> np.ndarray:
    with _opened(path) as capture:
        if not all(capture.grab() for _ in range(number + 1)) or (picture := _picture(capture)) is None:
            raise UnreadableVideoError(f"Frame {number} of {path} cannot be decoded.")
        return picture
