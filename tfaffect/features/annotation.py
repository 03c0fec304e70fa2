"""Writes annotated pictures and videos."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.features.drawing import draw
from tfaffect.features.row import Row
from tfaffect.features.sound import Sound
from tfaffect.files import atomic

CLOCK = Fraction(1, 90_000)
"""Seconds of one tick of the mp4's clock: fine enough for every frame rate."""

DEFAULT_STEP = 1 / 25
"""Seconds for which the frame of a video with one frame is shown."""

X264 = {"preset": "superfast", "crf": "20"}
"""Speed and quality of x264. Two cores encode 72 frames of 720p per second; `veryfast` 54, VP9 28."""


def write_picture(path: Path, picture: np.ndarray, rows: Sequence[Row]) -> None:
    """Draw rows into a picture and write it atomically: PNG, or JPEG of quality 92, by the suffix.

    Raises UsageError for a suffix other than `.png`, `.jpg` and `.jpeg`, and OSError.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"An annotated picture must be a .png, .jpg or .jpeg. Received: {path}.")
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    encoded = cv2.imencode(suffix, cv2.cvtColor(draw(picture, rows), cv2.COLOR_RGB2BGR), options)[1]
    with atomic.write_file(path) as partial:
        partial.write_bytes(encoded.tobytes())


class AnnotatedVideo:
    """A video of annotated frames, written atomically at the end of a `with` block. Without frames there is no file.

    The format is H.264 in an mp4, which browsers play. It starts with the first frame, and every frame is shown at its
    own time, also when the rate varies.

    path: of the mp4. sound_of: video whose sound is added; None for a silent video.
    """

    def __init__(self, path: Path, sound_of: Path | None = None) -> None:
        self._path, self._sound_of = path, sound_of
        self._stack = ExitStack()
        self._stream: Any = None
        self._first = self._last = self._step = 0.0

    def __enter__(self) -> AnnotatedVideo:
        return self

    def write(self, picture: np.ndarray, rows: Sequence[Row], seconds: float) -> None:
        """Draw rows into a frame and show it from `seconds` on.

        The first frame sets the size of the video; others are fitted into it. Raises OSError, such as for a full disk.
        """
        frame = draw(picture, rows)
        if self._stream is None:
            self._first = self._last = seconds
            self._open(frame.shape[1] + frame.shape[1] % 2, frame.shape[0] + frame.shape[0] % 2)  # x264: even sides
        fitted = _fit(frame, self._stream.width, self._stream.height)
        encoded = av.VideoFrame.from_ndarray(np.ascontiguousarray(fitted), format="rgb24")
        encoded.pts, encoded.time_base = round((seconds - self._first) / CLOCK), CLOCK
        self._container.mux(self._stream.encode(encoded))
        self._sound.copy_until(seconds)
        self._step, self._last = seconds - self._last, seconds

    def __exit__(self, *exception: Any) -> bool | None:
        return self._stack.__exit__(*exception)

    def _open(self, width: int, height: int) -> None:
        partial = self._stack.enter_context(atomic.write_file(self._path))
        self._container = self._stack.enter_context(av.open(f"file:{partial}", "w", format="mp4"))
        self._stream = self._container.add_stream("libx264", rate=round(1 / DEFAULT_STEP), options=X264)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = CLOCK
        self._sound = self._stack.enter_context(Sound(self._sound_of, self._container, self._first))
        self._stack.push(self._finish)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for packet in self._stream.encode(None):
                packet.duration = round(
                    (self._step or DEFAULT_STEP) / CLOCK
                )  # of the last frame; it lasts as the one before
                self._container.mux(packet)
            self._sound.copy_until(self._last + self._step)


def _fit(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """Centre a frame on black in another size, and scale it down if it is too large."""
    scale = min(1, width / frame.shape[1], height / frame.shape[0])
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y = width - frame.shape[1], height - frame.shape[0]
    return cv2.copyMakeBorder(frame, y // 2, y - y // 2, x // 2, x - x // 2, cv2.BORDER_CONSTANT)
