"""SEWA: people of six cultures watch adverts at home, and talk about them in pairs by video chat.

Kossaifi et al.: SEWA DB: A Rich Database for Audio-Visual Emotion and Sentiment Research in the Wild, TPAMI 2021.
There are two distributions. They share recordings and must not be built together:

- The editions of AVEC 2017, 2018 and 2019 have a gold standard, 10 a second. Devel is our validation. Test and the
  Chinese recordings of 2019 have no ratings. AVEC does not tell who talked to whom, so a recording is its own group.
- The database itself has segments cut from recordings. Several raters perceived both sound and picture (AV), only the
  picture (V) or only the sound (A). `perceived` chooses one; its raters are averaged. The two people of a session
  (S001) are one group. Splits are drawn.

A segment's name ends in its first and last frame in the recording, and its ratings have a frame index. We infer that
the index counts from the start of the recording, and test it: an index that starts before the segment counts from the
segment's start, and is noted. The delay of the raters is not compensated: AVEC's baselines shift the ratings by 2 s.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT
from tfrecords_builders import recordings, trace_files, traces
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.raw_files import find
from tfrecords_builders.traces import Trace

SPLIT_OF_NAME = {"train": "train", "devel": "validation", "test": "test"}
AVEC_NAME = re.compile(r"(train|devel|test)(?:_([a-z]{2}))?_(\d+)")
AVEC_COLUMNS = ("name", "timestamp", "arousal", "valence", "liking")
RATINGS_NAME = re.compile(r"(?P<segment>.+)_(?P<dimension>valence|arousal)_(?P<perceived>av|a|v)_aligned")
SEGMENT_NAME = re.compile(r"(?P<recording>.+)_(?P<first>\d+)_(?P<last>\d+)")
NOT_PERCEIVED = Skip("no ratings of the kind that --perceived chooses", intended=True)
SESSION = re.compile(r"(?:.*_)?(?P<culture>c\d+)_(?P<session>s\d+)_p\d+(?:_.*)?")

Name = tuple[str, str, int]
"""Split, culture (or an empty text) and number of a recording of AVEC."""


@dataclass(frozen=True)
class Sewa(recordings.RatedVideos):
    """The corpus, from an edition of AVEC or from the database itself."""

    perceived: Literal["AV", "V", "A"] = "AV"
    """What the raters of the database perceived: sound and picture (AV), the picture (V) or the sound (A)."""
    raw_range: float = 1.0
    """Highest rating of the database, which becomes 1. The lowest is its negative, which becomes -1."""

    labels = "valence, arousal"
    homepage = "https://db.sewaproject.eu/"
    citation = "Kossaifi et al., TPAMI 43(3), 2021, doi:10.1109/TPAMI.2019.2944808"
    licence = "academic research; agreement signed by a researcher"
    instructions = """
Sign the agreement at https://db.sewaproject.eu/ and unpack, with all inner archives, either the database
    DIR/.../SAH_C1_S009_P018_VC1_004321_005367/      any folders; files are found by name:
        SAH_C1_S009_P018_VC1_004321_005367.avi
        SAH_C1_S009_P018_VC1_004321_005367_Valence_AV_Aligned.csv     frame_idx, then a column for each rater
        SAH_C1_S009_P018_VC1_004321_005367_Arousal_AV_Aligned.csv
or an edition of AVEC
    DIR/.../video/Train_01.avi            Train_DE_01.avi in 2018 and 2019
    DIR/.../labels/Train_01.csv           name; time; arousal; valence; liking
but not both: they share recordings.
"""

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every sampled frame that is rated, recording by recording."""
        self.check_sampling()
        if not 0 < self.raw_range < np.inf:
            raise UsageError(f"--raw-range must be more than 0. Received: {self.raw_range:g}.")
        labels, tables = _avec_files(find(root, "labels", "raw_data"), ".csv"), _tables(root)
        if labels and tables:
            raise RawFolderError(self, root, "The database and an edition of AVEC are both here. Keep one.")
        if not labels and not tables:
            raise RawFolderError(self, root, "Neither labels/Train_01.csv nor a table *_Aligned.csv was found.")
        yield from self._avec(root, labels) if labels else self._database(root, tables)

    def _avec(self, root: Path, labels: dict[Name, Path]) -> Iterator[Face | Skip | Note]:
        videos = _avec_files(find(root, "video", "videos", "raw_data"), *recordings.VIDEO)
        if not videos:
            raise RawFolderError(self, root, "There is no video/Train_01.avi.")
        for name in sorted({*labels, *videos}):
            if name not in labels or name not in videos:
                yield recordings.NO_VIDEO if name in labels else recordings.without_ratings(SPLIT_OF_NAME[name[0]])
                continue
            split, culture, number = name
            unit = "_".join(filter(None, (split.capitalize(), culture.upper(), f"{number:02d}")))
            table = trace_files.read_table(labels[name], AFFECT, AVEC_COLUMNS)
            affect = {dimension: traces.checked(table[dimension], labels[name]) for dimension in AFFECT if table}
            tags = (culture.upper(),) if culture else ()
            if split == "test" and not any(affect.values()):
                yield recordings.WITHHELD
                continue
            yield from self.rated_frames(unit, videos[name], affect, group=unit, split=SPLIT_OF_NAME[split], tags=tags)

    def _database(self, root: Path, tables: dict[tuple[str, str, str], Path]) -> Iterator[Face | Skip | Note]:
        videos = recordings.by_stem(root, *recordings.VIDEO)
        by_video: dict[Path, list[Segment]] = defaultdict(list)
        for name in recordings.natural_order({name for name, _, _ in tables}):
            chosen = {d: tables[name, d, self.perceived] for d in AFFECT if (name, d, self.perceived) in tables}
            segment = Segment(name, {dimension: _raters(path) for dimension, path in chosen.items()})
            video = next((videos[stem] for stem in segment.stems if stem in videos), None)
            if video is None or not chosen:
                yield recordings.NO_VIDEO if chosen else NOT_PERCEIVED
            else:
                by_video[video].append(segment)
        self._check_range([segment for segments in by_video.values() for segment in segments])
        for video, segments in by_video.items():
            yield from self._segments(video, segments)

    def _segments(self, video: Path, segments: list["Segment"]) -> Iterator[Face | Skip | Note]:
        """The frames of one video. It shows one segment, or a recording whose overlapping segments are averaged."""
        from tfaffect.media.video import UnreadableVideoError, frames_per_second

        try:
            rate = frames_per_second(video)
        except UnreadableVideoError:
            yield Skip("video missing or cannot be decoded")
            return
        affect = {
            dimension: traces.mean([segment.gold(dimension, video, rate, self.raw_range) for segment in segments])
            for dimension in AFFECT
        }
        session = SESSION.fullmatch(segments[0].name)
        group, tags = (session["session"], (session["culture"].upper(),)) if session else (segments[0].recording, ())
        if not session:
            yield Note("no session in the segment's name: the recording is a group")
        yield from self.rated_frames(video.stem, video, affect, group=group.upper(), tags=tags)

    def _check_range(self, segments: list["Segment"]) -> None:
        ratings = (trace.values for segment in segments for _, raters in segment.raters.values() for trace in raters)
        largest = max((np.nanmax(np.abs(values)) for values in ratings), default=0)
        if largest > self.raw_range * (1 + traces.TOLERANCE):
            raise UsageError(
                f"The ratings of SEWA must lie in [-{self.raw_range:g}, {self.raw_range:g}]. Received: {largest:g}. "
                "Set their highest value with --raw-range."
            )


@dataclass(frozen=True)
class Segment:
    """A segment's name, and by dimension its table and the traces of its raters over the frame index."""

    name: str
    raters: dict[str, tuple[Path, list[Trace]]]

    @property
    def recording(self) -> str:
        """The name of the recording."""
        named = SEGMENT_NAME.fullmatch(self.name)
        return named["recording"] if named else self.name

    @property
    def stems(self) -> tuple[str, str, str]:
        """Names its video may have: the segment's, or the recording's with or without the kind of segment."""
        return self.name, self.recording, re.sub(r"^s[a-z]{2}_", "", self.recording)

    def gold(self, dimension: str, video: Path, rate: float, raw_range: float) -> Trace:
        """Return the mean of the raters, in [-1, 1], over the seconds of the video."""
        path, raters = self.raters.get(dimension, (video, []))
        named = SEGMENT_NAME.fullmatch(self.name)
        first_frame = int(named["first"]) if named else 0
        from_recording = all(trace.seconds[0] >= first_frame for trace in raters)
        shift = (0 if from_recording else first_frame) - (first_frame if video.stem.lower() == self.name else 0)
        notes = () if from_recording else (Note("frame index counts from the segment's start"),)
        scaled = [Trace((t.seconds + shift) / rate, t.values / raw_range, (*t.notes, *notes)) for t in raters]
        return traces.mean([traces.checked(trace, path) for trace in scaled])


def _raters(path: Path) -> tuple[Path, list[Trace]]:
    return path, [trace for trace in trace_files.read_table(path, time="frame_idx").values() if trace]


def _avec_files(folder: Path | None, *suffixes: str) -> dict[Name, Path]:
    """The files of AVEC's recordings by split, culture and number: some copies write Train_1 for Train_01."""
    named = ((AVEC_NAME.fullmatch(stem), path) for stem, path in recordings.by_stem(folder, *suffixes).items())
    return {(match[1], match[2] or "", int(match[3])): path for match, path in named if match}


def _tables(root: Path) -> dict[tuple[str, str, str], Path]:
    """The tables of the database by segment, dimension and what the raters perceived."""
    named = ((RATINGS_NAME.fullmatch(stem), path) for stem, path in recordings.by_stem(root, ".csv").items())
    return {(match["segment"], match["dimension"], match["perceived"].upper()): path for match, path in named if match}
