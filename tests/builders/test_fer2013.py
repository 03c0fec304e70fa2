from collections import Counter

import numpy as np
import pytest

from tests.fakes import fer2013 as fakes
from tests.fakes.fer_plus import pixels
from tfaffect.errors import UsageError
from tfaffect.labels import CLASSES, Expression
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.fer2013 import Fer2013
from tfrecords_builders.prepare import prepare

ADVICE = "one label a face; corpus fer_plus has the votes of ten people for the same faces"


def read(root):
    """The faces, and the counts of skips and notes."""
    items = list(Fer2013().faces(root))
    return (
        [item for item in items if isinstance(item, Face)],
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


@pytest.mark.parametrize(
    ("code", "expected"), list(enumerate(["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]))
)
def test_codes_are_those_of_the_challenge(code, expected):
    assert CLASSES[Fer2013.expressions[code]] == expected


@pytest.mark.parametrize("write", [fakes.write_fer2013, fakes.write_icml])
def test_tables_by_hand(tmp_path, write):
    write(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert [face.key for face in faces] == [f"{number:05d}" for number in range(18)]
    assert [face.split for face in faces] == ["train"] * 15 + ["validation"] * 2 + ["test"]
    assert [face.expression for face in faces[-4:]] == [3, 3, 6, 0]
    assert faces[14].group == faces[15].group != faces[16].group
    np.testing.assert_array_equal(faces[16].image(), np.repeat(pixels(16)[..., None], 3, axis=2))
    assert not skips
    assert notes == {f"{ADVICE}, if you can get them": 1}


def test_the_published_numbers_are_those_of_all_rows():
    published = Fer2013().published
    assert [published[split] for split in ("train", "validation", "test")] == [28_709, 3_589, 3_589]
    assert sum(count for key, count in published.items() if "/" in key) == 35_887
    assert published["train/disgust"] == 436
    assert published["validation/neutral"] == 607


def test_a_table_without_usage_is_split_by_group_and_says_so(tmp_path):
    fakes.write_train(tmp_path)
    faces, _, notes = read(tmp_path)
    assert {face.split for face in faces} == {None}
    assert notes["no Usage: splits are drawn, and the official ones are lost"] == 1


def test_the_complete_table_comes_before_the_one_of_training_faces(tmp_path):
    fakes.write_train(tmp_path)
    fakes.write_fer2013(tmp_path)
    assert len(read(tmp_path)[0]) == len(fakes.ROWS)


def test_votes_in_the_same_folder_are_pointed_at(tmp_path):
    fakes.write_fer2013(tmp_path)
    (tmp_path / "fer2013new.csv").write_text("Usage,Image name\n")
    assert read(tmp_path)[2] == {f"{ADVICE}, that table is here": 1}


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    rows = [
        ("Training", 3, pixels(0)),
        ("Training", 7, pixels(1)),
        ("Training", "", pixels(2)),
        ("Training", 1.5, pixels(3)),
        ("Training", 3, pixels(4, side=40)),
        ("", 3, pixels(5)),
        ("Test", 3, pixels(6)),
    ]
    fakes.write_table(tmp_path / "fer2013.csv", rows)
    faces, skips, _ = read(tmp_path)
    assert len(faces) == 1
    assert skips == {
        "emotion is not a code from 0 to 6": 3,
        "pixels are not 48 x 48 grey values": 1,
        "Usage is none of Training, PublicTest and PrivateTest": 2,
    }


def test_another_table_is_refused(tmp_path):
    (tmp_path / "train.csv").write_text("path,label\na.jpg,3\n")
    with pytest.raises(UsageError, match=r"lacks the columns \['emotion', 'pixels'\]"):
        read(tmp_path)


def test_the_instructions_say_why_votes_cannot_be_joined_with_class_folders(tmp_path):
    with pytest.raises(RawFolderError, match=r"None of fer2013\.csv, .*train\.csv was found") as error:
        read(tmp_path)
    assert "corpus fer_plus is better" in str(error.value)
    assert "Votes cannot be joined with copies that have class folders" in str(error.value)


def test_records_and_twins(tmp_path):
    fakes.write_fer2013(tmp_path)
    report = prepare(Fer2013(), tmp_path, tmp_path / "records")
    assert {split: facts["records"] for split, facts in report["splits"].items()} == {
        "train": 14,
        "validation": 2,
        "test": 1,
    }
    assert report["skipped"] == {"same picture or group is also in a later split": 1}
    assert report["splits"]["test"]["expression"]["anger"] == 1
    assert report["published"]["test"] == {"published": 3_589, "read": 1}
    assert Fer2013.expressions[6] == Expression.NEUTRAL
