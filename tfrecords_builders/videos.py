"""Your own videos, and what people rated in them.

A wrong cell or a wrong rating stops the build, and the error names its place, because you can correct it. Counted are
videos that cannot be read, gaps in ratings, and videos that are longer or shorter than their ratings.

- Several rows of a video, or several files in a cell, are several raters. Their ratings of valence and arousal become
  one by `gold_standard`; their classes are votes. The report says how far they agree (mean pairwise CCC, Krippendorff's
  alpha). Rows with a start and an end that do not overlap are parts of the video, not raters.
- Ratings that people gave while the video played come late; see `annotation_delay`. Segments and constants were placed
  by hand and are not moved.
- Splits are drawn by group. Without a column `group` a video is a group, and then one person may be in several splits.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from tfaffect import cli
from tfaffect.errors import UsageError
from tfaffect.files.tables import SUFFIXES
from tfaffect.labels import CLASSES, SPLITS, Expression
from tfrecords_builders import recordings, traces
from tfrecords_builders.annotations import raters, sniffing, steps
from tfrecords_builders.annotations.agreement import Agreement
from tfrecords_builders.annotations.first_few import FirstFew
from tfrecords_builders.annotations.labels import Classes, class_map
from tfrecords_builders.annotations.rated_row import Labels, RowReader
from tfrecords_builders.annotations.video_table import VIDEO, facts, open_videos, row_named, video_name
from tfrecords_builders.base import Box, Face, Frame, Note, Skip
from tfrecords_builders.label_table import Cells
from tfrecords_builders.own_data import OwnData
from tfrecords_builders.traces import Trace

TABLE = "labels.csv"
MISSING = Skip("video missing")
UNREADABLE = Skip("video cannot be decoded")
TOO_LONG = Skip("video longer than a day, as its header says")


@dataclass(frozen=True)
class Videos(OwnData, recordings.RatedVideos):
    """Videos in a folder, with one table that names their labels and the files with their ratings."""

    table: str = TABLE
    """File name of the table: .csv, .tsv, .txt or .xlsx."""
    time_unit: Literal["stated", "seconds", "milliseconds"] = "stated"
    """Unit of the times in plain tables that do not state it."""
    affect_low: float = -1.0
    """Lowest valence and arousal, where a file does not state it; it becomes -1."""
    affect_high: float = 1.0
    """Highest valence and arousal, where a file does not state it; it becomes 1."""
    gold_standard: Literal["mean", "ccc_centred"] = "mean"
    """How several ratings become one: their mean, or the mean centred on the raters who agree (AVEC 2018)."""
    class_map: Annotated[list[str], cli.option("LABEL=CLASS...")] = field(default_factory=list)
    """Classes of labels that are no words for a class; none for no class. Then all other labels are left out."""
    person: Annotated[str, cli.option("largest|left|right|BOX", "largest")] = "largest"
    """Whose face it is: the largest, that in the left or right half, or in a box LEFT,TOP,RIGHT,BOTTOM in pixels."""

    labels = "your own labels over time: 8 classes, valence, arousal"
    licence = "that of your videos"
    instructions = f"""
Put your videos, the files with their ratings, and one table into one folder. Its
first row has the names of the columns.
    DIR/labels.csv     path,valence,arousal,class,group
    DIR/...            videos and ratings; paths start at the folder of the table
The table may also be labels.tsv, .txt or .xlsx.
The columns may have any order. Only path is required; other cells may be empty:
    path               or {", ".join(VIDEO[1:])}
    valence, arousal   a number, FILE or FILE#TIER
    class              a word such as happiness, FILE or FILE#TIER
    annotation         one file with several of them
    group              what must stay in one split, for example the subject;
                       without it, every video is a group
    split              {", ".join(SPLITS)}, for all rows or none;
                       without it, splits are drawn by group
    start, end         seconds of the video to which the row applies
    sex, age, ethnicity
Several rows of a video, several files in a cell (a.csv;b.csv) and FILE#* are
several raters. FILE is recognised by its content:
    a table            seconds,valence,arousal,class ... or pairs without names;
                       times without a unit need --time-unit
    NOVA, SSI          x.annotation beside x.annotation~, x.stream beside x.stream~
    CARMA, DARMA       as they export it
    ELAN               .eaf, with pip install "tfaffect[annotations]"
    BORIS              aggregated events, with --class-map
"""
    expressions = {name: Expression[name.upper()] for name in CLASSES}

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every sampled frame with a label, video by video. Raises UsageError for what cannot be used."""
        self._check()
        table = open_videos(self._table(root))
        yield from table.notes
        folder = table.table.path.parent
        by_video, few = dict[str, list[Cells]](), FirstFew()
        for cells in table.rows():
            name = video_name(folder, cells.row.get("path", ""))
            if isinstance(name, Skip):
                yield row_named(name, cells, few)
            else:
                by_video.setdefault(name, []).append(cells)
        unit = "" if self.time_unit == "stated" else self.time_unit
        read = lru_cache(maxsize=8)(partial(sniffing.read, unit=unit))  # rows of a video often name the same files
        limits = self.affect_low, self.affect_high
        reader = RowReader(folder, limits, class_map(self.class_map), self.annotation_delay, read, few)
        agreement = Agreement()
        for name, rows in by_video.items():
            yield from self._video(name, rows, reader, agreement)
        yield from agreement.notes()

    def _video(
        self, name: str, rows: Sequence[Cells], reader: RowReader, agreement: Agreement
    ) -> Iterator[Face | Skip | Note]:
        about, video = facts(name, rows), reader.folder / name
        seconds = _seconds(video)
        if isinstance(seconds, Skip):
            yield row_named(seconds, rows[0], reader.few)
            return
        labels = Labels()
        for cells in rows:
            labels.add(reader.labels(cells, video, seconds))
        if not labels:
            yield row_named(recordings.NO_RATINGS, rows[0], reader.few)
            return
        affect = {name: self._gold(rows[-1], name, given) for name, given in labels.affect.items() if given}
        whole = not any(cells.text("end") for cells in rows)
        yield from labels.notes
        yield from raters.length_notes(affect, labels.classes, seconds, self.annotation_delay, whole)
        times = np.arange(0, seconds, 1 / self.frames_per_second) + self.annotation_delay
        raters.compare(agreement, labels, times)
        yield from self._frames(name, video, affect, labels.classes, seconds, about)

    def _gold(self, cells: Cells, dimension: str, given: list[Trace]) -> Trace:
        try:
            return raters.gold(given, self.gold_standard)
        except raters.MixedRatersError:
            raise cells.error(
                dimension, "of one kind in all rows of a video: ratings over time, or segments and numbers"
            ) from None

    def _frames(
        self,
        name: str,
        video: Path,
        affect: dict[str, Trace],
        classes: list[Classes],
        seconds: float,
        about: dict[str, Any],
    ) -> Iterator[Face | Skip | Note]:
        """Yield the labelled frames. A class is that of the frame's time; of several raters it has the votes."""
        segments = [each for rater in classes for each in rater.values()]
        rated = {**affect, **({"expression": steps.mean(segments)} if segments else {})}
        faces: list[Face] = []
        for item in self.rated_frames(name, video, rated, box=self._box(video, seconds), **about):
            if not isinstance(item, Face):
                yield item
            elif _time(item) < seconds:
                faces.append(item)
        times = np.array([_time(face) for face in faces]) + self.annotation_delay
        for face, votes in zip(faces, np.nansum(raters.votes(classes, times), axis=1), strict=True):
            chosen = {name: float(count) for name, count in zip(CLASSES, votes, strict=True) if count > 0}
            yield replace(face, expression=chosen if len(chosen) > 1 else next(iter(chosen), None))

    def _check(self) -> None:
        self.check_sampling()
        if not -np.inf < self.affect_low < self.affect_high < np.inf:
            received = f"--affect-low {self.affect_low:g} --affect-high {self.affect_high:g}"
            raise UsageError(f"The lowest affect must be less than the highest. Received: {received}.")
        if self.person not in ("largest", "left", "right") and _numbers(self.person) is None:
            raise UsageError(
                "--person must be largest, left, right, or a box LEFT,TOP,RIGHT,BOTTOM in pixels with an area. "
                f"Received: {self.person!r}."
            )

    def _box(self, video: Path, seconds: float) -> Box | None:
        """The box in which the centre of the face must lie; None for the largest face of the picture."""
        if self.person == "largest":
            return None
        if box := _numbers(self.person):
            return box
        from tfaffect.media.video import UnreadableVideoError, frames

        try:
            pictures = (picture for _, picture in frames(video, np.arange(0, seconds, 0.5)) if picture is not None)
            picture = next(pictures, None)
        except UnreadableVideoError:
            picture = None
        if picture is None:
            return None  # no frame can be decoded, so each is counted as missing
        height, width = picture.shape[:2]
        return (0, 0, width / 2, height) if self.person == "left" else (width / 2, 0, width, height)

    def _table(self, root: Path) -> Path:
        if (root / self.table).is_file():
            return root / self.table
        usual = [Path(TABLE).with_suffix(suffix).name for suffix in SUFFIXES] if self.table == TABLE else []
        return self.require(root, self.table, *usual)


def _seconds(video: Path) -> float | Skip:
    from tfaffect.media.video import UnreadableVideoError, duration

    if not os.path.isfile(video):  # unlike Path.is_file, also for names that are too long
        return MISSING
    try:
        seconds = duration(video)
    except UnreadableVideoError:
        return UNREADABLE
    return seconds if seconds <= traces.LONGEST_SECONDS else TOO_LONG


def _time(face: Face) -> float:
    assert isinstance(face.image, Frame)
    return face.image.seconds


def _numbers(box: str) -> Box | None:
    """The box in four numbers, or None for another text and a box without area."""
    try:
        left, top, right, bottom = map(float, box.split(","))
    except ValueError:
        return None
    return (left, top, right, bottom) if 0 <= left < right < np.inf and 0 <= top < bottom < np.inf else None
