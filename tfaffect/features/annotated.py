"""A folder of annotated pictures and videos, named after their sources."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError
from tfaffect.features.annotation import AnnotatedVideo, write_picture
from tfaffect.features.anonymisation import blur_faces
from tfaffect.features.sample import Sample, scaled
from tfaffect.features.sources import Source, kind, resolved
from tfaffect.files import atomic

NAME_BYTES = 150
"""Longer names are cut: most file systems allow 255 bytes, and the temporary name during writing is longer."""


class AnnotatedFiles:
    """Draws the samples of a run, given in order, and writes every picture and video atomically.

    With `blur`, all found faces are made unrecognisable.
    """

    def __init__(self, folder: Path, sources: Sequence[Source], blur: bool = False) -> None:
        self.folder, self.sources, self.blur = folder, sources, blur
        self.targets = _targets(folder, sources)
        self._number: int | None = None
        self._video: AnnotatedVideo | None = None
        self._stack = ExitStack()

    def __enter__(self) -> AnnotatedFiles:
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        """Finish the current video; after an error, discard it."""
        return self._stack.__exit__(*exception)

    def check(self, may_replace: bool) -> None:
        """Raise UsageError for a folder in which a file would be overwritten without permission."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"--annotate must be a folder. Received: {self.folder}.")
        if not may_replace and self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(f"{self.folder} is not empty. Name another folder for --annotate, or add --overwrite.")
        inside = set(map(resolved, self.targets))
        for source in self.sources:
            if resolved(source.path) in inside:
                raise UsageError(f"--annotate {self.folder} would overwrite {source.path}. Name another folder.")

    def add(self, sample: Sample) -> None:
        """Draw one picture or frame."""
        if sample.number != self._number:
            self._stack.close()
            self._number, self._video = sample.number, None
            if sample.picture is not None:  # the name of an unreadable source may be invalid
                atomic.remove_unfinished(self.targets[sample.number])
        if sample.picture is None:
            return
        target, picture = self.targets[sample.number], sample.picture
        if self.blur:
            picture = blur_faces(picture, [scaled(face, 1 / sample.reduction).box for face in sample.detections])
        if sample.frame is None:
            write_picture(target, picture, [scaled(row, 1 / sample.reduction) for row in sample.rows])
            return
        if self._video is None:
            self._video = self._stack.enter_context(AnnotatedVideo(target, sample.source.path))
        self._video.write(picture, sample.rows, sample.seconds or 0.0)

    def finish(self) -> None:
        """Finish the current video."""
        self._stack.close()

    def discard(self) -> None:
        """Discard the current video."""
        self._stack.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def _targets(folder: Path, sources: Sequence[Source]) -> list[Path]:
    """Return one file per source, at its path relative to the common parent. A name in use gets the source's number."""
    parent = os.path.commonpath([os.path.dirname(os.path.abspath(source.path)) for source in sources])
    targets: dict[Path, None] = {}
    for number, source in enumerate(sources):
        target = folder / os.path.relpath(os.path.abspath(source.path), parent)
        suffixes = (".mp4",) if _is_video(source.path) else (".jpg", ".jpeg", ".png")
        if target.suffix.lower() not in suffixes:
            target = target.with_name(target.name + suffixes[0])
        target = target.with_name(shortened(target.name))
        while target in targets:
            target = target.with_stem(f"{target.stem}-{number}")
        targets[target] = None
    return list(targets)


def shortened(name: str) -> str:
    """Return a name that is short enough for any file system, also as a temporary name."""
    if len(os.fsencode(name)) <= NAME_BYTES:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return f"{os.fsencode(name)[:NAME_BYTES].decode(errors='ignore')}-{digest}{Path(name).suffix}"


def _is_video(path: Path) -> bool:
    try:
        return os.path.isdir(path) or kind(path) == "video"  # a folder of pictures can be a video
    except OSError:
        return False
