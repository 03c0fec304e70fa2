"""Annotated pictures and videos in a folder, named after their sources."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.annotation import AnnotatedVideo, write_picture
from tfaffect.features.pipeline import Options, Sample
from tfaffect.features.sources import Source, kind, resolved
from tfaffect.files import atomic
from tfaffect.media.video import frames_per_second

NAME_BYTES = 150
"""Longer names are cut: most file systems take 255 bytes, and a name gains some while it is written."""


class AnnotatedFiles:
    """Takes the samples of a run in order, and writes each picture and each video when it is whole."""

    def __init__(self, folder: Path, sources: Sequence[Source], options: Options | None = None) -> None:
        self.folder, self.sources, self.options = folder, sources, options or Options()
        self.targets = _targets(folder, sources)
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
        inside = set(map(resolved, self.targets))
        for source in self.sources:
            if resolved(source.path) in inside:
                raise UsageError(f"--annotate {self.folder} would overwrite {source.path}. Name another folder.")

    def add(self, sample: Sample) -> None:
        """Draw one picture or frame."""
        if sample.number != self.number:
            self.open.close()
            self.number, self.video = sample.number, None
            if sample.picture is not None:  # what cannot be read may have a name that no file system takes
                atomic.remove_unfinished(self.targets[sample.number])
        if sample.picture is None:
            return
        if sample.frame is None:
            write_picture(self.targets[sample.number], sample.picture, sample.rows)
            return
        if self.video is None:
            annotated = AnnotatedVideo(self.targets[sample.number], self._rate(sample.source))
            self.video = self.open.enter_context(annotated)
        self.video.write(sample.picture, sample.rows)

    def finish(self) -> None:
        """End the video under way."""
        self.open.close()

    def discard(self) -> None:
        """Leave nothing of the video under way."""
        self.open.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)

    def _rate(self, source: Source) -> float:
        """Frames a second; a container of variable rate may claim its clock's instead, which no player follows."""
        return min(self.options.fps or frames_per_second(source.path) / self.options.every, 240.0)


def _targets(folder: Path, sources: Sequence[Source]) -> list[Path]:
    """The file of each source, as it lies below the folder that all share; one that another has gets its number too."""
    above = os.path.commonpath([os.path.dirname(os.path.abspath(source.path)) for source in sources])
    targets: dict[Path, None] = {}
    for number, source in enumerate(sources):
        target = folder / os.path.relpath(os.path.abspath(source.path), above)
        suffixes = (".mp4",) if _is_video(source.path) else (".jpg", ".jpeg", ".png")
        if target.suffix.lower() not in suffixes:
            target = target.with_name(target.name + suffixes[0])
        target = target.with_name(shortened(target.name))
        while target in targets:
            target = target.with_stem(f"{target.stem}-{number}")
        targets[target] = None
    return list(targets)


def shortened(name: str) -> str:
    """Return a name that any file system takes, also with what a temporary name adds."""
    if len(os.fsencode(name)) <= NAME_BYTES:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return f"{os.fsencode(name)[:NAME_BYTES].decode(errors='ignore')}-{digest}{Path(name).suffix}"


def _is_video(path: Path) -> bool:
    try:
        return kind(path) == "video"
    except OSError:
        return False
