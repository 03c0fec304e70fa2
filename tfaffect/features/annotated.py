"""Annotated pictures and videos in a folder, named after their sources."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.annotation import AnnotatedVideo, write_picture
from tfaffect.features.pipeline import Options, Sight
from tfaffect.features.sources import Source
from tfaffect.media.video import frames_per_second

NAME_BYTES = 150
"""Longer names are cut: most file systems take 255 bytes, and a name gains some while it is written."""


class AnnotatedFiles:
    """Takes the sights of a run in order, and writes each picture and each video when it is whole."""

    def __init__(self, folder: Path, sources: Sequence[Source], options: Options | None = None) -> None:
        self.folder, self.sources, self.options = folder, sources, options or Options()
        self.above = os.path.commonpath([os.path.dirname(os.path.abspath(source.path)) for source in sources])
        self.number, self.video, self.open = None, None, ExitStack()

    def __enter__(self) -> AnnotatedFiles:
        return self

    def __exit__(self, *exception: object) -> bool | None:
        """End the video under way, which vanishes after an error."""
        return self.open.__exit__(*exception)

    def check(self, may_replace: bool) -> None:
        """Raise UsageError for a folder in which something would be replaced that should not be."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"--annotate names a folder. Received: {self.folder}.")
        if not may_replace and self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(f"{self.folder} is not empty. Name another folder for --annotate, or add --overwrite.")
        for source in self.sources:
            for suffix in ("", ".jpg", ".mp4"):
                target = self._target(source, suffix)
                if target.exists() and source.path.exists() and target.samefile(source.path):
                    raise UsageError(f"--annotate {self.folder} would overwrite {source.path}. Name another folder.")

    def add(self, sight: Sight) -> None:
        """Draw one picture or frame."""
        if sight.number != self.number:
            self.open.close()
            self.number, self.video = sight.number, None
        if sight.picture is None:
            return
        if sight.frame is None:
            write_picture(self._target(sight.source, ".jpg", ".jpeg", ".png"), sight.picture, sight.rows)
            return
        if self.video is None:
            target = self._target(sight.source, ".mp4")
            self.video = self.open.enter_context(AnnotatedVideo(target, self._rate(sight.source)))
        self.video.write(sight.picture, sight.rows)

    def discard(self) -> None:
        """Leave nothing of the video under way."""
        self.open.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)

    def _rate(self, source: Source) -> float:
        """Frames a second; a container of variable rate may claim its clock's instead, which no player follows."""
        return min(self.options.fps or frames_per_second(source.path) / self.options.every, 240.0)

    def _target(self, source: Source, *suffixes: str) -> Path:
        """The file of a source: as it lies below the folder that all sources share.

        One whose suffix is not among `suffixes` gets the first of them as well.
        """
        place, name = os.path.split(os.path.relpath(os.path.abspath(source.path), self.above))
        if Path(name).suffix.lower() not in suffixes:
            name += suffixes[0]
        if len(os.fsencode(name)) > NAME_BYTES:
            digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
            name = f"{os.fsdecode(os.fsencode(name)[:NAME_BYTES])}-{digest}{Path(name).suffix}"
        return self.folder / place / name
