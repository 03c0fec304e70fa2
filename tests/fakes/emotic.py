"""Raw trees of EMOTIC: a .mat file with the nesting of the real one, and pictures with a green face in every body."""

import csv
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from tests.fakes import ground

GREEN = (0, 255, 0)
BODIES = ((4.0, 4.0, 70.0, 116.0), (84.0, 2.0, 158.0, 118.0))  # left, top, right, bottom in a picture of 160 x 120
VAD = ("valence", "arousal", "dominance")
NAN = float("nan")


def structs(items, fields):
    """Return dictionaries as a MATLAB struct array 1 x N; none gives 1 x 0, as in the real file."""
    array = np.zeros((1, len(items)), dtype=[(field, object) for field in fields])
    for place, item in enumerate(items):
        for field in fields:
            array[0, place][field] = item[field]
    return array


def cell(texts):
    """Return texts as a MATLAB cell 1 x N."""
    array = np.empty((1, len(texts)), object)
    array[0, :] = texts
    return array


def person(categories, vad, box=BODIES[0], combined=None, gender="Female", age="Adult"):
    """Return a person; `categories` and `vad` have one entry an annotator, `combined` is (categories, vad) or None."""
    facts = {
        "body_bbox": np.array([box], float),
        "annotations_categories": structs([{"categories": cell(names)} for names in categories], ["categories"]),
        "annotations_continuous": structs([dict(zip(VAD, map(float, v), strict=True)) for v in vad], VAD),
        "gender": gender,
        "age": age,
    }
    if combined is not None:
        facts["combined_categories"] = cell(combined[0])
        facts["combined_continuous"] = structs([dict(zip(VAD, combined[1], strict=True))], VAD)
    return facts


def judged(names, vad, **facts):
    """Return a person of validation or test: two annotators, the union of their categories, the mean of their VAD."""
    return person([names[:1], names], [vad, vad], combined=(names, vad), **facts)


def picture(filename, people, folder="mscoco/images"):
    """Return a picture's entry."""
    fields = ["body_bbox", "annotations_categories", "combined_categories", "annotations_continuous"]
    fields += ["combined_continuous", "gender", "age"]
    present = [field for field in fields if not people or field in people[0]]
    return {
        "filename": filename,
        "folder": folder,
        "image_size": {"n_col": 160, "n_row": 120},
        "original_database": {"name": "mscoco", "info": {"image_id": 7, "annotations_id": 8}},
        "person": structs(people, present),
    }


def write_annotations(path: Path, train=(), val=(), test=(), **others):
    """Write the .mat file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = ["filename", "folder", "image_size", "original_database", "person"]
    splits = {"train": train, "val": val, "test": test}
    tables = {name: structs(list(items), fields) for name, items in splits.items() if items is not None}
    savemat(path, tables | others, do_compression=True)


def write_picture(path: Path, faces=BODIES, colour=True):
    """Write a picture 160 x 120 with a green face of 28 x 28 at the top of every body."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = np.full((120, 160, 3), ground(path), np.uint8)
    for left, top, *_ in faces:
        x, y = int(left) + 18, int(top) + 8
        cv2.rectangle(canvas, (x, y), (x + 28, y + 28), GREEN, cv2.FILLED)
    cv2.imwrite(str(path), canvas if colour else canvas[..., 0])


def write_pictures(folder: Path, tables):
    """Write the picture of every entry, one face a person."""
    for item in tables:
        count = item["person"].shape[1]
        write_picture(folder / item["folder"] / item["filename"], BODIES[:count])


def _train(count):
    names = (["Happiness", "Excitement"], ["Anger"], ["Engagement"], ["Peace", "Engagement"], ["Fear", "Disquietment"])
    vad = ((8, 7, 5), (2, 8, 6), (5, 4, 5), (6, 2, 5), (3, 7, 2))
    people = [person([names[i % 5]], [vad[i % 5]]) for i in range(count)]
    return [picture(f"COCO_val2014_{i:012d}.jpg", [one]) for i, one in enumerate(people)]


def _judged(count, folder="emodb_small/images"):
    names = (["Happiness", "Pleasure"], ["Sadness", "Suffering"], ["Affection", "Annoyance"], ["Surprise"])
    vad = ((7.3333, 5.6667, 5.0), (2.5, 3.0, 4.5), (5.0, 5.5, 6.0), (6.0, 8.25, 5.0))
    pairs = [
        [judged(names[i % 4], vad[i % 4]), judged(names[(i + 1) % 4], vad[i % 4], box=BODIES[1], gender="Male")]
        for i in range(count)
    ]
    return [picture(f"{i:02d}ctwuhai2qxczp2wf.jpg", pair, folder) for i, pair in enumerate(pairs)]


def _write(root: Path, annotations: str, pictures: str, train):
    """Write a release: pictures of one and of two people in every split, and what the real ones have wrong."""
    val, test = _judged(4, "ade20k/images"), _judged(4)
    no_categories = person([[], []], [(5, 5, 5)] * 2, combined=([], (5.0, 5.5, 5.0)))
    test.append(picture("12ctwuhai2qxczp2wf.jpg", [no_categories], "emodb_small/images"))
    test.append(picture("no_annotator.jpg", [person([], [], combined=([], (NAN, NAN, NAN)))], "emodb_small/images"))
    write_annotations(root / annotations, train, val, test)
    write_pictures(root / pictures, [*train, *val, *test])


def write_cvpr17(root: Path):
    """Write the release of 2017, with the folder in a folder that its zip leaves, and its defects."""
    outside = person([["Sadness"]], [(3, 3, 3)], box=(-12.5, -3.0, 71.4, 116.0))
    train = [
        *_train(24),
        picture("outside.jpg", [outside]),
        picture("no_vad.jpg", [person([["Anger"]], [(NAN, NAN, NAN)])]),
        picture("no_area.jpg", [person([["Anger"]], [(2, 8, 6)], box=(40, 40, 40, 90))]),
    ]
    _write(root, "CVPR17_Annotations.mat", "cvpr_emotic/cvpr_emotic", train)


def write_pami19(root: Path):
    """Write the release of 2019, unpacked in a folder of its own, with the detector's boxes of framesdb."""
    scored = person([["Yearning"]], [(6, 6, 6)], box=(4.9, 4.1, 70.4, 115.9, 0.9985))
    train = [*_train(24), picture("frame_1.jpg", [scored], "framesdb/images")]
    _write(root / "EMOTIC", "Annotations/Annotations.mat", "emotic", train)


CATEGORIES = (
    *(
        "Peace",
        "Affection",
        "Esteem",
        "Anticipation",
        "Engagement",
        "Confidence",
        "Happiness",
        "Pleasure",
        "Excitement",
    ),
    *(
        "Surprise",
        "Sympathy",
        "Doubt/Confusion",
        "Disconnection",
        "Fatigue",
        "Embarrassment",
        "Yearning",
        "Disapproval",
    ),
    *("Aversion", "Annoyance", "Anger", "Sensitivity", "Sadness", "Disquietment", "Fear", "Pain", "Suffering"),
)


def write_arrays(root: Path, split: str, people, doubt="Doubt/Confusion"):
    """Write a table of Kaggle's copy and the squeezed bodies; people are (file name, box, categories, vad)."""
    (root / "annots_arrs").mkdir(parents=True, exist_ok=True)
    (root / "img_arrs").mkdir(exist_ok=True)
    names = [doubt if name == "Doubt/Confusion" else name for name in CATEGORIES]
    with open(root / "annots_arrs" / f"annot_arrs_{split}.csv", "w", newline="") as file:
        writer = csv.writer(file)
        corners = ("X_min", "Y_min", "X_max", "Y_max")
        vad = ("Valence", "Arousal", "Dominance")
        writer.writerow(["", "Folder", "Filename", *corners, "Gender", "Age", *names, *vad, "Arr_name", "Crop_name"])
        for number, (filename, box, categories, judgement) in enumerate(people):
            marks = [int(name in categories) for name in CATEGORIES]
            crop = f"crop_{split}_{number:05d}.npy"
            facts = [number, "mscoco/images", filename, *box, "Male", "Adult"]
            writer.writerow([*facts, *marks, *judgement, f"img_{split}_{number:05d}.npy", crop])
            body = np.full((128, 128, 3), ground(root / crop), np.uint8)
            cv2.rectangle(body, (40, 4), (80, 34), GREEN, cv2.FILLED)
            np.save(root / "img_arrs" / crop, body)


def write_kaggle(root: Path):
    """Write Kaggle's copy, one folder down, with two people in one photo and one whose array is missing."""
    names = (["Happiness", "Excitement"], ["Anger"], ["Engagement"], ["Peace"], ["Fear", "Disquietment"])
    for split, count in (("train", 12), ("val", 4), ("test", 4), ("extra_train", 2)):
        people = [
            (f"{split}_{number // 2}.jpg", BODIES[number % 2], names[number % 5], (8, 7.5, 5))
            for number in range(count)
        ]
        write_arrays(root / "archive", split, people)
    (root / "archive" / "img_arrs" / "crop_train_00011.npy").unlink()


LAYOUTS = {"cvpr17": write_cvpr17, "pami19": write_pami19, "kaggle": write_kaggle}
