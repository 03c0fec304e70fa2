"""Raw trees of AFEW-VA: clips of small frames, each with a JSON file of labels and 68 landmarks."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests.fakes import ground

WIDTH, HEIGHT = 96, 72
FACE = (30, 20, 62, 52)  # left, top, right, bottom


def landmarks(left, top, right, bottom):
    """Return 68 points whose hull is the box: its corners, and points inside."""
    inner = [[(left + right) / 2, (top + bottom) / 2]] * 64
    return [[left, top], [right, top], [right, bottom], [left, bottom], *inner]


def frame(valence, arousal, box=FACE):
    """Return the annotation of a frame, without landmarks where there is no box."""
    facts = {"arousal": arousal, "valence": valence}
    return facts | {"landmarks": landmarks(*box)} if box else facts


def write_frame(path: Path, width=WIDTH, height=HEIGHT):
    """Write a frame with a green face."""
    picture = np.full((height, width, 3), ground(path), np.uint8)
    cv2.rectangle(picture, FACE[:2], FACE[2:], (0, 255, 0), cv2.FILLED)
    cv2.imwrite(str(path), picture)


def write_clip(folder: Path, actor, frames, pictures=None, **others):
    """Write NNN/NNN.json, and a picture for every frame or for those named in `pictures`."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"actor": actor, "frames": frames, "video_id": folder.name} | others
    (folder / f"{folder.name}.json").write_text(json.dumps(facts), encoding="utf-8")
    for name in frames if pictures is None else pictures:
        write_frame(folder / f"{name}.png")


def _clip(folder: Path, actor, count=12, **facts):
    """Write a clip whose labels run through the scale; later frames first, as a JSON file has no order."""
    values = {f"{number:05d}": frame(number % 21 - 10, 10 - number % 21, **facts) for number in range(count)}
    write_clip(folder, actor, dict(reversed(values.items())))


def write_flat(root: Path):
    """Write clips side by side, with the known defects and the cropped twins of a public copy."""
    data = root / "AFEW-VA"
    actors = ("Jane Roe", " jane roe", "John Doe", "Max Muster", "Erika Muster", "Zoë Ø. Ünal")
    for number, actor in enumerate(actors, 1):
        _clip(data / f"{number:03d}", actor)
    _clip(data / "007", "John Doe", box=(130, 20, 170, 52))  # landmarks of a wider frame
    frames = {f"{number:05d}": frame("3", -2.0) for number in range(8)} | {"00008": frame(1, 1, box=None)}
    write_clip(data / "008", "Max Muster", frames, pictures=[*list(frames)[1:], "00009"])
    (data / "008" / "00002.png").write_bytes(b"")
    (data / "009").mkdir()
    (data / "009" / "009.json").write_text('{"actor": "Jane Roe", "frames": {"000')
    write_frame(data / "009" / "00000.png")
    _clip(data / "001_cropped", "Jane Roe")
    (data / "001_cropped" / "001_cropped.json").rename(data / "001_cropped" / "001.json")
    _clip(root / "AFEW-VA_cropped" / "001", "Jane Roe")


def write_zips(root: Path):
    """Write clips as the twelve zips leave them when each is unpacked in a folder of its own."""
    for number, actor in enumerate(("Jane Roe", "John Doe", "Max Muster", "Erika Muster"), 1):
        _clip(root / f"{number:02d}" / f"{50 * number - 1:03d}", actor, count=5)
        _clip(root / f"{number:02d}" / f"{50 * number:03d}", actor.upper(), count=5)


LAYOUTS = {"flat": write_flat, "zips": write_zips}
