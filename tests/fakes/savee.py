"""Raw trees of SAVEE: short clips with a green face, in the speakers' folders."""

from pathlib import Path

import cv2
import numpy as np

from tests.fakes import ground

FRAMES_PER_SECOND = 10
SPEAKERS = ("DC", "JE", "JK", "KL")


def write_clip(path: Path, frames=10):
    """Write a clip of 64 x 48 and 10 frames a second, whose face moves to the right and whose ground gets lighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FRAMES_PER_SECOND, (64, 48))
    for number in range(frames):
        picture = np.full((48, 64, 3), np.add(ground(path), number), np.uint8)
        cv2.rectangle(picture, (8 + number % 8, 8), (36 + number % 8, 36), (0, 255, 0), cv2.FILLED)
        writer.write(picture)
    writer.release()


def write_speakers(root: Path):
    """Write every speaker's folder in the double folder of the real archive, with the junk that copies carry."""
    clips = root / "AudioVisualClip" / "AudioVisualClip"
    for speaker in SPEAKERS:
        for name in ("a1", "d15", "f2", "h10", "n30", "sa3", "su4"):
            write_clip(clips / speaker / f"{name}.avi")
    (clips / "KL" / "su4.avi").rename(clips / "KL" / "su4.AVI")
    (clips / "JK" / "n1.avi").write_bytes(b"RIFF, cut short")
    for junk in (".DS_Store", "Thumbs.db", "DC/.DS_Store", "DC/._a1.avi", "DC/a1.wav", "Info.txt"):
        (clips / junk).write_bytes(b"junk")


def write_prefixed(root: Path):
    """Write all clips in one folder, the speaker in the name and numbers padded."""
    for speaker in SPEAKERS:
        for name in ("a01", "n30", "sa03"):
            write_clip(root / "ALL" / f"{speaker}_{name}.avi")


def write_sound_only(root: Path):
    """Write the copy that has no video; it is no layout."""
    (root / "ALL").mkdir(parents=True)
    for speaker in SPEAKERS:
        (root / "ALL" / f"{speaker}_a01.wav").write_bytes(b"RIFF")


LAYOUTS = {"speakers": write_speakers, "prefixed": write_prefixed}
