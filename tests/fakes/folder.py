"""A user's own pictures: with a table, and in every form that needs none."""

import csv
import io
import json
import tarfile

import cv2
import numpy as np
import openpyxl
import pyarrow as pa
from pyarrow import parquet

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
    write_pictures(root, columns, rows)


def write_pictures(root, columns, rows):
    """Write the pictures that a table names and that lie below it."""
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


def write_unicode_text(root):
    """Write the table as Excel saves "Unicode text", with other names of columns and other words."""
    words = {"happiness": "Happy", "ANGER": "angry"}
    rows = [(row[0], words.get(row[1], row[1]), *row[2:]) for row in ROWS]
    write_table(root, ("Image", "Emotion", *COLUMNS[2:]), rows, "labels.txt", delimiter="\t", encoding="utf-16")
    write_pictures(root, COLUMNS, ROWS)


def write_named_separator(root):
    """Write the table as Excel does in countries with a decimal comma, and in its old encoding."""
    rows = [
        (path, label, *(str(cell).replace(".", ",") for cell in affect), group) for path, label, *affect, group in ROWS
    ]
    write_table(root, COLUMNS, [*rows, ("é.jpg", "sad", "", "", "")], delimiter=";", encoding="cp1252")
    (root / "labels.csv").write_bytes(b"sep=;\r\n" + (root / "labels.csv").read_bytes())


def write_workbook(root):
    """Write the table as an Excel workbook."""
    write_pictures(root, COLUMNS, ROWS)
    book = openpyxl.Workbook()
    for row in (COLUMNS, *ROWS):
        book.active.append([cell if cell != "" else None for cell in row])
    book.save(root / "labels.xlsx")


def write_class_folders(root):
    """Write folders of classes without splits, with other words and cases of letters, and a file that is no picture."""
    for seed, name in enumerate(("happy", "Sad", "ANGRY", "neutral", "surprised", "fear", "disgusted", "contempt")):
        picture(root / name / "a.jpg", 2 * seed)
        picture(root / name / "deeper" / "b.png", 2 * seed + 1)
    (root / "happy" / "Thumbs.db").write_bytes(b"x")
    picture(root / "happy" / ".hidden.jpg", 99)


def write_split_folders(root):
    """Write folders of classes in train and test, as the most used copy of FER2013 has them, one folder down."""
    for number in range(12):
        name, split = ("happy", "sad", "angry")[number % 3], "test" if number > 8 else "train"
        picture(root / "archive" / split / name / f"{number}.jpg", number)


def write_images_folders(root):
    """Write folders of classes below images/train and images/validation, and the first once more inside itself."""
    for number in range(8):
        split = "validation" if number > 5 else "train"
        for images in ("images", "images/images") if number < 2 else ("images",):
            picture(root / images / split / ("happy", "sad")[number % 2] / f"{number}.jpg", number)


def encoded(seed, side=16):
    """Return the bytes of a PNG file that no other seed gives."""
    grey = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    return cv2.imencode(".png", grey)[1].tobytes()


NAMES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
"""The classes of FER2013 on Hugging Face, in the order of their codes."""


def features(names=NAMES, image="image", label="label"):
    """Return the metadata of a schema as Hugging Face writes it."""
    kinds = {image: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
    return {"huggingface": json.dumps({"info": {"features": kinds}})}


def write_parquet_file(path, seeds, labels, image="image", label="label", metadata=None, struct=True, rows=4):
    """Write a Parquet file with a picture for each seed, `rows` of them in a row group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [seed if seed is None else encoded(seed) for seed in seeds]
    if struct:
        pictures = [
            {"bytes": content, "path": f"../../{seed}.png"} for seed, content in zip(seeds, pictures, strict=True)
        ]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    else:
        kind = pa.binary()
    table = pa.table({image: pa.array(pictures, kind), label: pa.array(labels)})
    parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=rows)


def write_parquet(root):
    """Write FER2013 as Hugging Face has it: three splits, names of classes in the schema."""
    for split, first, number in (("train", 0, 10), ("valid", 10, 4), ("test", 14, 4)):
        seeds = range(first, first + number)
        path = root / "data" / f"{split}-00000-of-00001.parquet"
        write_parquet_file(path, seeds, [seed % 7 for seed in seeds], metadata=features())


def write_tar(path, members):
    """Write a tar file of (name, content)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_webdataset(root):
    """Write FER2013 as CLIP benchmark has it: tar files in folders of splits, and the names of classes beside them."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classnames.txt").write_text("\n".join(NAMES) + "\n")
    for split, first, number in (("train", 0, 8), ("test", 8, 4)):
        samples = ((f"s{seed:07d}", seed) for seed in range(first, first + number))
        write_tar(
            root / split / "0.tar",
            [
                member
                for name, seed in samples
                for member in (
                    (f"{name}.cls", b"%d" % (seed % 7)),
                    (f"{name}.jpg", encoded(seed)),
                    (f"{name}.json", b"{}"),
                )
            ],
        )


def write_yolo(root):
    """Write pictures with boxes as the YOLO copy of AffectNet has them, two faces in one of them."""
    for number in range(9):
        split = ("train", "train", "valid", "train", "test")[number % 5]
        folder = root / "YOLO_format" / split
        picture(folder / "images" / f"{number}.jpg", number)
        (folder / "labels").mkdir(exist_ok=True)
        lines = [f"{number % 3} 0.25 0.25 0.5 0.5", "1 0.75 0.75 0.25 0.5"][: 1 + (number == 1)]
        (folder / "labels" / f"{number}.txt").write_text("\n".join(lines))
    picture(root / "YOLO_format" / "train" / "images" / "nobody.jpg", 99)
    (root / "YOLO_format" / "data.yaml").write_text(
        "train: ../train/images\nnc: 3\nnames: ['Anger', 'Happy', 'Neutral']\n"
    )


LAYOUTS = {
    "labels": write_labels,
    "splits_and_boxes": write_splits_and_boxes,
    "unicode_text": write_unicode_text,
    "named_separator": write_named_separator,
    "workbook": write_workbook,
    "class_folders": write_class_folders,
    "split_folders": write_split_folders,
    "images_folders": write_images_folders,
    "parquet": write_parquet,
    "webdataset": write_webdataset,
    "yolo": write_yolo,
}
