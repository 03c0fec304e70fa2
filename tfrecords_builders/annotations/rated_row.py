"""The labels that one row of a table gives to a video: constants, or files with ratings over time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfaffect.files.paths import existing, printable
from tfaffect.labels import AFFECT, CLASS_OF_WORD
from tfrecords_builders.annotations import choosing
from tfrecords_builders.annotations.first_few import FirstFew
from tfrecords_builders.annotations.labels import Classes, classes, ratings
from tfrecords_builders.annotations.steps import Steps, between
from tfrecords_builders.annotations.tracks import Tier, Track
from tfrecords_builders.base import Note
from tfrecords_builders.label_table import Cells
from tfrecords_builders.raw_files import path_below
from tfrecords_builders.traces import Trace

SEPARATOR = ";"
"""Between the names of several files in one cell: each is a rater."""


@dataclass
class Labels:
    """The labels of a video: for each dimension a trace by rater, and for each rater the segments of classes."""

    affect: dict[str, list[Trace]] = field(default_factory=lambda: {name: [] for name in AFFECT})
    classes: list[Classes] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.classes) or any(self.affect.values())

    def add(self, other: "Labels") -> None:
        """Add the raters of another row."""
        for name, raters in other.affect.items():
            self.affect[name] += raters
        self.classes += other.classes
        self.notes += other.notes


@dataclass(frozen=True)
class RowReader:
    """Reads the labels of rows whose files lie below `folder`.

    limits: the lowest and the highest rating of constants, and of files that do not state them.
    class_map: the classes of labels that are no words for a class.
    delay: of ratings that people gave while the video played, in seconds. Constants and segments have none.
    read: returns the tracks in a file.
    few: the files that notes have named.
    """

    folder: Path
    limits: tuple[float, float]
    class_map: Mapping[str, str | None]
    delay: float
    read: Callable[[Path], list[Track]]
    few: FirstFew = field(default_factory=FirstFew)

    def labels(self, cells: Cells, video: Path, seconds: float) -> Labels:
        """Return the labels of a row for its video, which lasts some seconds.

        Their times are those of the ratings: a frame takes the label `delay` seconds later. Raises UsageError for a
        cell or a file that cannot be used.
        """
        found = Labels()
        for dimension in (*AFFECT, "class"):
            if (constant := self._constant(cells, dimension, seconds)) is not None:
                self._keep(found, dimension, constant)
                continue
            for path, tier in self._files(cells, dimension):
                tracks = choosing.of_video(path, self.read(path), video)
                for track in choosing.one_dimension(path, tracks, dimension, tier):
                    self._add(found, dimension, path, track, tier)
        for path, tier in self._files(cells, "annotation"):
            tracks = choosing.of_video(path, self.read(path), video)
            for dimension, chosen in choosing.all_dimensions(path, tracks, tier).items():
                if chosen and cells.text(dimension):
                    raise cells.error("annotation", f"a file without {dimension}, which has its own column")
                for track in chosen:
                    self._add(found, dimension, path, track, tier)
        return self._within(found, *_window(cells))

    def _constant(self, cells: Cells, dimension: str, seconds: float) -> Trace | Classes | None:
        """The constant in a cell as steps over the complete video, or None for a file or an empty cell."""
        text = cells.text(dimension)
        if dimension == "class":
            word = text.lower()
            if word not in self.class_map and word not in CLASS_OF_WORD:
                return None
            name = self.class_map[word] if word in self.class_map else CLASS_OF_WORD[word]
            return {name: Steps.over([(0, seconds, 1)])} if name else {}
        value, (low, high) = cells.table.number(text), self.limits
        if value is None:
            return None
        if not low <= value <= high:
            expected = f"in [{low:g}, {high:g}], or set the range with --affect-low and --affect-high"
            raise cells.error(dimension, expected)
        return Steps.over([(0, seconds, (2 * value - low - high) / (high - low))])

    def _files(self, cells: Cells, column: str) -> Iterator[tuple[Path, str]]:
        """Yield the path and the tier of every file that a cell names."""
        kind = "a class, or the name of a file" if column == "class" else "a number, or the name of a file"
        kind = "the name of a file" if column == "annotation" else kind
        for name in filter(None, map(str.strip, cells.text(column).split(SEPARATOR))):
            whole = self._path(name)
            if whole and whole.is_file():
                yield whole, ""
                continue
            file, _, tier = name.rpartition("#") if "#" in name else (name, "", "")
            path = self._path(file)
            if not path:
                raise cells.error(column, f"{kind} below {self.folder}. {file!r} is outside it, or contains '..'")
            if not path.is_file():
                raise cells.error(column, f"{kind} below {self.folder}. There is no file {file!r} below it")
            yield path, tier

    def _path(self, name: str) -> Path | None:
        """The path of a file below the folder, or None for a path that leads out of it or cannot exist."""
        if (path := path_below(self.folder, name)) is None:
            return None
        return existing(self.folder, path.relative_to(self.folder).as_posix())

    def _add(self, found: Labels, dimension: str, path: Path, track: Track, tier: str) -> None:
        if not tier and choosing.is_unknown(track, dimension):
            what = f"{'tier' if isinstance(track, Tier) else 'column'} {printable(track.name)[:50]}"
            file = self.few.name(f"{what} {dimension}", printable(path.relative_to(self.folder).as_posix()))
            found.notes.append(Note(f"{what} of {file} is read as {dimension}"))
        if dimension == "class":
            segments, notes = classes(path, track, self.class_map)
            found.notes += notes
            self._keep(found, dimension, segments)
        else:
            self._keep(found, dimension, ratings(path, track, self.limits))

    def _keep(self, found: Labels, dimension: str, label: Trace | Classes) -> None:
        """Add labels, with those that have no delay moved to where delayed ratings are."""
        if isinstance(label, dict):
            found.classes.append({name: steps.later(self.delay) for name, steps in label.items()})
        else:
            found.affect[dimension].append(label.later(self.delay) if isinstance(label, Steps) else label)

    def _within(self, found: Labels, start: float, end: float) -> Labels:
        window = start + self.delay, end + self.delay
        return Labels(
            {name: [between(trace, *window) for trace in raters] for name, raters in found.affect.items()},
            [{name: segments.between(*window) for name, segments in rater.items()} for rater in found.classes],
            found.notes,
        )


def _window(cells: Cells) -> tuple[float, float]:
    """The start and the end of a row in seconds of the video; infinite where the row has none."""
    start, end = cells.number("start"), cells.number("end")
    if start is not None and start < 0:
        raise cells.error("start", "0 or more seconds")
    if end is not None and end <= (start or 0):
        raise cells.error("end", "later than the start, in seconds")
    return -np.inf if start is None else start, np.inf if end is None else end
