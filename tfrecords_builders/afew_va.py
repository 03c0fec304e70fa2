"""AFEW-VA: film clips with valence and arousal of every frame, as pictures.

Kossaifi, Tzimiropoulos, Todorovic, Pantic: AFEW-VA database for valence and arousal estimation in-the-wild, Image and
Vision Computing 65, 2017. Splits are drawn by actor, because one actor is in several clips; there is no official split.

The face is the hull of the frame's 68 landmarks. Their geometry is uncertain: at least one loader had to rescale them,
as if they belonged to frames of another width. So the first frame of each clip whose header can be read tells the size
of all, and where the hull of all landmarks of the clip leaves it by more than a tenth of a side, none of the clip's
landmarks is believed: the largest face of each frame is detected instead, and counted as a defect. Frames without
landmarks are detected as well. Landmarks that are off by a factor and still inside of the frame are not noticed, and
those of a clip of which no header can be read are believed.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip
from tfrecords_builders.tables import number

LANDMARKS = 68
TOLERANCE = 0.1
"""How far landmarks may leave the frame, as a share of its side: those of a face at the border do by a little."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Clip:
    """One clip: who plays, what its frames are labelled with, and its pictures by frame."""

    name: str
    folder: Path
    actor: str
    frames: dict[str, dict]
    pictures: dict[str, Path]


class AfewVa(Corpus):
    """The corpus, from its folders of frames, wherever below the raw folder they are."""

    labels = "valence, arousal"
    homepage = "https://ibug.doc.ic.ac.uk/resources/afew-va-database/"
    citation = "Kossaifi et al., Image and Vision Computing 65, 2017"
    licence = "academic, non-commercial, under the owners' agreement"
    instructions = """
Ask for it at https://ibug.doc.ic.ac.uk/resources/afew-va-database/ and unpack its zips below one folder, each in place
or in a folder of its own, as
    DIR/.../001/001.json     actor, and valence, arousal and 68 landmarks of every frame
    DIR/.../001/00000.png    frames
    DIR/.../001/00001.png
    DIR/.../600/...
"""
    affect_range = (-10.0, 10.0)

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the frames of every clip in order of time; a frame without a picture is left to the base to count."""
        folders = sorted(_clip_folders(root), key=lambda folder: (folder.name, len(folder.parts), folder))
        if not folders:
            raise RawFolderError(self, root, "No folder NNN/ with a file NNN.json in it was found.")
        read = set()
        for folder in folders:
            if folder.name in read:
                yield Skip("clip is there twice")
                continue
            read.add(folder.name)
            clip = _clip(folder)
            yield from [clip] if isinstance(clip, Skip) else self._frames(clip)

    def _frames(self, clip: Clip) -> Iterator[Face | Skip | Note]:
        numbered = sorted(filter(str.isdecimal, clip.frames), key=int)
        yield from [Skip("frame without a number")] * (len(clip.frames) - len(numbered))
        boxes = {key: _hull(clip.frames[key]) for key in numbered}
        size = next(filter(None, (_size(clip.pictures[key]) for key in numbered if key in clip.pictures)), None)
        believed = size is None or all(_is_inside(box, size) for box in boxes.values() if box)
        for key in numbered:
            affect, defects = _affect(clip.frames[key])
            if affect == [None, None]:
                yield Skip("frame with neither valence nor arousal")
                continue
            if boxes[key] is None:
                defects.append("frame without 68 landmarks: its face is detected")
            elif not believed:
                defects.append("landmarks of the clip leave its frames: the face is detected")
            box = boxes[key] if believed else None
            yield from map(Note, defects)
            yield Face(
                key=f"{clip.name}/{key}",
                group=clip.actor,
                image=clip.pictures.get(key, clip.folder / f"{key}.png"),
                box=box,
                detect=box is None,
                valence=affect[0],
                arousal=affect[1],
            )
        yield from [Note("picture without an annotation")] * len(clip.pictures.keys() - clip.frames.keys())


def _clip_folders(root: Path) -> Iterator[Path]:
    """Yield the folders that hold a JSON file of their own name; some copies have cropped twins, which are left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.lower().endswith("_cropped")]
        name = Path(folder).name
        if name.isdecimal() and f"{name}.json" in files:
            yield Path(folder)


def _clip(folder: Path) -> Clip | Skip:
    try:
        facts = json.loads((folder / f"{folder.name}.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return Skip("annotation file of a clip is not readable JSON")
    frames = facts.get("frames") if isinstance(facts, dict) else None
    if not isinstance(frames, dict):
        return Skip("annotation file of a clip has no frames")
    actor = " ".join(str(facts.get("actor") or "").split()).casefold()
    if not actor:
        return Skip("clip without the name of its actor, by whom splits are drawn")
    pictures = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}
    return Clip(folder.name, folder, actor, frames, pictures)


def _affect(frame: object) -> tuple[list[float | None], list[str]]:
    """Valence and arousal, which some copies have as text, and what is wrong with them."""
    cells = [frame.get(name) if isinstance(frame, dict) else None for name in ("valence", "arousal")]
    values = [number(str(cell)) for cell in cells]
    low, high = AfewVa.affect_range
    kept = [value if value is not None and low <= value <= high else None for value in values]
    defects = {
        "valence or arousal missing": None in values,
        "valence or arousal outside -10..10: left out": kept != values,
    }
    return kept, [defect for defect, there in defects.items() if there]


def _hull(frame: object) -> Box | None:
    """Left, top, right, bottom of the landmarks, or None when there are not 68 or they have no area."""
    try:
        points = np.array(frame["landmarks"], float)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if points.shape != (LANDMARKS, 2) or not np.isfinite(points).all():
        return None
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return (left, top, right, bottom) if right > left and bottom > top else None


def _is_inside(box: Box, size: tuple[int, int]) -> bool:
    """Whether a box lies in a frame of a width and height, a tenth of each aside."""
    slack = TOLERANCE * np.array(size)
    return bool((box[:2] >= -slack).all() and (box[2:] <= size + slack).all())


def _size(png: Path) -> tuple[int, int] | None:
    """Width and height from the first 24 bytes of a PNG file, or None when they are not of one."""
    try:
        with open(png, "rb") as file:
            signature, chunk, width, height = struct.unpack(">8s4x4sII", file.read(24))
    except (OSError, struct.error):
        return None
    return (width, height) if signature == b"\x89PNG\r\n\x1a\n" and chunk == b"IHDR" and width and height else None
