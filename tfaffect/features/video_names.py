"""A folder with several files for every video of a run, named after the videos."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.annotated import shortened
from tfaffect.features.replay import Video
from tfaffect.features.sources import Source, resolved
from tfaffect.files import atomic


class VideoNames:
    """The folder that the option `flag` names, with files named `<video><ending>`.

    endings: regular expression of all endings.
    """

    def __init__(self, flag: str, folder: Path, sources: Sequence[Source], endings: str) -> None:
        self.flag, self.folder, self.sources, self.endings = flag, folder, sources, endings
        self._used: set[Path] = set()

    def check(self, may_replace: bool, files: Iterable[Path]) -> None:
        """Raise UsageError for a folder that cannot be written, or where one of `files` or others would be replaced."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.flag} must be a folder. Received: {self.folder}.")
        if not may_replace and self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(f"{self.folder} is not empty. Name another folder for {self.flag}, or add --overwrite.")
        folder = resolved(self.folder)
        names = {str(self._name(source)) for source in self.sources}
        for path in files:
            if resolved(path).is_relative_to(folder) and self._video(resolved(path).relative_to(folder)) in names:
                raise UsageError(f"{self.flag} {self.folder} would overwrite {path}. Name another folder.")
        try:
            atomic.check_writable(self.folder / "annotation")
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be written: {error.strerror}. Name another folder.") from error

    def start(self, number: int) -> Path:
        """Return the path of a source's files without their endings, and remove those of an earlier run.

        The earlier run may have had other tracks. Call this once for each video, in order of number: a name that is in
        use gets the source's number. The path is that of the source from the common parent of all.
        """
        stem = self.folder / self._name(self.sources[number])
        while stem in self._used:
            stem = stem.with_name(f"{stem.name}-{number}")
        self._used.add(stem)
        stem.parent.mkdir(parents=True, exist_ok=True)
        for path in list(stem.parent.iterdir()):
            if re.fullmatch(re.escape(stem.name) + f"(?:{self.endings})", path.name):
                path.unlink()
        return stem

    @cached_property
    def _parent(self) -> str:
        return os.path.commonpath([os.path.dirname(os.path.abspath(source.path)) for source in self.sources])

    def _name(self, source: Source) -> Path:
        """Return the name of a video from the common parent on, without its suffix."""
        path = Path(os.path.relpath(os.path.abspath(source.path), self._parent))
        return path.with_name(shortened(path.name if os.path.isdir(source.path) else path.stem))

    def _video(self, path: Path) -> str | None:
        """Return the video to which a file belongs by its ending, without the number of a used name."""
        ending = re.search(rf"(?:-\d+)*(?:{self.endings})$", str(path))
        return str(path)[: ending.start()] if ending else None


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text as UTF-8, completely or not at all."""
    atomic.remove_unfinished(path)
    with atomic.write_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def with_numbers(videos: Iterable[Video], sources: Sequence[Source]) -> Iterator[tuple[int, Video]]:
    """Yield every video of a table with the number of its source. Sources without frames have no video.

    Segments of one file differ in the columns that were carried over from the table that lists them.
    """
    numbered = enumerate(sources)
    for video in videos:
        yield next(number for number, source in numbered if _is_of(video, source)), video


def _is_of(video: Video, source: Source) -> bool:
    return source.name == video.path and all(source.carried.get(name) == text for name, text in video.carried.items())
