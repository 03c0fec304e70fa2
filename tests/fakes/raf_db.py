"""RAF-DB as its owners send it, as aligned faces only, and as re-packed on Kaggle."""

import cv2
import numpy as np

ROWS = [
    *((f"train_{number:05d}.jpg", number % 7 + 1) for number in range(1, 9)),
    ("test_0001.jpg", 7),
    ("test_0002.jpg", 4),
]
ATTRIBUTES = (1, 2, 3)
"""Female, Asian, 40-69: a code each."""


def picture(path, seed, side=40):
    """Write a picture that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    assert cv2.imwrite(str(path), grey)


def write_list(basic, rows, name="list_patition_label.txt", end="\n"):
    """Write the list of labels as it is: no newline after the last row."""
    (basic / "EmoLabel").mkdir(parents=True, exist_ok=True)
    text = end.join(f"{picture_name} {code}" for picture_name, code in rows)
    (basic / "EmoLabel" / name).write_bytes(text.encode())


def write_annotation(basic, kind, stem, text):
    """Write one of the small files of a picture; kind is boundingbox or manual."""
    suffix = {"boundingbox": "boundingbox", "manual": "manu_attri"}[kind]
    (basic / "Annotation" / kind).mkdir(parents=True, exist_ok=True)
    (basic / "Annotation" / kind / f"{stem}_{suffix}.txt").write_text(text)


def attributes(sex, ethnicity, age):
    """Five landmarks and three codes, parted by tabs and blanks."""
    return "10.5\t12.0\n20 12\n15\t16.5\n11 22\n19\t22.25\n" + f"{sex}\n{ethnicity}\n{age}\n"


def write_original(root, rows=ROWS):
    """Write photos, one with a fractional box that leaves it, next to the compound expressions of the same names."""
    basic = root / "RAF-DB" / "basic"
    write_list(basic, rows)
    for seed, (name, _) in enumerate(rows):
        stem = name.removesuffix(".jpg")
        picture(basic / "Image" / "original" / name, seed)
        write_annotation(basic, "boundingbox", stem, "-2.5 4.25 44.75 38.5 \n" if seed == 0 else "8 8 32 32\n")
        write_annotation(basic, "manual", stem, attributes(*ATTRIBUTES))
    compound = root / "RAF-DB" / "compound"
    write_list(compound, [("train_00001.jpg", 11), ("train_00002.jpg", 5)])
    picture(compound / "Image" / "original" / "train_00001.jpg", 99)


def write_aligned(root, rows=ROWS):
    """Write aligned faces unpacked into a folder of their own name, and the list under the spelling of some copies."""
    basic = root / "basic"
    write_list(basic, rows, "list_partition_label.txt", end="\r\n")
    for seed, (name, _) in enumerate(rows):
        picture(basic / "Image" / "aligned" / "aligned" / name.replace(".jpg", "_aligned.jpg"), seed)


def write_kaggle(root, rows=ROWS):
    """Write a folder for each split and class, and a table for each split."""
    tables = {"train": ["image,label"], "test": ["image,label"]}
    for seed, (name, code) in enumerate(rows):
        split, name = name.partition("_")[0], name.replace(".jpg", "_aligned.jpg")
        tables[split].append(f"{name},{code}")
        picture(root / "DATASET" / split / str(code) / name, seed)
    for split, lines in tables.items():
        (root / f"{split}_labels.csv").write_text("\n".join(lines) + "\n")


LAYOUTS = {"original": write_original, "aligned": write_aligned, "kaggle": write_kaggle}
