"""SAVEE: four men speak sentences with acted emotions.

Haq and Jackson: Multimodal Emotion Recognition, in Machine Audition, IGI Global 2010. A clip has one label, the letters
at the start of its name. Every sampled frame gets it, although frames at the ends of a sentence may show little of it.
Splits are drawn by speaker: two for training, one for validation, one for test. So a result depends on one face.
Sentences repeat over speakers. The speakers wear about 60 painted markers, which a network may learn instead of faces.

A clip's length is read from its container. Frames that are missing are counted when they are decoded.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import Corpus, Face, Frame, Note, RawFolderError, Skip

SPEAKERS = ("DC", "JE", "JK", "KL")
NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(sa|su|a|d|f|h|n)(\d+)", re.IGNORECASE)
LONGEST_SECONDS = 60.0  # a clip is one sentence of a few seconds; a damaged header may give any length


@dataclass(frozen=True)
class Savee(Corpus):
    """The corpus, from its audio-visual clips anywhere below the raw folder."""

    frames_per_second: float = 5.0
    """Frames taken from each second of video."""

    labels = "7 classes (no contempt), one a clip"
    homepage = "http://kahlan.eps.surrey.ac.uk/savee/"
    citation = "Haq and Jackson, Multimodal Emotion Recognition, in Machine Audition, IGI Global 2010"
    licence = "free for research, after registration"
    instructions = """
Register at http://kahlan.eps.surrey.ac.uk/savee/ and unpack the audio-visual clips (AudioVisualClip) as
    DIR/.../DC/a1.avi ... a15.avi d1.avi f1.avi h1.avi n1.avi ... n30.avi sa1.avi su1.avi
    DIR/.../JE/
    DIR/.../JK/
    DIR/.../KL/
AudioData, and copies with names like DC_a01.wav, have no pictures.
"""
    expressions = {
        "a": Expression.ANGER,
        "d": Expression.DISGUST,
        "f": Expression.FEAR,
        "h": Expression.HAPPINESS,
        "n": Expression.NEUTRAL,
        "sa": Expression.SADNESS,
        "su": Expression.SURPRISE,
    }
    shares = (0.5, 0.25, 0.25)

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the frames of every clip in order of time. Their faces are detected."""
        if not 0 < self.frames_per_second < math.inf:
            raise UsageError(f"Frames per second must be a positive number. Received: {self.frames_per_second}.")
        clips = _files(root, ".avi")
        if not clips:
            sound_only = "This copy has sound but no video (.wav, no .avi)." if _files(root, ".wav") else ""
            raise RawFolderError(self, root, sound_only or "No clip like DC/a1.avi was found.")
        read = set()
        for path in clips:
            name = NAME.fullmatch(path.stem)
            speaker = _speaker(root, path)
            if not name or not speaker:
                yield Skip("video outside a speaker's folder" if name else "video without an emotion in its name")
                continue
            emotion, number = name[2].lower(), int(name[3])
            if (speaker, emotion, number) in read:
                yield Skip("clip read before", intended=True)
                continue
            read.add((speaker, emotion, number))
            yield from self._frames(path, speaker, emotion, number)

    def _frames(self, path: Path, speaker: str, emotion: str, number: int) -> Iterator[Face | Skip]:
        from tfaffect.media.video import UnreadableVideoError, duration

        try:
            seconds = duration(path)
        except UnreadableVideoError:
            yield Skip("clip cannot be opened as a video")
            return
        if not 0 < seconds <= LONGEST_SECONDS:
            yield Skip("clip longer than a minute, or of no length")
            return
        for frame in range(math.ceil(seconds * self.frames_per_second - 1e-6)):
            yield Face(
                key=f"{speaker}/{emotion}{number}/{frame:05d}",
                group=speaker,
                image=Frame(path, frame / self.frames_per_second),
                detect=True,
                expression=emotion,
                sex="male",
            )


def _files(root: Path, extension: str) -> list[Path]:
    """The files with an extension in a fixed order, without those that macOS adds (their names start with a dot)."""
    paths = [Path(folder, file) for folder, _, files in os.walk(root) for file in files if not file.startswith(".")]
    return sorted(path for path in paths if path.suffix.lower() == extension and "__MACOSX" not in path.parts)


def _speaker(root: Path, clip: Path) -> str | None:
    """The speaker from the start of a clip's name, or from the name of a folder around it."""
    folders = (root.name, *clip.parent.relative_to(root).parts)
    names = [clip.stem.partition("_")[0], *reversed(folders)]
    return next((name.upper() for name in names if name.upper() in SPEAKERS), None)
