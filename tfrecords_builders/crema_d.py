"""CREMA-D: 7,442 clips of 91 actors, each with the votes of about ten people who saw the face without the voice.

Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE
Transactions on Affective Computing 5(4), 2014. Other people heard the voice only, or saw and heard the clip. The table
of votes has a row for each of the three. Only the first digit of its first column, which has no name, tells them apart:
1 voice, 2 face, 3 both. The label is the distribution of the face votes over six classes.

The emotion in the name of a clip is what the actor was asked to show. It is not the label: of the 6,972 clips without
a tie, it has the most face votes in 4,931 only. It is kept as a tag. A record has the tags that apply to it:

- `plurality`: one class has the most votes (the first in the order of the table when tied). Every record has it,
  because raters could not choose "unknown" as those of FER+ could.
- `strict`: single votes are set to 0, and then one class has more than half of the remaining votes. This is FER+'s rule
  without a change, although a clip has 6 to 12 face votes and not always ten.
- `tied`: two or more classes share the most votes. Scores take the first in vocabulary order.
- `acted_anger` ... `acted_sadness`: the emotion that the actor was asked to show.
- `acted_low`, `acted_medium`, `acted_high`: how strongly. For most clips the actor was not told, and there is no tag.
- `intensity_low`, `intensity_medium`, `intensity_high`: how strong the raters of the face found what they chose. The
  mean of their levels is below 60, from 60 to below 70, or from 70 to 100. Each is about a third of the clips.

Splits are drawn by actor. A record shows one moment, but the raters saw the whole clip. By default it is the middle,
where the expression of a sentence is fuller than at its ends.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import Corpus, Face, Frame, Note, RawFolderError, Skip
from tfrecords_builders.raw_files import find
from tfrecords_builders.recordings import VIDEO, by_stem
from tfrecords_builders.tables import number, rows

CODES = {"ANG": "A", "DIS": "D", "FEA": "F", "HAP": "H", "NEU": "N", "SAD": "S"}
VOTES = tuple(CODES.values())
LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
NAME = re.compile(rf"(\d{{4}})_[A-Z]{{3}}_({'|'.join(CODES)})_({'|'.join(LEVELS)}|XX)", re.ASCII)
ROW_NUMBER = re.compile(r"([123])\d{5}", re.ASCII)
FACE = "2"  # the other first digits of a row's number: 1 for the voice, 3 for both
INTENSITIES = ((70.0, "high"), (60.0, "medium"), (-math.inf, "low"))
LONGEST_SECONDS = 15.0  # of one sentence; 1064_IEO_DIS_MD has a minute, with all six emotions
POINTER = b"version https://git-lfs"
LFS = "git lfs install\n    git lfs pull --include VideoFlash"

People = dict[str, tuple[str, str, str]]
"""Sex, age and ethnicity by actor."""


@dataclass(frozen=True)
class Clip:
    """The face votes of a clip, and the tags that follow from its row and its name."""

    name: str
    actor: str
    votes: dict[str, float]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class CremaD(Corpus):
    """The corpus, from a clone of its repository with Git LFS, or from a copy with clips of other video formats."""

    frames_per_second: float = 0.0
    """Frames taken from each second of video; 0 takes one frame, the middle of the clip."""

    labels = "6 classes (about ten votes a clip)"
    homepage = "https://github.com/CheyneyComputerScience/CREMA-D"
    citation = "Cao et al., IEEE Transactions on Affective Computing 5(4), 2014"
    licence = "Open Database License 1.0; its contents: Database Contents License 1.0"
    instructions = f"""
Anybody may download it without an account, with Git and Git LFS (7.5 GB; the owners ask users to fill in a form):
    git lfs install
    git clone https://github.com/CheyneyComputerScience/CREMA-D
    DIR/.../VideoFlash/1001_IEO_NEU_XX.flv ...       clips, at any depth, also as .mp4 or .avi
    DIR/.../processedResults/tabulatedVotes.csv      votes
    DIR/.../VideoDemographics.csv                    sex, age and ethnicity of the actors (may be missing)
Without Git LFS, and in the zip file of the page, the clips are text files of some 130 bytes. Then type in a clone:
    {LFS}
"""
    expressions = {
        "A": Expression.ANGER,
        "D": Expression.DISGUST,
        "F": Expression.FEAR,
        "H": Expression.HAPPINESS,
        "N": Expression.NEUTRAL,
        "S": Expression.SADNESS,
    }
    raters = 10  # 9.6 on average: 71,654 face votes

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the frames of every clip with face votes, in the order of the table. Their faces are detected."""
        if not 0 <= self.frames_per_second <= 1000:
            raise UsageError(
                f"--frames-per-second must be 0 or more, up to 1000. Received: {self.frames_per_second:g}."
            )
        table, videos = self.require(root, "tabulatedVotes.csv"), self._videos(root)
        people = _people(find(root, "VideoDemographics.csv"))
        read = set()
        for clip in _clips(table):
            if isinstance(clip, Skip) or clip.name in read:
                yield clip if isinstance(clip, Skip) else Skip("clip listed before among the face votes")
                continue
            read.add(clip.name)
            video = videos.get(clip.name.lower())
            yield from self._frames(clip, video, people) if video else [Skip("clip is not in the folder")]
        if not read:
            raise UsageError(
                f"{table} has no usable row of face votes. Their first cell is a number of six digits that begins "
                "with 2. Take the table as the owners publish it."
            )
        yield from [Note("video without face votes")] * len(videos.keys() - {name.lower() for name in read})

    def _videos(self, root: Path) -> dict[str, Path]:
        """Return the clips by name in lower case. Raises RawFolderError where not one of them is a video."""
        videos = by_stem(root, ".flv", *VIDEO)
        if not videos:
            sound = " This copy has sound but no video." if by_stem(root, ".wav", ".mp3") else ""
            raise RawFolderError(self, root, f"No clip like 1001_IEO_NEU_XX.flv was found.{sound}")
        if all(map(_is_pointer, videos.values())):
            raise RawFolderError(
                self,
                root,
                f"Not one of the {len(videos):,} clips is a video: they are pointers of Git LFS. "
                f"Type in the folder of the clone:\n    {LFS}",
            )
        return videos

    def _frames(self, clip: Clip, video: Path, people: People) -> Iterator[Face | Skip | Note]:
        seconds = _seconds(video)
        if isinstance(seconds, Skip):
            yield seconds
            return
        if clip.actor not in people:
            yield Note("actor without a row in VideoDemographics.csv")
        sex, age, ethnicity = people.get(clip.actor, ("", "", ""))
        for key, time in self._times(clip.name, seconds):
            yield Face(
                key=key,
                group=clip.actor,
                image=Frame(video, time),
                detect=True,
                expression=clip.votes,
                tags=clip.tags,
                sex=sex,
                age=age,
                ethnicity=ethnicity,
            )

    def _times(self, name: str, seconds: float) -> list[tuple[str, float]]:
        """Return the key and the time of each frame."""
        if not (rate := self.frames_per_second):
            return [(name, seconds / 2)]
        return [(f"{name}/{frame:05d}", frame / rate) for frame in range(math.ceil(seconds * rate - 1e-6))]


def _clips(table: Path) -> Iterator[Clip | Skip]:
    """Yield the clip of every row of face votes. Rows of votes for the voice or for both are passed over."""
    for row in rows(table, (*VOTES, "fileName", "numResponses", "emoVote", "meanEmoResp")):
        row_number = ROW_NUMBER.fullmatch(next(iter(row.values())))
        if row_number is None:
            yield Skip("row of votes whose number does not say for voice, face or both")
        elif row_number[1] == FACE:
            yield _clip(row)


def _clip(row: dict[str, str]) -> Clip | Skip:
    name = NAME.fullmatch(row.get("fileName", ""))
    if name is None:
        return Skip("row of face votes without the name of a clip")
    counts = [number(row.get(letter)) for letter in VOTES]
    votes = {letter: n for letter, n in zip(VOTES, counts, strict=True) if n is not None and n >= 0 and n.is_integer()}
    if len(votes) < len(VOTES) or not any(votes.values()):
        return Skip("face votes are not six counts, or all of them are 0")
    if sum(votes.values()) != number(row.get("numResponses")):
        return Skip("face votes do not add up to numResponses")
    if set(row.get("emoVote", "").split(":")) != {letter for letter in VOTES if votes[letter] == max(votes.values())}:
        return Skip("emoVote does not name the classes with most face votes")
    return Clip(name[0], name[1], votes, (*_protocols(votes), *_acted(name[2], name[3]), *_intensity(row)))


def _protocols(votes: dict[str, float]) -> tuple[str, ...]:
    """Return the tags of the rules that hold for the votes of a clip."""
    repeated = [count for count in votes.values() if count > 1]
    strict = 2 * max(repeated, default=0) > sum(repeated)
    tied = list(votes.values()).count(max(votes.values())) > 1
    return ("plurality", *(["strict"] if strict else []), *(["tied"] if tied else []))


def _acted(code: str, level: str) -> tuple[str, ...]:
    """Return the tags of what the actor was asked to show."""
    emotion = f"acted_{CremaD.expressions[CODES[code]].name.lower()}"
    return (emotion, f"acted_{LEVELS[level]}") if level in LEVELS else (emotion,)


def _intensity(row: dict[str, str]) -> tuple[str, ...]:
    """Return the tag of the mean intensity that the raters of the face gave, or nothing without one."""
    level = number(row.get("meanEmoResp"))
    return () if level is None else (f"intensity_{next(word for low, word in INTENSITIES if level >= low)}",)


def _people(table: Path | None) -> People:
    """Return the people by actor. A Hispanic ethnicity, which has a column of its own, follows the race."""
    people = {}
    for row in rows(table, ("ActorID", "Age", "Sex", "Race", "Ethnicity")) if table else ():
        hispanic = ", Hispanic" if row.get("Ethnicity") == "Hispanic" else ""
        people[row["ActorID"]] = row.get("Sex", "").lower(), row.get("Age", ""), row.get("Race", "") + hispanic
    return people


def _seconds(video: Path) -> float | Skip:
    """Return the length of a clip, or the reason why it cannot be used."""
    from tfaffect.media.video import UnreadableVideoError, duration

    if _is_pointer(video):
        return Skip("clip is a pointer of Git LFS and not a video (git lfs pull)")
    try:
        seconds = duration(video)
    except UnreadableVideoError:
        return Skip("clip cannot be opened as a video")
    return seconds if seconds <= LONGEST_SECONDS else Skip("clip longer than 15 seconds, with more than one emotion")


def _is_pointer(path: Path) -> bool:
    """Return whether a file is the text that Git LFS puts in the place of a file which it did not download."""
    try:
        with open(path, "rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False
