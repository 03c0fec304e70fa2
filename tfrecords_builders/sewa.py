"""SEWA: people of six cultures watch adverts at home, and talk about them in pairs by video chat.

Kossaifi et al.: SEWA DB: A Rich Database for Audio-Visual Emotion and Sentiment Research in the Wild, TPAMI 2021.
Two distributions share recordings, and must not be prepared together:

- The editions of AVEC 2017, 2018 and 2019 hold a gold standard, 10 a second. Devel is our validation; Test, and the
  Chinese recordings of 2019, come without ratings. Who talked to whom is not said, so a recording is its own group.
- The database itself holds segments cut from recordings, rated by several people who perceived both sound and picture
  (AV), the picture alone (V) or the sound alone (A). `perceived` chooses; the raters are averaged. The two of a session
  (S001) are one group. Splits are drawn.

A segment's name ends in its first and last frame in the recording, and its ratings have a frame index. That the index
counts from the beginning of the recording is inferred, so it is tested: when it begins before the segment does, it is
taken to count from the segment's beginning, and noted. Raters' lag is not compensated: AVEC's baselines shift by 2 s.
"""

from __future__ import annotations

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
from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip, find
from tfrecords_builders.traces import Trace

SPLIT_OF_NAME = {"train": "train", "devel": "validation", "test": "test"}
AVEC_NAME = re.compile(r"(train|devel|test)(?:_([a-z]{2}))?_(\d+)")
AVEC_COLUMNS = ("name", "timestamp", "arousal", "valence", "liking")
RATINGS_NAME = re.compile(r"(?P<segment>.+)_(?P<dimension>valence|arousal)_(?P<perceived>av|a|v)_aligned")
SEGMENT_NAME = re.compile(r"(?P<recording>.+)_(?P<first>\d+)_(?P<last>\d+)")
SESSION = re.compile(r"(?:.*_)?(?P<culture>c\d+)_(?P<session>s\d+)_p\d+(?:_.*)?")

Name = tuple[str, str, int]
"""Split, culture or nothing, and number of a recording of AVEC."""


@dataclass(frozen=True)
class Sewa(Corpus):
    """The corpus, from an edition of AVEC or from the database itself."""

    frames_per_second: float = 5.0
    """Frames taken of a second of video."""
    annotation_delay: float = 0.0
    """Seconds by which raters lag: a frame takes the rating of so much later."""
    perceived: Literal["AV", "V", "A"] = "AV"
    """What the raters of the database perceived: sound and picture, the picture, or the sound. AVEC has one rating."""
    raw_range: float = 1.0
    """The rating of the database that becomes 1; minus it becomes -1."""

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
        recordings.check_sampling(self.frames_per_second, self.annotation_delay)
        if not 0 < self.raw_range < np.inf:
            raise UsageError(f"--raw-range must be more than 0. Received: {self.raw_range:g}.")
        labels, tables = _avec_files(find(root, "labels", "raw_data"), ".csv"), _tables(root)
        if labels and tables:
            raise RawFolderError(self, root, "The database and an edition of AVEC are both here.")
        if not labels and not tables:
            raise RawFolderError(self, root, "Neither labels/Train_01.csv nor a table *_Aligned.csv was found.")
        yield from self._avec(root, labels) if labels else self._database(root, tables)

    def _avec(self, root: Path, labels: dict[Name, Path]) -> Iterator[Face | Skip | Note]:
        videos = _avec_files(find(root, "video", "videos", "raw_data"), *recordings.VIDEO)
        if not videos:
            raise RawFolderError(self, root, "There is no video/Train_01.avi.")
        for name in sorted({*labels, *videos}):
            if name not in labels or name not in videos:
                yield Skip("ratings without a video" if name in labels else "no ratings (AVEC keeps those of its test)")
                continue
            split, culture, number = name
            unit = "_".join(filter(None, (split.capitalize(), culture.upper(), f"{number:02d}")))
            table = trace_files.read_table(labels[name], AFFECT, AVEC_COLUMNS)
            affect = {dimension: traces.checked(table[dimension], labels[name]) for dimension in AFFECT if table}
            tags = (culture.upper(),) if culture else ()
            yield from self._frames(unit, videos[name], affect, group=unit, split=SPLIT_OF_NAME[split], tags=tags)

    def _database(self, root: Path, tables: dict[tuple[str, str, str], Path]) -> Iterator[Face | Skip | Note]:
        videos = recordings.by_stem(root, *recordings.VIDEO)
        parts: dict[Path, list[Segment]] = defaultdict(list)
        for name in recordings.in_order({name for name, _, _ in tables}):
            chosen = {d: tables[name, d, self.perceived] for d in AFFECT if (name, d, self.perceived) in tables}
            segment = Segment(name, {dimension: _raters(path) for dimension, path in chosen.items()})
            video = next((videos[stem] for stem in segment.stems if stem in videos), None)
            if video is None or not chosen:
                yield Skip("ratings without a video" if chosen else "not rated from what --perceived names")
            else:
                parts[video].append(segment)
        self._refuse_range([trace for segments in parts.values() for part in segments for trace in part.ratings])
        for video, segments in parts.items():
            yield from self._segments(video, segments)

    def _segments(self, video: Path, segments: list[Segment]) -> Iterator[Face | Skip | Note]:
        """The frames of a segment's video, or of a recording's, where segments that overlap are averaged."""
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
        if not segments[0].session:
            yield Note("session not in the segment's name: the recording is a group")
        yield from self._frames(video.stem, video, affect, group=segments[0].group, tags=segments[0].tags)

    def _refuse_range(self, ratings: list[Trace]) -> None:
        largest = max((np.nanmax(np.abs(trace.values)) for trace in ratings), default=0)
        if largest > self.raw_range * (1 + traces.SLACK):
            raise UsageError(
                f"The ratings of SEWA are to lie in [-{self.raw_range:g}, {self.raw_range:g}]. Received: {largest:g}. "
                "Say by --raw-range which rating is to become 1."
            )

    def _frames(self, unit: str, video: Path, affect: dict[str, Trace], **facts) -> Iterator[Face | Skip | Note]:
        return recordings.rated_frames(unit, video, affect, (self.frames_per_second, self.annotation_delay), **facts)


@dataclass(frozen=True)
class Segment:
    """A segment's name, and what each of its raters says, over the frame index, by dimension and table."""

    name: str
    raters: dict[str, tuple[Path, list[Trace]]]

    @property
    def ratings(self) -> list[Trace]:
        """Every rater of either dimension."""
        return [trace for _, raters in self.raters.values() for trace in raters]

    @property
    def cut(self) -> tuple[str, int]:
        """The name of the recording, and the frame of it with which the segment begins."""
        named = SEGMENT_NAME.fullmatch(self.name)
        return (named["recording"], int(named["first"])) if named else (self.name, 0)

    @property
    def stems(self) -> tuple[str, str, str]:
        """The names its video may have: the segment's, or the whole recording's with or without the kind of segment."""
        recording, _ = self.cut
        return self.name, recording, re.sub(r"^s[a-z]{2}_", "", recording)

    @property
    def session(self) -> re.Match | None:
        """Culture and session, where the name has them."""
        return SESSION.fullmatch(self.name)

    @property
    def group(self) -> str:
        """The session: two people, who know each other."""
        return (self.session["session"] if self.session else self.cut[0]).upper()

    @property
    def tags(self) -> tuple[str, ...]:
        """The culture."""
        return (self.session["culture"].upper(),) if self.session else ()

    def gold(self, dimension: str, video: Path, rate: float, raw_range: float) -> Trace:
        """The mean of the raters, in [-1, 1] and in seconds of the video."""
        path, raters = self.raters.get(dimension, (video, []))
        _, first = self.cut
        begins = min((trace.seconds[0] for trace in raters), default=first)
        moved = (0 if begins >= first else first) - (first if video.stem.lower() == self.name else 0)
        notes = () if begins >= first else (Note("frame index counts from the segment's beginning"),)
        scaled = [Trace((t.seconds + moved) / rate, t.values / raw_range, (*t.notes, *notes)) for t in raters]
        return traces.mean([traces.checked(trace, path) for trace in scaled])


def _raters(path: Path) -> tuple[Path, list[Trace]]:
    return path, [trace for trace in trace_files.read_table(path, time="frame_idx").values() if trace]


def _avec_files(folder: Path | None, *suffixes: str) -> dict[Name, Path]:
    """The files of AVEC's recordings by split, culture and number: some copies write Train_1 and Train_01."""
    named = ((AVEC_NAME.fullmatch(stem), path) for stem, path in recordings.by_stem(folder, *suffixes).items())
    return {(match[1], match[2] or "", int(match[3])): path for match, path in named if match}


def _tables(root: Path) -> dict[tuple[str, str, str], Path]:
    """The tables of the database by segment, dimension and what the raters perceived."""
    named = ((RATINGS_NAME.fullmatch(stem), path) for stem, path in recordings.by_stem(root, ".csv").items())
    return {(match["segment"], match["dimension"], match["perceived"].upper()): path for match, path in named if match}
