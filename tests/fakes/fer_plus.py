"""FER+ as people have it: two tables, or the folders that Microsoft's script leaves."""

import csv

import cv2
import numpy as np

VOTE_COLUMNS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


def pixels(seed, side=48):
    """Return a grey picture (side, side) that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def write_fer_plus_tables(root, rows, header=("emotion", "pixels", "Usage"), new_name="fer2013new.csv"):
    """Write fer2013.csv beside fer2013new.csv; rows are (usage, image name, ten votes, grey picture)."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "fer2013.csv", "w", newline="") as pixels, open(root / new_name, "w", newline="") as labels:
        faces, votes = csv.writer(pixels), csv.writer(labels)
        faces.writerow(header)
        votes.writerow(["Usage", "Image name", *VOTE_COLUMNS])
        for usage, name, counts, grey in rows:
            cells = {"emotion": 3, "pixels": " ".join(map(str, grey.ravel())), "Usage": usage}
            faces.writerow([cells[column.strip()] for column in header])
            votes.writerow([usage, name, *counts])


def write_fer_plus_folders(root, rows):
    """Write what Microsoft's script leaves: FER2013Train/label.csv beside its PNG files, and so on."""
    folders = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
    for folder in folders.values():
        (root / "data" / folder).mkdir(parents=True, exist_ok=True)
    for usage, name, counts, grey in rows:
        folder = root / "data" / folders[usage]
        cv2.imwrite(str(folder / name), grey)
        with open(folder / "label.csv", "a", newline="") as file:
            csv.writer(file).writerow([name, "(0, 0, 48, 48)", *counts])


def votes(**counts):
    """The ten votes by name of the column."""
    return [counts.get(name, 0) for name in VOTE_COLUMNS]


def write_tables(root):
    """Write a few faces of each split as the two tables, with a twin, a nameless row and one that is no face."""
    write_fer_plus_tables(root, _rows())


def write_folders(root):
    """Write the same faces as the folders of Microsoft's script; they have no nameless rows."""
    write_fer_plus_folders(root, [row for row in _rows() if row[1]])


def _rows():
    emotions = VOTE_COLUMNS[:8]
    return [
        *(
            ("Training", f"fer{n:07d}.png", votes(**{emotions[n % 8]: 8, emotions[n % 7]: 2}), pixels(n))
            for n in range(24)
        ),
        ("Training", "", votes(NF=10), pixels(24)),
        ("Training", "fer0000025.png", votes(unknown=10), pixels(25)),
        ("PublicTest", "fer0000026.png", votes(happiness=10), pixels(3)),
        ("PublicTest", "fer0000027.png", votes(sadness=10), pixels(27)),
        ("PrivateTest", "fer0000028.png", votes(contempt=9), pixels(28)),
    ]


LAYOUTS = {"tables": write_tables, "folders": write_folders}
