"""Corpus `folder`: boxes and classes of YOLO."""

import pytest

from tests.builders.test_folder import read
from tests.fakes import folder as fakes
from tfaffect.errors import UsageError
from tfrecords_builders.base import Face
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare

READ = {"read as YOLO files": 1}


def write(root, lines, name="images/a.png", yaml="names: [Anger, Happy, Neutral]\n"):
    """Write a picture of 64 x 64 with its lines, and data.yaml."""
    fakes.picture(root / name, 0)
    labels = (root / name.replace("images", "labels", 1)).with_suffix(".txt")
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text(lines)
    if yaml:
        (root / "data.yaml").write_text(yaml)


def test_splits_boxes_and_classes_by_hand(tmp_path):
    fakes.write_yolo(tmp_path)
    faces, skips, notes = read(tmp_path, detect=True)
    folder = tmp_path / "YOLO_format"
    assert faces["train/images/1.jpg"] == Face(
        key="train/images/1.jpg",
        group="train/images/1.jpg",
        image=folder / "train" / "images" / "1.jpg",
        split="train",
        box=(0, 0, 32, 32),
        expression="happiness",
    )
    second = faces["train/images/1.jpg#2"]
    assert (second.group, second.box, second.expression) == ("train/images/1.jpg", (40, 32, 56, 64), "happiness")
    assert {key: face.split for key, face in faces.items() if not key.startswith("train")} == {
        "valid/images/2.jpg": "validation",
        "valid/images/7.jpg": "validation",
        "test/images/4.jpg": "test",
    }
    assert len(faces) == 10
    assert skips == {"picture without a box": 1}
    assert notes == READ


@pytest.mark.parametrize("name", ["images/train/a.png", "train/images/a.png", "images/deep/train/a.png"])
def test_folders_may_be_the_other_way_round(tmp_path, name):
    write(tmp_path, "2 0.5 0.5 1 1", name)
    write(tmp_path, "0 0.5 0.5 1 1", name.replace("train", "test"))
    assert {face.split: face.expression for face in read(tmp_path)[0].values()} == {"train": "neutral", "test": "anger"}


@pytest.mark.parametrize(
    "yaml", ["names:\n  0: Anger\n  1: Happy\n", "names:\n- Anger\n- Happy\n", "names: {1: happy, 0: angry}"]
)
def test_names_are_a_list_or_a_map(tmp_path, yaml):
    write(tmp_path, "1 0.5 0.5 1 1", yaml=yaml)
    assert [face.expression for face in read(tmp_path)[0].values()] == ["happiness"]


@pytest.mark.parametrize("yaml", ["nc: 2", "names: 3", "names: {1: happy}", "names: [1, 2]", "- a", ""])
def test_a_file_without_names_is_refused(tmp_path, yaml):
    write(tmp_path, "1 0.5 0.5 1 1", yaml=yaml or " ")
    with pytest.raises(UsageError, match=r"data\.yaml must have `names`.*--classes"):
        read(tmp_path)


def test_what_is_no_yaml_is_refused(tmp_path):
    write(tmp_path, "1 0.5 0.5 1 1", yaml="names: [")
    with pytest.raises(UsageError, match=r"data\.yaml cannot be read as YAML"):
        read(tmp_path)
    assert len(read(tmp_path, classes=["sad", "happy"])[0]) == 1, "--classes comes first"


def test_without_pyyaml_the_error_says_what_to_do(tmp_path, monkeypatch):
    write(tmp_path, "1 0.5 0.5 1 1")
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(UsageError, match=r"pip install \"tfaffect\[annotations\]\".*--classes"):
        read(tmp_path)


def test_without_names_codes_are_never_guessed(tmp_path):
    write(tmp_path, "1 0.5 0.5 1 1", yaml="")
    with pytest.raises(UsageError, match=r"Line 1 of .*labels/a\.txt: .*none is guessed.*Received: '1'"):
        read(tmp_path)


def test_lines_that_cannot_be_used_are_counted(tmp_path):
    lines = ["0 0.5 0.5 1 1", "0 0.5 0.5 1", "0 0.1 0.1 0.2 0.2 0.3 0.3", "0 x 0.5 1 1", "0 0.5 0.5 0 1", "0 nan 0 1 1"]
    write(tmp_path, "\n".join([*lines, "0 0.5 0.5 1 1", "bored 0.5 0.5 1 1", ""]))
    faces, skips, _ = read(tmp_path)
    assert len(faces) == 1
    assert skips == {
        "line that is not a class and a box of four numbers": 5,
        "picture and box listed before": 1,
        "label is no class: bored": 1,
    }


def test_a_picture_that_cannot_be_read_is_counted(tmp_path):
    write(tmp_path, "0 0.5 0.5 1 1\n1 0.5 0.5 1 1")
    (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    faces, skips, _ = read(tmp_path)
    assert not faces
    assert skips == {"picture missing, or its size cannot be read": 2}


def test_records_are_the_boxes(tmp_path):
    fakes.write_yolo(tmp_path)
    report = prepare(Folder(), tmp_path, tmp_path / "records")
    assert {split: facts["records"] for split, facts in report["splits"].items()} == {
        "train": 7,
        "validation": 2,
        "test": 1,
    }
