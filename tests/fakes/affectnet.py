"""AffectNet of 2017 (lists and loose crops) and of 2021 (numbered faces with .npy files)."""

import cv2
import numpy as np

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
LANDMARKS = ";".join(f"{number}.5" for number in range(136))


def row(path, code, valence, arousal, box="4,4,24,24", landmarks=LANDMARKS):
    """Return a line of a list."""
    return f"{path},{box},{landmarks},{code},{valence},{arousal}"


TRAINING = [
    row("1/aa11.jpg", 1, 0.785714, -0.055556),
    row("1/bb22.PNG", 0, 0.0, 0.0),
    row("2/cc33.jpg", 8, 0.25, 0.5),
    row("2/dd44.jpg", 9, -2, -2),
    row("2/ee55.jpg", 10, -2, -2, box=",-1,-1,-1"),
    row("2/ff66.bmp", 6, -0.4, 0.6, box="4.0,4.0,24.0,24.0"),
    row("3/aa11.jpg", 1, 0.5, 0.1),
    row("3/ab12.jpg", 4, 0.3, 0.2, box="-1,-1,-1,-1"),
    row("3/ac13.jpg", 5, -0.6, 0.3, landmarks="not;numbers"),
]
VALIDATION = [
    row("4/ba21.jpg", 7, -0.5, 0.1),
    row("4/bc23.jpg", 3, 0.1, 0.7),
    row("4/bd24.jpg", 10, -2, -2),
]
AUTOMATIC = [row("1/da41.jpg", 2, -0.5, -0.2), row("1/db42.jpg", 1, 0.5, 0.2)]


def picture(path, seed, side=32):
    """Write a picture that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    assert cv2.imwrite(str(path), grey)


def write_list(path, lines, header=True):
    """Write one list of 2017."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *lines] if header else lines) + "\n")


def write_2017(root, training=TRAINING, validation=VALIDATION, automatic=AUTOMATIC):
    """Write the three lists, validation without a header, and their pictures in nested folders, one left out."""
    lists = {
        "Manually_Annotated_file_lists/training.csv": training,
        "Manually_Annotated_file_lists/validation.csv": validation,
        "Automatically_annotated_file_list/automatically_annotated.csv": automatic,
    }
    folders = {
        "M": "Manually_Annotated/Manually_Annotated_Images",
        "A": "Automatically_Annotated_Images/Automatically_Annotated_Images",
    }
    for number, (name, lines) in enumerate(lists.items()):
        write_list(root / name, lines, header="validation" not in name)
        for seed, line in enumerate(lines):
            picture(root / folders[name[0]] / line.partition(",")[0], 100 * number + seed)
    (root / folders["M"] / "2" / "dd44.jpg").unlink(missing_ok=True)


FACES = {
    "train_set": {0: (0, "-0.176846", "-0.0776398"), 2: (4, "-0.0629113", "0.532327"), 14: (1, "0.7", "0.2")}
    | {number: (number % 8, "0.25", "0.5") for number in range(20, 25)},
    "val_set": {0: (7, "-0.5", "0.3"), 9: (2, "-0.6", "-0.2"), 5495: (6, "-0.3", "0.7")},
}
"""Class, valence and arousal by number; numbers have gaps and occur in both folders."""


def write_face(folder, number, values, dtype=str):
    """Write a face of 2021: a picture of 224 pixels and its four arrays."""
    picture(folder / "images" / f"{number}.jpg", 1000 * len(folder.name) + number, side=224)
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for part, value in zip(("exp", "val", "aro"), values, strict=True):
        np.save(folder / "annotations" / f"{number}_{part}.npy", np.array(value).astype(dtype))
    np.save(folder / "annotations" / f"{number}_lnd.npy", np.zeros(136))


def write_2021(root, faces=FACES, dtype=str):
    """Write both folders with scalars as text, which is what most copies seem to have."""
    for name, of_folder in faces.items():
        for number, values in of_folder.items():
            write_face(root / "AffectNet-8Labels" / name, number, values, dtype)


LAYOUTS = {"2017": write_2017, "2021": write_2021}
