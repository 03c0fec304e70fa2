"""AFEW-VA: the frames of film clips as pictures, each with valence and arousal.

Kossaifi, Tzimiropoulos, Todorovic, Pantic: AFEW-VA database for valence and arousal estimation in-the-wild, Image and
Vision Computing 65, 2017. There is no official split. Splits are drawn by actor, because an actor is in several clips.

The box of a face encloses the frame's 68 landmarks. Their scale is uncertain: at least one loader had to rescale them,
as if they belonged to frames of another width. So the landmarks of a clip are compared with the size of its frames,
which is read from the first readable PNG header. Where a box leaves the frame by more than a tenth of a side, no
landmarks of the clip are used: the largest face of each frame is detected instead, and noted. The same is done for
frames without landmarks. Landmarks at a wrong scale inside the frame are not noticed, and the landmarks of a clip
without a readable header are used.
"""

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfrecords_builders.base import Box, Corpus, Face, Note, RawFolderError, Skip, in_range
from tfrecords_builders.tables import number

LANDMARKS = 68
TOLERANCE = 0.1
"""How far landmarks may leave the frame, as a share of its side. Landmarks of a face at the border do so a little."""


@dataclass(frozen=True)
class Clip:
    """One clip: its actor, and the annotations and pictures by frame."""

    name: str
    folder: Path
    actor: str
    frames: dict[str, Any]
    pictures: dict[str, Path]


class AfewVa(Corpus):
    """The corpus, from its folders of frames anywhere below the raw folder."""

    labels = "valence, arousal"
    homepage = "https://ibug.doc.ic.ac.uk/resources/afew-va-database/"
    citation = "Kossaifi et al., Image and Vision Computing 65, 2017"
    licence = "academic, non-commercial, under the owners' agreement"
    instructions = """
Request it at https://ibug.doc.ic.ac.uk/resources/afew-va-database/ and unpack its zip files below one folder, as
    DIR/.../001/001.json     actor, and valence, arousal and 68 landmarks of every frame
    DIR/.../001/00000.png    frames
    DIR/.../001/00001.png
    DIR/.../600/...
"""
    affect_range = (-10.0, 10.0)

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the frames of every clip in order of time. A frame without a picture is counted when it is decoded."""
        folders = sorted(_clip_folders(root), key=lambda folder: (folder.name, len(folder.parts), folder))
        if not folders:
            raise RawFolderError(self, root, "No folder NNN/ with a file NNN.json was found.")
        read = set()
        for folder in folders:
            if folder.name in read:
                yield Skip("clip read before", intended=True)
                continue
            read.add(folder.name)
            clip = _clip(folder)
            yield from [clip] if isinstance(clip, Skip) else self._frames(clip)

    def _frames(self, clip: Clip) -> Iterator[Face | Skip | Note]:
        numbered = sorted(filter(str.isdecimal, clip.frames), key=int)
        yield from [Skip("frame without a number")] * (len(clip.frames) - len(numbered))
        boxes = {key: _landmark_box(clip.frames[key]) for key in numbered}
        size = next(filter(None, (_size(clip.pictures[key]) for key in numbered if key in clip.pictures)), None)
        plausible = size is None or all(_is_inside(box, size) for box in boxes.values() if box)
        for key in numbered:
            affect, notes = _affect(clip.frames[key])
            if affect == [None, None]:
                yield Skip("frame with neither valence nor arousal")
                continue
            yield from notes
            if boxes[key] is None:
                yield Note("frame without 68 landmarks: the face is detected")
            elif not plausible:
                yield Note("landmarks of the clip lie outside its frames: the face is detected")
            box = boxes[key] if plausible else None
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
    """Yield the folders with a JSON file of the same name. Cropped copies, which some downloads have, are left out."""
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
        return Skip("clip without an actor's name, by which splits are drawn")
    pictures = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}
    return Clip(folder.name, folder, actor, frames, pictures)


def _affect(frame: Any) -> tuple[list[float | None], list[Note]]:
    """Valence and arousal, which some copies have as text, and notes about them."""
    values = [number(str(frame.get(name))) if isinstance(frame, dict) else None for name in ("valence", "arousal")]
    kept, notes = in_range(values, AfewVa.affect_range)
    return kept, [Note("valence or arousal missing")] * (None in values) + notes


def _landmark_box(frame: Any) -> Box | None:
    """The box of the landmarks, or None when there are not 68 or they have no area."""
    try:
        points = np.array(frame["landmarks"], float)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if points.shape != (LANDMARKS, 2) or not np.isfinite(points).all():
        return None
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return (left, top, right, bottom) if right > left and bottom > top else None


def _is_inside(box: Box, size: tuple[int, int]) -> bool:
    """Whether a box lies in a frame of a width and height, up to TOLERANCE."""
    margin = TOLERANCE * np.array(size)
    return bool((box[:2] >= -margin).all() and (box[2:] <= size + margin).all())


def _size(png: Path) -> tuple[int, int] | None:
    """Width and height from the first 24 bytes of a PNG file, or None for another file."""
    try:
        with open(png, "rb") as file:
            signature, chunk, width, height = struct.unpack(">8s4x4sII", file.read(24))
    except (OSError, struct.error):
        return None
    return (width, height) if signature == b"\x89PNG\r\n\x1a\n" and chunk == b"IHDR" and width and height else None
