"""Writes annotated pictures and videos."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.features.drawing import draw
from tfaffect.features.row import Row
from tfaffect.files import atomic


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

    The format is MPEG-4 part 2 in an mp4. QuickTime, Windows, VLC and mpv play it, browsers do not: convert it with
    `ffmpeg -i annotated.mp4 browser.mp4`. The wheels of OpenCV have no encoder for H.264, and the formats of browsers
    are slow: two cores write 130 frames of 720p per second as mp4v, 17 as VP8 and 4 as VP9.

    Raises UsageError unless `frames_per_second` is positive and finite.
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
        """Draw rows into a frame and add it. The first frame sets the size of the video; others are fitted into it.

        Raises UsageError when OpenCV cannot write the video.
        """
        frame = draw(picture, rows)
        if self._writer is None:
            self._width, self._height = (side + side % 2 for side in frame.shape[1::-1])  # the codec needs even sides
            self._writer = self._open()
        self._writer.write(cv2.cvtColor(_fit(frame, self._width, self._height), cv2.COLOR_RGB2BGR))
        self._count += 1

    def __exit__(self, *exception: Any) -> bool | None:
        return self._file.__exit__(*exception)

    def _open(self) -> cv2.VideoWriter:
        self._partial = self._file.enter_context(atomic.write_file(self._path))
        size, code = (self._width, self._height), cv2.VideoWriter.fourcc(*"mp4v")
        # OpenCV 5.0 crashes on a str that is not UTF-8. It accepts bytes too, but its stubs do not list them.
        writer = cv2.VideoWriter(os.fsencode(self._partial), code, self._rate, size)  # type: ignore[call-overload]
        if not writer.isOpened():
            raise UsageError(
                f"OpenCV cannot write {self._path} with {self._width} x {self._height} pixels at {self._rate} frames "
                "per second. It needs a name that ends in .mp4, and FFmpeg, which opencv-python-headless includes."
            )
        self._file.push(self._check_count)
        self._file.callback(writer.release)
        return writer

    def _check_count(self, kind: type[BaseException] | None, *_: object) -> None:
        """Count the written frames, because OpenCV reports no error when the disk is full."""
        capture = cv2.VideoCapture(os.fsencode(self._partial))  # type: ignore[call-overload]  # as above
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if kind is None and count != self._count:
            message = f"Only {max(count, 0):.0f} of {self._count} frames were written. Is the disk full?"
            raise OSError(errno.ENOSPC, message, str(self._path))


def _fit(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """Centre a frame on black in another size, and scale it down if it is too large."""
    scale = min(1, width / frame.shape[1], height / frame.shape[0])
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y = width - frame.shape[1], height - frame.shape[0]
    return cv2.copyMakeBorder(frame, y // 2, y - y // 2, x // 2, x - x // 2, cv2.BORDER_CONSTANT)
