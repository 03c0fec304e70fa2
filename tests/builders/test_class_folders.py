"""Corpus `folder` without a table: folders that are named after classes, and what all forms share."""

import json
import os

import pytest

from tests.builders.test_folder import NO_BOXES, NO_GROUP, read
from tests.fakes import folder as fakes
from tfaffect.errors import UsageError
from tfaffect.features import kinds
from tfrecords_builders import repacks
from tfrecords_builders.__main__ import main
from tfrecords_builders.base import RawFolderError
from tfrecords_builders.folder import Folder
from tfrecords_builders.folder_forms.places import PICTURES
from tfrecords_builders.prepare import prepare

READ = {"read as class folders": 1}
CARVED = "no validation split: a share of train's groups is drawn for it"


def write(root, *names):
    """Write a picture under each name; no two are equal."""
    for seed, name in enumerate(names):
        fakes.picture(root / name, seed)


def labels(faces):
    """Class and split by key."""
    return {key: (face.expression, face.split) for key, face in faces.items()}


def test_class_folders_by_hand(tmp_path):
    fakes.write_class_folders(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert {key.split("/")[0]: face.expression for key, face in faces.items()} == {
        "happy": "happiness",
        "Sad": "sadness",
        "ANGRY": "anger",
        "neutral": "neutral",
        "surprised": "surprise",
        "fear": "fear",
        "disgusted": "disgust",
        "contempt": "contempt",
    }
    assert len(faces) == 16
    face = faces["happy/deeper/b.png"]
    assert (face.group, face.image, face.split) == ("happy/deeper/b.png", tmp_path / "happy" / "deeper" / "b.png", None)
    assert not skips
    assert notes == READ | {"file that is no picture: .db": 1}


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Train", "train"),
        ("test", "test"),
        ("val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("images/validation", "validation"),
        ("archive (3)/Test", "test"),
    ],
)
def test_splits_are_as_they_lie(tmp_path, folder, split):
    write(tmp_path, f"{folder}/happy/1.jpg", "train/sad/2.jpg", "test/sad/3.jpg")
    faces = read(tmp_path)[0]
    assert {face.split for key, face in faces.items() if key.endswith("happy/1.jpg")} == {split}


def test_a_split_inside_a_class_folder_counts_too(tmp_path):
    write(tmp_path, "happy/train/1.jpg", "happy/test/2.jpg")
    assert labels(read(tmp_path)[0]) == {
        "happy/train/1.jpg": ("happiness", "train"),
        "happy/test/2.jpg": ("happiness", "test"),
    }


def test_validation_is_drawn_from_train_and_said(tmp_path):
    fakes.write_split_folders(tmp_path)
    report = prepare(Folder(), tmp_path, tmp_path / "records")
    assert {split: facts["records"] for split, facts in report["splits"].items()} == {
        "train": 8,
        "validation": 1,
        "test": 3,
    }
    assert report["notes"] == READ | {CARVED: 1}


def test_only_a_train_split_is_as_good_as_none(tmp_path):
    write(tmp_path, *(f"train/sad/{number}.jpg" for number in range(10)))
    faces, _, notes = read(tmp_path)
    assert {face.split for face in faces.values()} == {None}
    assert notes == READ | {"only a train split: splits are drawn by group": 1}
    assert prepare(Folder(), tmp_path, tmp_path / "records")["splits"].keys() == {"train", "validation", "test"}


def test_a_split_for_some_pictures_only_is_an_error(tmp_path):
    write(tmp_path, "train/sad/1.jpg", "test/sad/2.jpg", "happy/3.jpg")
    with pytest.raises(
        UsageError, match=r"2 of 3 pictures are in a split, and others are not, for example happy/3\.jpg"
    ):
        read(tmp_path)


def test_folders_with_numbers_are_never_guessed(tmp_path):
    write(tmp_path, "train/0/1.jpg", "train/7/2.jpg")
    with pytest.raises(UsageError, match=r"Folder .*train/0: .*five orders of codes.*--classes neutral.*Received: '0'"):
        read(tmp_path)


def test_folders_with_numbers_are_read_in_the_order_that_classes_states(tmp_path):
    write(tmp_path, "train/1/a.jpg", "train/2/b.jpg", "test/2/c.jpg", "test/3/d.jpg")
    faces, _, notes = read(tmp_path, classes=["none", "Surprised", "fear", "none"])
    assert labels(faces) == {
        "train/1/a.jpg": ("surprise", "train"),
        "train/2/b.jpg": ("fear", "train"),
        "test/2/c.jpg": ("fear", "test"),
        "test/3/d.jpg": (None, "test"),
    }
    assert notes == {"read as class folders with numbers": 1, CARVED: 1}
    with pytest.raises(UsageError, match=r"test/3: the class must be a code from 0 to 2.*Received: '3'"):
        read(tmp_path, classes=["none", "surprise", "fear"])


def test_numbers_of_subjects_around_class_folders_are_no_codes(tmp_path):
    write(tmp_path, "001/happy/a.jpg", "001/sad/b.jpg", "002/happy/a.jpg")
    assert labels(read(tmp_path)[0]) == {
        "001/happy/a.jpg": ("happiness", None),
        "001/sad/b.jpg": ("sadness", None),
        "002/happy/a.jpg": ("happiness", None),
    }


def test_folders_that_are_no_class_are_counted_by_name(tmp_path):
    write(tmp_path, "happy/1.jpg", "sad/2.jpg", "Ahegao/3.jpg", "Ahegao/4.jpg", "unknown/5.jpg")
    faces, skips, _ = read(tmp_path)
    assert len(faces) == 2
    assert skips == {"label is no class: ahegao": 2, "label is no class: unknown": 1}


def test_a_table_wins_over_class_folders_and_says_so(tmp_path):
    fakes.write_table(tmp_path, ["path", "class"], [["happy/1.jpg", "fear"]])
    faces, _, notes = read(tmp_path)
    assert labels(faces) == {"happy/1.jpg": ("fear", None)}
    assert notes == {"class folders: not read, because a table is there": 1, NO_BOXES: 1, NO_GROUP: 1}


def test_a_table_that_is_named_and_missing_is_an_error_although_there_are_class_folders(tmp_path):
    write(tmp_path, "happy/1.jpg")
    with pytest.raises(RawFolderError, match=r"mine\.csv was not found\."):
        read(tmp_path, table="mine.csv")


def test_a_copy_of_the_same_file_in_the_same_class_is_left_out(tmp_path):
    fakes.write_images_folders(tmp_path)
    faces, skips, _ = read(tmp_path)
    assert len(faces) == 8
    assert skips == {"file with the same name and content is in another folder of the split and class": 2}
    write(tmp_path / "other", "images/train/happy/0.jpg", "images/images/train/happy/0.jpg")  # not the same picture
    assert len(read(tmp_path / "other")[0]) == 2


def test_names_that_are_not_utf_8_are_read(tmp_path):
    fakes.picture(tmp_path / "happy" / "1.jpg", 0)
    (tmp_path / "happy" / "1.jpg").rename(tmp_path / "happy" / os.fsdecode(b"\xe9.jpg"))
    (face,) = read(tmp_path)[0].values()
    assert face.key == face.group == "happy/\\xe9.jpg"
    assert face.image.is_file()


def test_pictures_have_the_suffixes_that_are_found_elsewhere():
    assert {*PICTURES} == {*kinds.PICTURES} - {".heic", ".heif"}, "those two cannot be decoded"


def test_pictures_beside_class_folders_are_noted(tmp_path):
    write(tmp_path, "happy/1.jpg", "2.jpg", "train/sad/3.jpg")
    assert read(tmp_path / "train")[2] == READ
    (tmp_path / "train" / "sad" / "3.jpg").unlink()
    assert read(tmp_path)[2] == READ | {"picture beside the class folders, and not in one: not read": 1}


def test_links_to_folders_are_not_followed(tmp_path):
    write(tmp_path / "elsewhere", "1.jpg")
    write(tmp_path / "raw", "sad/2.jpg")
    (tmp_path / "raw" / "happy").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "raw" / "sad" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    faces, skips, notes = read(tmp_path / "raw")
    assert list(faces) == ["sad/2.jpg"]
    assert not skips
    assert notes == READ | {"link to a folder, which is not followed: happy": 1}


def test_faces_are_detected_on_demand(tmp_path):
    write(tmp_path, "happy/1.jpg")
    assert [face.detect for face in read(tmp_path)[0].values()] == [False]
    assert [face.detect for face in read(tmp_path, detect=True)[0].values()] == [True]


def test_an_empty_folder_says_which_forms_are_read(tmp_path):
    with pytest.raises(RawFolderError, match=r"labels\.csv was not found, nor any other form") as error:
        read(tmp_path)
    for form in ("DIR/labels.csv", "class folders", "Hugging Face", "YOLO", "WebDataset"):
        assert form in str(error.value)


def test_of_two_forms_one_is_read_and_the_other_is_named(tmp_path):
    write(tmp_path, "happy/1.jpg")
    fakes.write_parquet_file(tmp_path / "data" / "train.parquet", [2], ["sad"])
    faces, _, notes = read(tmp_path)
    assert list(faces) == ["happy/1.jpg"]
    assert notes == READ | {"Parquet files: not read, because class folders are there": 1}


def test_a_repack_that_misleads_is_named(tmp_path, monkeypatch):
    small = repacks.Repack("This is nobody/small, a re-pack.", splits={"train": 9, "test": 3})
    monkeypatch.setattr(repacks, "REPACKS", (small,))
    fakes.write_split_folders(tmp_path)
    report = prepare(Folder(), tmp_path, tmp_path / "records")
    assert report["warnings"] == ["This is nobody/small, a re-pack."]


def test_words_in_classes_are_checked(tmp_path):
    write(tmp_path, "happy/1.jpg")
    with pytest.raises(UsageError, match=r"--classes must name the classes .*Received: \['bored'\]"):
        read(tmp_path, classes=["bored"])


def test_the_command_reads_them(tmp_path):
    write(tmp_path / "raw", *(f"{number % 2}/{number}.jpg" for number in range(10)))
    records = tmp_path / "records"
    main(["folder", "--raw", str(tmp_path / "raw"), "--records", str(records), "--classes", "sad", "angry"])
    report = json.loads((records / "folder" / "1.0.0" / "build_report.json").read_text())
    counts = [split["expression"] for split in report["splits"].values()]
    assert [sum(split[name] for split in counts) for name in ("sadness", "anger")] == [5, 5]
