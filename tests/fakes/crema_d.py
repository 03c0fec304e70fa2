"""CREMA-D as its repository has it, or converted to MP4: short clips with a green face, and the tables."""

import csv

import numpy as np

from tests import clips
from tests.fakes import ground

VOTES = "ADFHNS"
LEVELS = [f"mean{name}Resp" for name in ("Emo", "Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad")]
LEVELS += ["medianEmoResp"]
HEADER = ["", *VOTES, "fileName", "numResponses", "agreement", "emoVote", *LEVELS, *(f"{name}Norm" for name in LEVELS)]
ACTORS = {
    "1001": (51, "Male", "Caucasian", "Not Hispanic"),
    "1002": (21, "Female", "Asian", "Not Hispanic"),
    "1003": (25, "Female", "Caucasian", "Hispanic"),
    "1047": (22, "Female", "Unknown", "Hispanic"),
}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 265922\n"
"""What Git LFS leaves in the place of a file that was not downloaded."""


def write_clip(path, frames=10, codec="flv", rate=10):
    """Write a clip of 64 x 48 pixels with a green face that moves to the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number in range(frames):
        picture = np.full((48, 64, 3), ground(path), np.uint8)
        picture[8:40, 8 + 2 * number : 32 + 2 * number] = 0, 255, 0
        pictures.append(picture)
    return clips.write(path, pictures, codec=codec, rate=rate)


def row(number, name, level=55.5, **votes):
    """Return a row of the table of votes, from its number (2xxxxx for votes of the face) and its counts by letter."""
    counts = {letter: votes.get(letter, 0) for letter in VOTES}
    most, total = max(counts.values()), sum(counts.values())
    return {
        **dict.fromkeys(HEADER, -1),
        "": str(number),
        **counts,
        "fileName": name,
        "numResponses": total,
        "agreement": most / total if total else 0,
        "emoVote": ":".join(letter for letter, count in counts.items() if count == most),
        "meanEmoResp": level,
    }


def write_votes(root, rows):
    """Write tabulatedVotes.csv with the header and quotes of the real one."""
    path = root / "processedResults" / "tabulatedVotes.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, HEADER, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return path


def write_people(root, actors=ACTORS):
    """Write VideoDemographics.csv."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "VideoDemographics.csv", "w", newline="") as file:
        table = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        table.writerow(["ActorID", "Age", "Sex", "Race", "Ethnicity"])
        table.writerows([int(actor), *facts] for actor, facts in actors.items())


def names():
    """The clips of the fake trees."""
    kinds = ("IEO_ANG_HI", "DFA_HAP_XX", "TSI_DIS_XX", "MTI_NEU_XX")
    return [f"{actor}_{kind}" for actor in ACTORS for kind in kinds]


def votes(clips):
    """Rows of the voice, the face and both for each clip; a clip after another with most votes for another class."""
    rows = []
    for modality, shift in ((1, 1), (2, 0), (3, 2)):
        for number, name in enumerate(clips, 1):
            first, second = VOTES[(number + shift) % 6], VOTES[(number + shift + 2) % 6]
            rows.append(row(modality * 100_000 + number, name, 50 + number, **{first: 8, second: 2}))
    return rows


def write_repository(root):
    """Write the clone. Among its clips are a pointer of Git LFS, a damaged one, and one that nobody rated; two miss."""
    root = root / "CREMA-D"
    for place, name in enumerate(names()):
        write_clip(root / "VideoFlash" / f"{name}.flv", frames=3 + place % 5)
    folder = root / "VideoFlash"
    (folder / "1001_DFA_HAP_XX.flv").write_bytes(POINTER)
    (folder / "1002_DFA_HAP_XX.flv").write_bytes(b"FLV\x01, cut short")
    (folder / "1003_DFA_HAP_XX.flv").unlink()
    (folder / "1047_DFA_HAP_XX.flv").rename(folder / "1099_DFA_HAP_XX.flv")
    (folder / "._1001_IEO_ANG_HI.flv").write_bytes(b"junk of macOS")
    write_people(root)
    write_votes(root, [*votes(names()), row(200_099, "1001_DFA_HAP_XX")])


def write_converted(root):
    """Write a copy with MP4 files in a double folder and without the table of actors."""
    for name in names():
        write_clip(root / "VideoFlash" / "VideoFlash" / f"{name}.mp4", frames=3, codec="libx264")
    write_votes(root, votes(names()))


def write_sound_only(root):
    """Write the copy that has no video; it is no layout."""
    (root / "AudioWAV").mkdir(parents=True)
    for name in names():
        (root / "AudioWAV" / f"{name}.wav").write_bytes(b"RIFF")
    write_votes(root, votes(names()))


LAYOUTS = {"repository": write_repository, "converted": write_converted}
