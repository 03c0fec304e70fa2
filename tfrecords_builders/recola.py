"""RECOLA: pairs of French speakers solve a task by video call, and six people rate how each of them feels.

Ringeval, Sonderegger, Sauer, Lalanne: Introducing the RECOLA Multimodal Corpus of Remote Collaborative and Affective
Interactions, FG 2013. The editions of AVEC 2015 and 2016 (Valstar et al., AVEC 2016) hold 27 of the recordings under
names that nobody has mapped to the original ones, so that the two must not be prepared together.

- The original release has the six raters and no gold standard. `gold_standard` says how they become one: "mean", or
  "ccc_centred" as AVEC 2018 did it. The two differ by a constant a recording, and never in shape.
- AVEC's own gold standard is taken where it is there, and the raters only without it.
- The files do not compensate for the raters' lag; see `annotation_delay`. 2 to 4 s are usual, 0 is the default.
- The two people of a call are one group. AVEC does not say who talked to whom: its train and dev stand as they are.
- People rated the first 300 s; frames after that are not taken. Where RECOLA-Video-timings says when each frame was
  taken, that is the time of its rating; otherwise it is the video's own time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tfaffect.labels import AFFECT
from tfrecords_builders import recordings, trace_files, traces
from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip, find
from tfrecords_builders.tables import number, rows
from tfrecords_builders.traces import Trace

SPLIT_OF_NAME = {"train": "train", "dev": "validation", "test": "test"}
AVEC_NAME = re.compile(r"(train|dev|test)_\d+")


@dataclass(frozen=True)
class Recola(Corpus):
    """The corpus, from its original release or from the edition of AVEC 2015 and 2016."""

    frames_per_second: float = 5.0
    """Frames taken of a second of video."""
    annotation_delay: float = 0.0
    """Seconds by which raters lag: a frame takes the rating of so much later."""
    gold_standard: Literal["mean", "ccc_centred"] = "mean"
    """How six raters become one rating: their mean, or the mean centred on those who agree (AVEC 2018)."""

    labels = "valence, arousal (25 a second)"
    homepage = "https://diuf.unifr.ch/main/diva/recola/"
    citation = "Ringeval et al., FG 2013, doi:10.1109/FG.2013.6553805"
    licence = "academic, non-commercial; agreement signed by a permanent member of staff"
    instructions = """
Sign the agreement at https://diuf.unifr.ch/main/diva/recola/ and unpack either the original release
    DIR/.../RECOLA-Video-recordings/P16.mp4
    DIR/.../RECOLA-Annotation/emotional_behaviour/arousal/P16.csv    valence/P16.csv; time and six raters
    DIR/.../RECOLA-Metadata/recola_user_info.csv                     who talked to whom (User, Group_id)
    DIR/.../RECOLA-Video-timings/P16.csv                             if you have it: when each frame was taken
or the edition of AVEC 2015 or 2016
    DIR/.../recordings_video/train_1.mp4
    DIR/.../ratings_gold_standard/arousal/train_1.arff               valence/train_1.arff; or
    DIR/.../ratings_individual/arousal/train_1.csv                   valence/train_1.csv
but not both: they show the same people under other names.
"""

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every sampled frame that is rated, recording by recording."""
        recordings.check_sampling(self.frames_per_second, self.annotation_delay)
        original, gold, individual = (
            find(root, name, depth=4) for name in ("emotional_behaviour", "ratings_gold_standard", "ratings_individual")
        )
        if original and (gold or individual):
            raise RawFolderError(self, root, "Both editions are here, and nobody knows which recordings are the same.")
        if not (original or gold or individual):
            raise RawFolderError(self, root, "Neither emotional_behaviour nor ratings_gold_standard was found.")
        names = ("RECOLA-Video-recordings", "RECOLA_Video_recordings") if original else ("recordings_video",)
        videos = recordings.by_stem(find(root, *names), *recordings.VIDEO)
        if not videos:
            raise RawFolderError(self, root, f"There is no video in {' or '.join(names)}.")
        if original:
            yield from self._original(root, videos, self._raters(original))
        else:
            ratings = _arffs(gold)
            yield from self._avec(videos, ratings if any(ratings.values()) else self._raters(individual))

    def _original(self, root: Path, videos: dict[str, Path], ratings: dict) -> Iterator[Face | Skip | Note]:
        people = _people(find(root, "recola_user_info.csv"))
        timings = recordings.by_stem(find(root, "RECOLA-Video-timings", "RECOLA_Video_timings"), ".csv")
        for name in recordings.in_order({*videos, *ratings["valence"], *ratings["arousal"]}):
            affect = {dimension: ratings[dimension][name] for dimension in AFFECT if name in ratings[dimension]}
            if name not in videos or not affect:
                yield Skip("video without ratings" if name in videos else "ratings without a video")
                continue
            facts = people.get(name)
            if facts is None:
                yield Note("dyad not known: the participant is a group")
            clock, notes = _clock(timings.get(name), videos[name])
            yield from notes
            yield from self._frames(videos[name], affect, clock, **(facts or {"group": name}))

    def _avec(self, videos: dict[str, Path], ratings: dict) -> Iterator[Face | Skip | Note]:
        for name in recordings.in_order({*videos, *ratings["valence"], *ratings["arousal"]}):
            affect = {dimension: ratings[dimension][name] for dimension in AFFECT if ratings[dimension].get(name)}
            named = AVEC_NAME.fullmatch(name)
            if not named:
                yield Skip("not a recording of AVEC")
            elif name not in videos or not affect:
                yield Skip("ratings without a video" if affect else "no ratings (AVEC keeps those of its test)")
            else:
                yield from self._frames(videos[name], affect, group=name, split=SPLIT_OF_NAME[named[1]])

    def _frames(self, video: Path, affect: dict, clock: Trace | None = None, **facts) -> Iterator[Face | Skip | Note]:
        sampling = self.frames_per_second, self.annotation_delay
        return recordings.rated_frames(video.stem, video, affect, sampling, clock, **facts)

    def _raters(self, folder: Path | None) -> dict[str, dict[str, Trace]]:
        """The mean or gold standard of the raters, by dimension and recording."""
        gold = {"mean": traces.mean, "ccc_centred": traces.ccc_centred}[self.gold_standard]
        return {
            dimension: {
                name: gold([traces.checked(trace, path) for trace in trace_files.read_table(path).values() if trace])
                for name, path in _files(folder, dimension, ".csv").items()
            }
            for dimension in AFFECT
        }


def _arffs(folder: Path | None) -> dict[str, dict[str, Trace]]:
    """AVEC's gold standard, by dimension and recording; some copies have one file for all recordings of a split."""
    gold: dict[str, dict[str, Trace]] = {dimension: {} for dimension in AFFECT}
    for dimension in AFFECT:
        for name, path in _files(folder, dimension, ".arff").items():
            found = {key.lower(): traces.checked(trace, path) for key, trace in trace_files.read_arff(path).items()}
            if AVEC_NAME.fullmatch(name):
                gold[dimension][name] = found.get(name) or next(iter(found.values()), traces.mean([]))
            else:
                gold[dimension] = {**found, **gold[dimension]}
    return gold


def _files(folder: Path | None, dimension: str, suffix: str) -> dict[str, Path]:
    return recordings.by_stem(folder and find(folder, dimension, depth=1), suffix)


def _people(table: Path | None) -> dict[str, dict[str, str]]:
    """Group, sex and age of each participant ("p16"); the last rows of the table are not data."""
    people = {}
    for row in rows(table, required=("User", "Group_id")) if table else ():
        user, dyad = number(row.get("User", "").lstrip("Pp")), number(row.get("Group_id"))
        if user is not None and dyad is not None:
            facts = {name: row.get(column, "") for name, column in (("sex", "Sex"), ("age", "Age"))}
            people[f"p{user:g}"] = {"group": f"dyad {dyad:g}", **facts}
    return people


def _clock(timing: Path | None, video: Path) -> tuple[Trace | None, list[Note]]:
    """When the frames of a video were taken, as time of the video -> time of the ratings; None where it is the same."""
    from tfaffect.media.video import UnreadableVideoError, frames_per_second

    if timing is None:
        return None, []
    taken = [number(row.get("time in seconds")) for row in rows(timing, required=("time in seconds",))]
    if len(taken) < 2 or None in taken or min(np.diff(taken)) <= 0:
        return None, [Note("timings of the frames cannot be used: the video's own times taken")]
    try:
        return Trace(np.arange(len(taken)) / frames_per_second(video), np.array(taken)), []
    except UnreadableVideoError:
        return None, []  # the base counts its frames as missing
