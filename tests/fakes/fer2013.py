"""FER2013 without votes: the table of the challenge under its two names, and the training faces alone."""

import csv

from tests.fakes.fer_plus import pixels

ROWS = [
    *(("Training", number % 7, pixels(number)) for number in range(14)),
    ("Training", 3, pixels(15)),
    ("PublicTest", 3, pixels(15)),
    ("PublicTest", 6, pixels(16)),
    ("PrivateTest", 0, pixels(17)),
]
"""Usage, emotion, grey values. One picture is in two splits, as many are in the real table."""


def write_table(path, rows, columns=("emotion", "pixels", "Usage")):
    """Write a table of (usage, emotion, grey values)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for usage, emotion, grey in rows:
            cells = {"emotion": emotion, "pixels": " ".join(map(str, grey.ravel())), "Usage": usage}
            writer.writerow([cells[column.strip()] for column in columns])


def write_fer2013(root):
    """Write fer2013.csv, in a folder of its own."""
    write_table(root / "fer2013" / "fer2013.csv", ROWS)


def write_icml(root):
    """Write icml_face_data.csv, whose columns have another order and blanks before their names."""
    write_table(root / "icml_face_data.csv", ROWS, ("emotion", " Usage", " pixels"))


def write_train(root):
    """Write train.csv, which has no Usage."""
    write_table(root / "train.csv", ROWS[:15], ("emotion", "pixels"))


LAYOUTS = {"fer2013": write_fer2013, "icml": write_icml, "train": write_train}
