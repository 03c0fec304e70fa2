"""Small stand-ins that are real where it matters: a backbone with B1's layer names, and raw trees of corpora."""

import csv

import cv2
import keras
import numpy as np
from keras import layers

VOTE_COLUMNS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


def small_backbone(image_size=32):
    """Return a network with the groups of EfficientNet-B1 that traces in a second."""
    picture = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    for name, filters, stride in [
        ("stem", 16, 2),
        *((f"block{number}a", 24, 2 if number in (2, 4) else 1) for number in range(1, 8)),
        ("top", 64, 1),
    ]:
        x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.Activation("relu", name=f"{name}_activation")(x)
    return keras.Model(picture, x, name="small")


def pixels(seed, side=48):
    """Return a grey picture (side, side) that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def write_fer_plus_tables(root, rows, header=("emotion", "pixels", "Usage"), new_name="fer2013new.csv"):
    """Write fer2013.csv beside fer2013new.csv; rows are (usage, image name, ten votes, grey picture)."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "fer2013.csv", "w", newline="") as faces, open(root / new_name, "w", newline="") as votes:
        faces, votes = csv.writer(faces), csv.writer(votes)
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
