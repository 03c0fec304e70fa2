"""Annotated pictures and videos as files."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.features.drawing import draw
from tfaffect.features.row import Row
from tfaffect.files import atomic


def write_picture(path: Path, picture: np.ndarray, rows: Sequence[Row]) -> None:
    """Write an annotated picture, whole or not at all: PNG, or JPEG of quality 92, as the name ends.

    Raises UsageError for another ending than `.png`, `.jpg` and `.jpeg`, and OSError.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"An annotated picture is a .png, .jpg or .jpeg. Received: {path}.")
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    encoded = cv2.imencode(suffix, cv2.cvtColor(draw(picture, rows), cv2.COLOR_RGB2BGR), options)[1]
    with atomic.write_file(path) as partial:
        partial.write_bytes(encoded)


class AnnotatedVideo:
    """A video of annotated frames, which appears at the end of a `with` block, whole or not at all.

    MPEG-4 part 2 in an mp4: QuickTime, the players of Windows, VLC and mpv show it, browsers do not. The wheels of
    OpenCV have no encoder for H.264, and what browsers show as well is slow: of 720p, two cores write 130 frames a
    second as mp4v, 17 as VP8 and 4 as VP9. `ffmpeg -i annotated.mp4 browser.mp4` makes one for browsers. Without a
    frame there is no file.

    Args:
      path: of the mp4.
      frames_per_second: at which the frames are shown, evenly.

    Raises:
      UsageError: the rate is not a positive number.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        if not 0 < frames_per_second < math.inf:
            raise UsageError(f"A video needs frames per second above 0. Received: {frames_per_second} for {path}.")
        self._path, self._rate = path, frames_per_second
        self._writer: cv2.VideoWriter | None = None
        self._file, self._count = ExitStack(), 0

    def __enter__(self) -> AnnotatedVideo:
        return self

    def write(self, picture: np.ndarray, rows: Sequence[Row]) -> None:
        """Add a frame, drawn as `draw` does it. The first one's size is the video's; others are fitted into it.

        Raises UsageError when OpenCV cannot write such a video.
        """
        frame = draw(picture, rows)
        if self._writer is None:
            self._width, self._height = (side + side % 2 for side in frame.shape[1::-1])  # the codec wants even sides
            self._writer = self._open()
        self._writer.write(cv2.cvtColor(_fit(frame, self._width, self._height), cv2.COLOR_RGB2BGR))
        self._count += 1

    def __exit__(self, *exception: object) -> bool | None:
        return self._file.__exit__(*exception)

    def _open(self) -> cv2.VideoWriter:
        self._partial = self._file.enter_context(atomic.write_file(self._path))
        size, code = (self._width, self._height), cv2.VideoWriter.fourcc(*"mp4v")
        # The name as bytes: OpenCV 5.0 crashes on a text that is not UTF-8.
        writer = cv2.VideoWriter(os.fsencode(self._partial), code, self._rate, size)
        if not writer.isOpened():
            raise UsageError(
                f"OpenCV cannot write {self._path} with {self._width} x {self._height} pixels at {self._rate} frames a "
                "second. It takes a name ending in .mp4 and an OpenCV with FFmpeg, such as opencv-python-headless."
            )
        self._file.push(self._close)
        return writer

    def _close(self, kind: type[BaseException] | None, *_: object) -> None:
        """Count what arrived, because OpenCV says nothing of a full disk."""
        self._writer.release()
        count = cv2.VideoCapture(os.fsencode(self._partial)).get(cv2.CAP_PROP_FRAME_COUNT)
        if kind is None and count != self._count:
            arrived = f"Of {self._count} frames {max(count, 0):.0f} arrived. Is the disk full?"
            raise OSError(errno.ENOSPC, arrived, str(self._path))


def _fit(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """Centre a frame in another size on black, scaled down where it is too large."""
    scale = min(1, width / frame.shape[1], height / frame.shape[0])
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y = width - frame.shape[1], height - frame.shape[0]
    return cv2.copyMakeBorder(frame, y // 2, y - y // 2, x // 2, x - x // 2, cv2.BORDER_CONSTANT)
