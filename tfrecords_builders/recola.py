"""RECOLA: pairs of French speakers solve a task by video call. Six raters trace how each person feels.

Ringeval, Sonderegger, Sauer, Lalanne: Introducing the RECOLA Multimodal Corpus of Remote Collaborative and Affective
Interactions, FG 2013. The editions of AVEC 2015 and 2016 (Valstar et al., AVEC 2016) hold 27 of the recordings under
other names. No list maps these to the original names, so the two must not be built together.

- The original release has the six raters and no gold standard. `gold_standard` combines them: "mean", or "ccc_centred"
  as AVEC 2018 did. The two differ by a constant for each recording, and never in shape.
- AVEC's own gold standard is read where it exists. A recording without one takes the raters, combined in the same way.
  Where an edition has recordings of both kinds, the frames of the latter have the tag `raters`.
- The files do not compensate for the delay of the raters; see `annotation_delay`. 2 to 4 s are usual, 0 is the default.
- The two people of a call are one group. AVEC does not tell who talked to whom, so its train and dev are used as given.
- The first 300 s are rated, and no later frame is taken. RECOLA-Video-timings may tell when each frame was recorded;
  then a frame takes the rating of that time, otherwise that of the video's own time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tfaffect.labels import AFFECT
from tfrecords_builders import recordings, trace_files, traces
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.raw_files import find
from tfrecords_builders.tables import number, rows
from tfrecords_builders.traces import Trace

SPLIT_OF_NAME = {"train": "train", "dev": "validation", "test": "test"}
AVEC_NAME = re.compile(r"(train|dev|test)_\d+")
RATERS = "raters"
"""The tag of frames whose ratings we combined, in an edition where other recordings have a gold standard."""
NO_GOLD_STANDARD = Note(f"no gold standard of a recording, or of one dimension: its raters are combined (tag {RATERS})")

Ratings = dict[str, dict[str, Trace]]
"""Traces by dimension and recording."""


@dataclass(frozen=True)
class Recola(recordings.RatedVideos):
    """The corpus, from its original release or from the edition of AVEC 2015 and 2016."""

    gold_standard: Literal["mean", "ccc_centred"] = "mean"
    """How six ratings become one: their mean, or the mean centred on the raters who agree (AVEC 2018)."""

    labels = "valence, arousal (25 a second)"
    homepage = "https://diuf.unifr.ch/main/diva/recola/"
    citation = "Ringeval et al., FG 2013, doi:10.1109/FG.2013.6553805"
    licence = "academic, non-commercial; agreement signed by a permanent member of staff"
    instructions = """
Sign the agreement at https://diuf.unifr.ch/main/diva/recola/ and unpack either the original release
    DIR/.../RECOLA-Video-recordings/P16.mp4
    DIR/.../RECOLA-Annotation/emotional_behaviour/arousal/P16.csv    valence/P16.csv; time and six raters
    DIR/.../RECOLA-Metadata/recola_user_info.csv                     who talked to whom (User, Group_id)
    DIR/.../RECOLA-Video-timings/P16.csv                             optional: when each frame was recorded
or the edition of AVEC 2015 or 2016
    DIR/.../recordings_video/train_1.mp4
    DIR/.../ratings_gold_standard/arousal/train_1.arff               valence/train_1.arff; or
    DIR/.../ratings_individual/arousal/train_1.csv                   valence/train_1.csv
but not both: they show the same people under different names.
"""

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every sampled frame that is rated, recording by recording."""
        self.check_sampling()
        original, gold, individual = (
            find(root, name, depth=4) for name in ("emotional_behaviour", "ratings_gold_standard", "ratings_individual")
        )
        if original and (gold or individual):
            raise RawFolderError(self, root, "Both editions are here. Keep one: they share recordings.")
        if not (original or gold or individual):
            raise RawFolderError(self, root, "Neither emotional_behaviour nor ratings_gold_standard was found.")
        names = ("RECOLA-Video-recordings", "RECOLA_Video_recordings") if original else ("recordings_video",)
        videos = recordings.by_stem(find(root, *names), *recordings.VIDEO)
        if not videos:
            raise RawFolderError(self, root, f"There is no video in {' or '.join(names)}.")
        if original:
            yield from self._original(root, videos, self._raters(original))
        else:
            yield from self._avec(videos, _arff_ratings(gold), individual)

    def _original(self, root: Path, videos: dict[str, Path], ratings: Ratings) -> Iterator[Face | Skip | Note]:
        people = _people(find(root, "recola_user_info.csv"))
        timings = recordings.by_stem(find(root, "RECOLA-Video-timings", "RECOLA_Video_timings"), ".csv")
        for name, affect in _by_recording(videos, ratings):
            if name not in videos or not affect:
                yield recordings.NO_RATINGS if name in videos else recordings.NO_VIDEO
                continue
            if name not in people:
                yield Note("partner of the call unknown: the participant is a group")
            clock, notes = _clock(timings.get(name), videos[name])
            yield from notes
            facts = people.get(name, {"group": name})
            yield from self.rated_frames(videos[name].stem, videos[name], affect, clock, **facts)

    def _avec(self, videos: dict[str, Path], gold: Ratings, individual: Path | None) -> Iterator[Face | Skip | Note]:
        raters = self._raters(individual, known=gold)
        ratings = {dimension: {**raters[dimension], **gold[dimension]} for dimension in AFFECT}
        for name, affect in _by_recording(videos, ratings):
            affect = {dimension: trace for dimension, trace in affect.items() if trace}
            named = AVEC_NAME.fullmatch(name)
            if not named:
                yield Skip("not a recording of AVEC")
            elif name not in videos or not affect:
                yield recordings.NO_VIDEO if affect else recordings.without_ratings(SPLIT_OF_NAME[named[1]])
            else:
                tags: tuple[str, ...] = ()
                if any(gold.values()) and not all(name in gold[dimension] for dimension in affect):
                    tags = (RATERS,)
                    yield NO_GOLD_STANDARD
                unit, split = videos[name].stem, SPLIT_OF_NAME[named[1]]
                yield from self.rated_frames(unit, videos[name], affect, group=name, split=split, tags=tags)

    def _raters(self, folder: Path | None, known: Ratings | None = None) -> Ratings:
        """The mean or gold standard of the raters, of recordings whose ratings are not `known`."""
        gold = {"mean": traces.mean, "ccc_centred": traces.ccc_centred}[self.gold_standard]
        return {
            dimension: {
                name: gold([traces.checked(trace, path) for trace in trace_files.read_table(path).values() if trace])
                for name, path in _files(folder, dimension, ".csv").items()
                if known is None or name not in known[dimension]
            }
            for dimension in AFFECT
        }


def _by_recording(videos: dict[str, Path], ratings: Ratings) -> Iterator[tuple[str, dict[str, Trace]]]:
    """Yield each recording with a video or ratings, and its traces by dimension."""
    for name in recordings.natural_order({*videos, *ratings["valence"], *ratings["arousal"]}):
        yield name, {dimension: ratings[dimension][name] for dimension in AFFECT if name in ratings[dimension]}


def _arff_ratings(folder: Path | None) -> Ratings:
    """AVEC's gold standard, where it is known; some copies have one file for all recordings of a split."""
    gold: Ratings = {dimension: {} for dimension in AFFECT}
    for dimension in AFFECT:
        for name, path in _files(folder, dimension, ".arff").items():
            found = {key.lower(): traces.checked(trace, path) for key, trace in trace_files.read_arff(path).items()}
            if AVEC_NAME.fullmatch(name):
                gold[dimension][name] = found.get(name) or next(iter(found.values()), traces.mean([]))
            else:
                gold[dimension] = {**found, **gold[dimension]}
        gold[dimension] = {name: trace for name, trace in gold[dimension].items() if trace}
    return gold


def _files(folder: Path | None, dimension: str, suffix: str) -> dict[str, Path]:
    return recordings.by_stem(folder and find(folder, dimension, depth=1), suffix)


def _people(table: Path | None) -> dict[str, dict[str, str]]:
    """Group, sex and age of each participant ("p16"); the last rows of the table are not data."""
    people = {}
    for row in rows(table, required=("User", "Group_id")) if table else ():
        user, dyad = number(row.get("User", "").lstrip("Pp")), number(row.get("Group_id"))
        if user is not None and dyad is not None:
            people[f"p{user:g}"] = {"group": f"dyad {dyad:g}", "sex": row.get("Sex", ""), "age": row.get("Age", "")}
    return people


def _clock(timing: Path | None, video: Path) -> tuple[Trace | None, list[Note]]:
    """The time of the ratings for a time of the video; None where they are the same."""
    from tfaffect.media.video import UnreadableVideoError, frames_per_second

    if timing is None:
        return None, []
    cells = (row.get("time in seconds") for row in rows(timing, required=("time in seconds",)))
    taken = np.array([number(cell) for cell in cells], float)  # NaN where there is no number
    if len(taken) < 2 or not (np.diff(taken) > 0).all():
        return None, [Note("timings of the frames are unusable: the video's own times are used")]
    try:
        return Trace(np.arange(len(taken)) / frames_per_second(video), taken), []
    except UnreadableVideoError:
        return None, []  # the base counts its frames as missing
