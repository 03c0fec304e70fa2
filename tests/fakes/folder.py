"""A user's own pictures and table, with and without splits."""

import csv

import cv2
import numpy as np

COLUMNS = ("path", "class", "valence", "arousal", "group")
ROWS = [
    ("anna/1.jpg", "happiness", 0.8, 0.4, "anna"),
    ("anna/2.jpg", "Neutral", "", "", "anna"),
    ("ben/1.png", "", -0.5, "0.25", "ben"),
    ("cleo/1.jpg", "", "", "", "cleo"),
    ("dora/1.jpg", "ANGER", "NA", 0.875, "dora"),
    ("emil/1.jpg", "contempt", "", "", ""),
]


def picture(path, seed, side=64):
    """Write a picture that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    assert cv2.imwrite(str(path), grey)


def write_table(root, columns, rows, name="labels.csv", delimiter=",", encoding="utf-8", end="\n"):
    """Write a table and the pictures that it names and that lie below it."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / name, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([columns, *rows])
    if "path" in columns:
        for seed, path in enumerate(sorted({row[columns.index("path")] for row in rows if len(row) == len(columns)})):
            if path and ".." not in path and not path.startswith("/"):
                picture(root / path, seed)


def write_labels(root):
    """Write a table without splits, as a spreadsheet saves it: semicolons, BOM, CRLF."""
    write_table(root, COLUMNS, ROWS, delimiter=";", encoding="utf-8-sig", end="\r\n")


def write_splits_and_boxes(root):
    """Write a table with splits, two faces in one photo, and tags, one folder down."""
    columns = ("split", "path", "left", "top", "right", "bottom", "class", "sex", "age", "ethnicity", "tags")
    rows = [
        ("train", "a.jpg", 4, 4, 30, 30, "fear", "female", "30", "x", "glasses, outdoors"),
        ("train", "a.jpg", 34, 4, 60.5, 30, "surprise", "male", "", "", ""),
        ("validation", "b.jpg", "", "", "", "", "sadness", "", "", "", "outdoors"),
        ("Test", "c.jpg", 0, 0, 64, 64, "disgust", "", "", "", ""),
    ]
    write_table(root / "mine", columns, rows)


LAYOUTS = {"labels": write_labels, "splits_and_boxes": write_splits_and_boxes}
