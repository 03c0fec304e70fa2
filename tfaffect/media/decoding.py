"""Decodes the frames of a video file: deinterlaced, each with its time in seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tfaffect.files import remote
from tfaffect.files.paths import printable
from tfaffect.media.seeking import Entry, find_entry, frames_from, packets_from
from tfaffect.media.skipping import CannotSkipError, SkippedFrame, Skipper, Wanted, elapsed
from tfaffect.media.views import View, to_rgb

RESTART_SECONDS = 0.5
"""A time stamp that is earlier than the one before by more than this is a clock that restarts, as in joined files."""

HIGHEST_RATE = 10_000
"""Frames per second. FFmpeg gives 60,000 for the average rate of a raw .dv file, which is the rate of its clock."""


UNDECODABLE = (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError)
"""Errors of FFmpeg about one packet, after which others can be decoded. ProRes gives the second, most the first."""

MAX_PIXEL_RATIO = 4
"""Largest ratio of the sides of a pixel. Anamorphic film has 2; a damaged header may ask for any width."""

HDR = {16: "PQ", 18: "HLG"}
"""FFmpeg's numbers of the transfer functions of HDR video, whose frames are used as they are. Of 600 faces of FER+ that
were converted to PQ and HLG, 9 and 4 % change class. A curve that undoes the conversion corrects nearly all, but only
where the camera put white at 203 nits: with white twice as high, 8 and 7 % change class after the curve."""

RAW_JPEG = (".mjpeg", ".mjpg")
"""Suffixes of videos that are a row of JPEG pictures, and so begin like one."""


class UnreadableVideoError(ValueError):
    """A file that is not a video, or one without frames."""

    def __init__(self, message: str):
        super().__init__(printable(message))  # a message with a file name that is not UTF-8 could not be stored


@dataclass(frozen=True)
class Video:
    """An open video stream. Use it only inside `open_video`: FFmpeg crashes on a stream of a closed file.

    step: seconds of one frame at the stream's frame rate. number: of the stream among the `streams` with video.
    """

    path: Path
    container: av.container.InputContainer
    stream: av.video.stream.VideoStream
    step: float
    number: int = 0
    streams: int = 1

    def notes(self) -> list[str]:
        """Return what a user must know about the rows of this video, in sentences."""
        notes = []
        if self.streams > 1 and self.number == 0:  # other numbers were chosen on purpose
            notes.append(f"has {self.streams} video streams. The first is read; choose another with --stream.")
        if transfer := HDR.get(self.stream.codec_context.color_trc):
            notes.append(f"is HDR ({transfer}), read without tone mapping: some classes may differ from those in SDR.")
        return notes

    def start(self) -> Fraction | None:
        """Return the time of the stream's clock that counts as 0: the start of the container; None if it has no clock.

        All streams of a file begin there, so seconds fit the sound of the same file. A stream that begins at most one
        frame later counts as beginning with the container: B-frames delay the first picture by so much.
        """
        if self.stream.start_time is None or self.stream.time_base is None or self.container.start_time is None:
            return None
        own = self.stream.start_time * self.stream.time_base
        container = Fraction(self.container.start_time, av.time_base)
        return own if own - container <= self.step + 1e-5 else container  # the container counts microseconds

    def duration(self) -> float:
        """Return the seconds that the container claims, 0 if it claims nothing."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        return (self.container.duration or 0) / av.time_base


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """A frame that is not converted yet: its number from 0, the seconds at which it appears, and its duration.

    picture: returns the frame RGB uint8 (height, width, 3), as players show it; None if it cannot be decoded. It can be
    called in any thread, and raises UnreadableVideoError. view: returns the same, but a `View` where it can.
    """

    number: int
    seconds: float
    duration: float
    picture: Callable[[], np.ndarray | None]
    view: Callable[[], np.ndarray | View | None]


@contextmanager
def open_video(path: Path, stream: int = 0) -> Iterator[Video]:
    """Open a video stream of a file. Raises UnreadableVideoError, also for errors while the file is read.

    `stream` chooses among the video streams. Pipes are refused because FFmpeg would wait for them, and pictures because
    they have one frame.
    """
    if not remote.is_file(path):
        raise UnreadableVideoError(f"{path} is not a video.")
    name: Any = os.fsencode(path)  # OpenCV 5.0 crashes on a str that is not UTF-8; its stubs do not list bytes
    is_local = remote.address(path) is None  # OpenCV opens no others; `kind` has told pictures from videos by then
    if is_local and path.suffix.lower() not in RAW_JPEG and cv2.haveImageReader(name):
        raise UnreadableVideoError(f"{path} is not a video.")
    try:
        with remote.opened_for_ffmpeg(path) as file, av.open(file, metadata_errors="ignore") as container:
            yield _choose_stream(path, container, stream)
    except remote.RemoteError as error:
        raise UnreadableVideoError(f"{path} cannot be read: {error.strerror}.") from error
    except av.error.FFmpegError as error:
        raise UnreadableVideoError(f"{path} is not a video that can be decoded: {error.strerror}.") from error


def _choose_stream(path: Path, container: av.container.InputContainer, number: int) -> Video:
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnreadableVideoError(f"{path} has no video stream. It has: {kinds}.")
    if number >= len(streams):
        raise UnreadableVideoError(f"{path} has {len(streams)} video streams. Received: stream {number}.")
    stream = streams[number]
    if stream.codec_context is None:
        raise UnreadableVideoError(f"{path} has a video stream in a codec that cannot be decoded.")
    stream.thread_type = "AUTO"
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate, stream.codec_context.framerate)
    rate = next((rate for rate in rates if rate and 0 < rate < HIGHEST_RATE), None)
    if rate is None:
        raise UnreadableVideoError(f"{path} has no frame rate.")
    return Video(path, container, stream, float(1 / rate), number, len(streams))


def entry_before(path: Path, stream: int, seconds: float) -> Entry | None:
    """Return the key frame from which frames after this time are decoded; None to decode from the start."""
    with suppress(UnreadableVideoError), open_video(path, stream) as video:  # decoding finds what can be read of it
        start, base = video.start(), video.stream.time_base
        if start is not None and base is not None:
            return find_entry(video.container, video.stream, (seconds + float(start)) / float(base))
    return None


def decode(
    video: Video, key_frames: bool = False, wanted: Wanted | None = None, entry: Entry | None = None
) -> Iterator[TimedFrame]:
    """Yield all frames, or only key frames, in the order of their time stamps, which start at 0 or later and grow.

    `wanted` tells which frames are looked at; others may have no picture, because they are not decoded. Key frames are
    those that FFmpeg decodes without any other frame, so it skips the work on the others. A stamp that repeats counts
    half a frame later. When a stamp is earlier than the one before by more than RESTART_SECONDS, the clock has
    restarted, and time goes on from the last frame. Without stamps, frames are counted. `entry` is the key frame with
    which decoding begins. Raises CannotSkipError for a video that must be decoded again without `wanted` and `entry`.
    """
    last, shift, start = -np.inf, 0.0, video.start()
    ratio = _pixel_ratio(video.stream)
    skipper = Skipper(video.stream, start, wanted) if wanted else None
    first = entry.number if entry else 0
    for number, frame in _key_frames(video) if key_frames else enumerate(_frames(video, skipper, entry), first):
        if frame is None or frame.pts is None or frame.time_base is None:
            seconds = max(last, -video.step) + video.step
        else:
            start = frame.pts * frame.time_base if start is None else start  # raw streams start with their first frame
            seconds = elapsed(frame.pts, frame.time_base, start) + shift
        if seconds < last - RESTART_SECONDS:
            shift += last + video.step - seconds
            seconds = last + video.step
        elif seconds <= last:
            seconds = last + video.step / 2
        last = max(seconds, 0.0) if number == 0 else seconds
        arguments = (video.path, frame, ratio)
        yield TimedFrame(number, last, video.step, partial(_to_picture, *arguments), partial(_to_view, *arguments))


def _frames(
    video: Video, skipper: Skipper | None, entry: Entry | None
) -> Iterator[av.VideoFrame | SkippedFrame | None]:
    container, stream = video.container, video.stream
    packets = packets_from(container, stream, entry) if entry else container.demux(stream)

    def need_all() -> None:
        if entry:
            raise CannotSkipError
        if skipper:
            skipper.stop()

    frames: Iterator[av.VideoFrame | SkippedFrame | None]
    frames = _decoded(video, skipper.packets(packets) if skipper else packets, need_all)
    frames = skipper.merge(frames) if skipper else frames
    return frames_from(entry, frames) if entry else frames


def _decoded(
    video: Video, packets: Iterator[av.Packet], need_all: Callable[[], None]
) -> Iterator[av.VideoFrame | None]:
    """Yield all frames, deinterlaced from the first interlaced one on; None for a frame that cannot be decoded.

    Errors after the last frame yield nothing: there the end of the file is missing. `need_all` is called before what
    needs all frames: a place of one that cannot be decoded, and a deinterlacer.
    """
    deinterlacer, failed = None, 0
    for packet in packets:
        try:
            frames = packet.decode()
        except UNDECODABLE:
            failed += 1
            continue
        if frames and failed:
            need_all()
            yield from deinterlacer.push(None) if deinterlacer else ()  # the frame that it holds comes first
            yield from [None] * failed
            deinterlacer, failed = None, 0
        for frame in frames:
            if not (frame.interlaced_frame or deinterlacer):
                yield frame
                continue
            if deinterlacer is None or not deinterlacer.fits(frame):
                need_all()
                yield from deinterlacer.push(None) if deinterlacer else ()
                deinterlacer = _Deinterlacer(frame)
            yield from deinterlacer.push(frame)
    yield from deinterlacer.push(None) if deinterlacer else ()


def _key_frames(video: Video) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield the key frames with their numbers among all frames.

    A packet after a key frame may be shown before it. So a number is known when the next key frame comes.
    """
    stamps: list[tuple[int, int]] = []  # of key frames whose numbers are not known yet: time stamp, packets before it
    decoded: dict[int, av.VideoFrame] = {}
    for index, packet in enumerate(video.container.demux(video.stream)):
        if packet.is_keyframe and packet.pts is not None:
            yield from _numbered(stamps, decoded)
            stamps.append((packet.pts, index))
        elif stamps and packet.pts is not None and packet.pts < stamps[-1][0]:
            stamps[-1] = (stamps[-1][0], stamps[-1][1] + 1)
        if packet.is_keyframe or packet.pts is None:
            try:
                decoded |= {frame.pts: frame for frame in packet.decode() if frame.pts is not None}
            except UNDECODABLE:
                continue
    yield from _numbered(stamps, decoded)


def _numbered(stamps: list[tuple[int, int]], decoded: dict[int, av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Remove the key frames that were decoded from both collections, and yield them."""
    for stamp, number in [pair for pair in stamps if pair[0] in decoded]:
        stamps.remove((stamp, number))
        frame = decoded.pop(stamp)
        if frame.interlaced_frame:
            deinterlacer = _Deinterlacer(frame, "yadif")  # bwdif leaves a frame as it is without the frames around it
            frame = next(iter([*deinterlacer.push(frame), *deinterlacer.push(None)]))
        yield number, frame


class _Deinterlacer:
    """A filter of FFmpeg for frames of one size and format. It changes only frames that are flagged as interlaced."""

    def __init__(self, frame: av.VideoFrame, name: str = "bwdif") -> None:
        self._shape = (frame.width, frame.height, frame.format.name)
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        deinterlace = self._graph.add(name, "mode=send_frame:deint=interlaced")
        source.link_to(deinterlace)
        deinterlace.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def fits(self, frame: av.VideoFrame) -> bool:
        """Return whether a frame has the size and format that this filter was made for."""
        return self._shape == (frame.width, frame.height, frame.format.name)

    def push(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Add a frame, None at the end, and yield finished frames. The filter needs one frame ahead."""
        self._graph.vpush(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _pixel_ratio(stream: av.video.stream.VideoStream) -> Fraction:
    """Return width over height of a pixel, 1 where the file gives none that is plausible."""
    ratio = stream.sample_aspect_ratio
    return ratio if ratio is not None and 1 / MAX_PIXEL_RATIO <= ratio <= MAX_PIXEL_RATIO else Fraction(1)


def _to_picture(path: Path, frame: av.VideoFrame | SkippedFrame | None, ratio: Fraction) -> np.ndarray | None:
    """Return a frame as players show it: RGB uint8 (height, width, 3), with square pixels, upright.

    It needs nothing of the file, which may be closed. Raises UnreadableVideoError.
    """
    assert not isinstance(frame, SkippedFrame), "nobody looks at it"
    if frame is None:
        return None
    try:
        picture, turns = to_rgb(frame, "complete", max(1, round(frame.width * ratio))), _turns(frame)
    except av.error.FFmpegError as error:
        raise UnreadableVideoError(f"{path} has frames that cannot be converted: {error.strerror}.") from error
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def _to_view(path: Path, frame: av.VideoFrame | SkippedFrame | None, ratio: Fraction) -> np.ndarray | View | None:
    """Return a frame as `_to_picture` does, or a view of it."""
    if isinstance(frame, av.VideoFrame) and ratio == 1 and View.fits(frame) and not _turns(frame):
        return View(frame)
    return _to_picture(path, frame, ratio)


def _turns(frame: av.VideoFrame) -> int:
    """Return by how many quarters a player turns a frame to the left."""
    return round(frame.rotation / 90) % 4
