"""Reads the frames of a video at given times. Every video is decoded once, in order."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import av
import numpy as np

from tfaffect.files import remote
from tfaffect.files.paths import printable
from tfaffect.media.animation import animation_frames, is_animated
from tfaffect.media.containers import is_truncated
from tfaffect.media.decoding import TimedFrame, UnreadableVideoError, Video, decode, entry_before, open_video
from tfaffect.media.seeking import Entry
from tfaffect.media.skipping import CannotSkipError
from tfaffect.media.views import View

_log = logging.getLogger(__name__)  # without handlers of the program, Python writes warnings to standard error

ROUNDING = 0.002
"""Seconds by which a time stamp may be late: Matroska and WebM round time stamps, also the first one, to 1 ms."""

SEEK_SECONDS = 1.0
"""Seconds before the first wanted time until which decoding begins: there lies the frame that is on screen then."""

MAX_FRAME_SECONDS = 3600.0
"""Longest time that one frame may stay on screen. A broken AVI header gave steps of 10^8 s, with a row at each time."""


class TruncatedVideoError(UnreadableVideoError):
    """A video whose end is missing: it has frames for `reached` seconds, but its container claims `claimed`."""

    def __init__(self, path: Path, reached: float, claimed: float):
        super().__init__(f"{path} ends after {reached:.2f} of {claimed:.2f} seconds.")
        self.reached, self.claimed = reached, claimed


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame: its number from 0, a time in seconds at which it is on screen, and functions that convert it.

    Conversion is left to the threads that look at the picture. Frames that nobody looks at are never converted. `view`
    converts only what is looked at, see `View`.
    """

    number: int
    seconds: float
    convert: Callable[[], np.ndarray | None]
    view: Callable[[], np.ndarray | View | None]

    @cached_property
    def picture(self) -> np.ndarray | None:
        """The picture, RGB uint8 (height, width, 3), upright; None if it cannot be decoded.

        Raises UnreadableVideoError.
        """
        return self.convert()


def frames(path: Path, seconds: Iterable[float]) -> Iterator[tuple[float, np.ndarray | None]]:
    """Yield (time, picture RGB uint8) for ascending times, until the video ends.

    The picture at a time is the first frame whose time stamp is at least that time minus half a frame. Time stamps are
    the container's; if it has none, frames are counted. The picture is None for a frame that cannot be decoded. Times
    after the last frame yield nothing. Raises UnreadableVideoError.
    """
    with open_video(Path(path)) as video:
        stream = decode(video)
        current, picture, is_converted = next(stream, None), None, False
        for time in seconds:
            while current is not None and current.seconds < time - video.step / 2:
                current, is_converted = next(stream, None), False
            if current is None:
                return
            if not is_converted:
                picture, is_converted = current.picture(), True
            yield time, picture


def sample_frames(
    path: Path,
    frames_per_second: float | None = None,
    every: int = 1,
    *,
    key_frames: bool = False,
    start: float = 0.0,
    end: float = math.inf,
    stream: int = 0,
) -> Iterator[VideoFrame]:
    """Yield every `every`-th frame, or `frames_per_second` frames per second, from the first frame to the last.

    Without a rate, `seconds` is the frame's time stamp, counted from the start of the container. With a rate, `seconds`
    is k / rate, from the first such time at which there is a frame until the end of the last frame, and the picture is
    the one on screen at that time: the last frame whose time stamp is not later, apart from ROUNDING or half a frame.
    (`frames` instead returns the frame nearest to an annotated time. Here a frame is never early, and is repeated for
    as long as it stays on screen.) With `key_frames`, only frames that are coded on their own are decoded and yielded.
    Only times from `start` to before `end` are yielded; they are seconds of the same clock. `stream` chooses among the
    video streams of the file. Logs a warning for a video of several streams, and for one in HDR.

    Raises UnreadableVideoError, TruncatedVideoError after the last frame, and ValueError for a rate or a number that is
    not positive, or both together.
    """
    if every < 1 or (frames_per_second is not None and not (0 < frames_per_second < np.inf and every == 1)):
        received = f"frames_per_second={frames_per_second}, every={every}"
        raise ValueError(f"Give a positive frames_per_second or a positive every, not both. Received: {received}.")
    if not 0 <= start < end:
        raise ValueError(f"start must be at least 0 and before end. Received: start={start}, end={end}.")
    how = (frames_per_second, every, key_frames, start, end)
    return _sample(Path(path), stream, *how)


def _sample(
    path: Path, stream: int, rate: float | None, every: int, key_frames: bool, start: float, end: float
) -> Iterator[VideoFrame]:
    if remote.is_file(path) and is_animated(path):
        yield from sample(animation_frames(path), path, rate, every, start, end)
        return
    entry = entry_before(path, stream, start - SEEK_SECONDS) if start > SEEK_SECONDS and not key_frames else None
    with open_video(path, stream) as video:
        for note in video.notes():
            _log.warning("%s %s", printable(path), note)
        frames = decode(video, True) if key_frames else _decode_wanted(video, rate, start, end, entry)
        reached = yield from sample(frames, path, rate, every, start, end, entry.number if entry else 0)
        claimed, codec = max(video.duration(), video.stream.frames * video.step), video.stream.codec_context.name
    if reached is None:
        raise UnreadableVideoError(f"{path} has no frames that can be decoded. Its codec is {codec!r}.")
    if reached < min(claimed - 2 * video.step, end) and is_truncated(path):
        raise TruncatedVideoError(path, reached, claimed)


def _decode_wanted(
    video: Video, rate: float | None, start: float, end: float, entry: Entry | None
) -> Iterator[TimedFrame]:
    """Yield all frames from `entry` on. With a rate, only those at multiples of 1 / rate surely have a picture."""

    def wanted(seconds: float, following: float) -> bool:
        assert rate is not None
        first, last = max(start, seconds) - 2 * ROUNDING, min(end, following) + 2 * ROUNDING
        return math.ceil(first * rate) / rate <= last

    count = entry.number if entry else 0
    try:
        for frame in decode(video, wanted=None if rate is None else wanted, entry=entry):
            yield frame
            count += 1
    except CannotSkipError:
        with open_video(video.path, video.number) as again:
            yield from islice(decode(again), count, None)


def sample(
    frames: Iterator[TimedFrame], path: Path, rate: float | None, every: int, start: float, end: float, first: int = 0
) -> Generator[VideoFrame, None, float | None]:
    """Choose among frames as `sample_frames` does; return the end time of the last one, None without a frame.

    first: how many frames come before these.
    """
    if rate is None:
        return (yield from _every_nth(enumerate(frames, first), every, start, end))
    return (yield from _at_rate(frames, path, rate, start, end))


def _every_nth(
    frames: Iterator[tuple[int, TimedFrame]], every: int, start: float, end: float
) -> Generator[VideoFrame, None, float | None]:
    reached = None
    for count, frame in frames:
        if frame.seconds >= end:
            return end
        if count % every == 0 and frame.seconds >= start:
            yield VideoFrame(frame.number, frame.seconds, frame.picture, frame.view)
        reached = frame.seconds + frame.duration
    return reached


def _at_rate(
    frames: Iterator[TimedFrame], path: Path, rate: float, start: float, end: float
) -> Generator[VideoFrame, None, float | None]:
    reached = None
    frame = next(frames, None)
    tolerance = ROUNDING if frame is None else min(ROUNDING, frame.duration / 2)
    first = start if frame is None else max(start, frame.seconds)
    index = max(0, math.ceil((first - tolerance) * rate))
    while frame is not None and index / rate < end:
        following = next(frames, None)
        reached = frame.seconds + frame.duration if following is None else following.seconds
        if reached - frame.seconds > MAX_FRAME_SECONDS:
            raise UnreadableVideoError(
                f"The time stamps of {path} jump from {frame.seconds:.2f} to {reached:.2f} seconds."
            )
        while index / rate + tolerance < reached and index / rate < end:
            yield VideoFrame(frame.number, index / rate, frame.picture, frame.view)
            index += 1
        frame = following
    return end if frame is not None else reached


def silence() -> None:
    """Stop FFmpeg from writing to standard error in this process. Errors have the reasons too."""
    av.logging.set_level(None)


def duration(path: Path) -> float:
    """Return the seconds that the container claims; a missing end is not detected. Raises UnreadableVideoError."""
    with open_video(Path(path)) as video:
        if not video.duration() > 0:
            raise UnreadableVideoError(f"{path} has no frames.")
        return video.duration()


def frames_per_second(path: Path) -> float:
    """Return the container's frame rate. Raises UnreadableVideoError."""
    with open_video(Path(path)) as video:
        return 1 / video.step
