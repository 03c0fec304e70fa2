"""EMOTIC as Kaggle has it: tables of people, and arrays of their bodies."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from tests.builders.test_corpora import find_green
from tests.fakes import emotic as fakes
from tests.mutations import BRIEFLY, changes
from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfaffect.media.faces import UnreadablePictureError
from tfrecords_builders.base import OUTSIDE_RAW, Face, Note, RawFolderError, Skip
from tfrecords_builders.emotic import Emotic
from tfrecords_builders.prepare import prepare

BODY = (0, 0, 100, 200)
MISSING = "array of the body missing, or not a picture"


def read(root):
    """The faces by key, and the counts of skips and notes."""
    items = list(Emotic().faces(root))
    return (
        {item.key: item for item in items if isinstance(item, Face)},
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def test_a_table_by_hand(tmp_path):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", BODY, ["Happiness", "Excitement"], (8, 7.5, 5))])
    fakes.write_arrays(tmp_path, "val", [("b.jpg", BODY, ["Engagement"], (5, 4, 5))])
    faces, skips, notes = read(tmp_path)
    face = faces["train/crop_train_00000.npy"]
    assert (face.group, face.split, face.expression) == ("mscoco/images/a.jpg", "train", Expression.HAPPINESS)
    assert (face.valence, face.arousal, face.sex, face.age, face.detect) == (8, 7.5, "Male", "Adult", True)
    other = faces["validation/crop_val_00000.npy"]
    assert (other.split, other.expression, other.valence) == ("validation", None, 5)
    assert not skips
    assert not notes


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((0, 0, 100, 200), (256, 128)),
        ((0, 0, 200, 100), (128, 256)),
        ((-20, 0, 100, 100), (128, 128)),
        ((0, 0, 0, 100), (128, 128)),
        (("", 0, 1, 100), (128, 128)),
    ],
)
def test_the_body_gets_the_sides_of_its_box_back(tmp_path, box, size):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", box, ["Anger"], (2, 8, 6))])
    (face,) = read(tmp_path)[0].values()
    height, width = size
    assert face.box == (0, 0, width, height)
    picture = face.image()
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    (detection,) = find_green(picture)
    left, top, right, bottom = (
        value * 128 / side for value, side in zip(detection.box, (width, height) * 2, strict=True)
    )
    assert np.allclose((left, top, right, bottom), (40, 4, 81, 35), atol=1.5)


@pytest.mark.parametrize("doubt", ["Doubt/Confusion", "Doubt", "Doubt_Confusion"])
def test_doubt_has_several_spellings(tmp_path, doubt):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", BODY, ["Doubt/Confusion"], (5, 5, 5))], doubt)
    assert len(read(tmp_path)[0]) == 1


def test_a_table_without_a_category_is_refused(tmp_path):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", BODY, ["Anger"], (5, 5, 5))], "Dout")
    with pytest.raises(UsageError, match=r"annot_arrs_train\.csv lacks the columns \['Doubt/Confusion'\]"):
        read(tmp_path)


def test_tables_without_arrays_are_refused(tmp_path):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", BODY, ["Anger"], (5, 5, 5))])
    (tmp_path / "img_arrs").rename(tmp_path / "arrays")
    with pytest.raises(RawFolderError, match=r"annot_arrs_train\.csv was found, but no folder img_arrs/"):
        read(tmp_path)


def test_arrays_that_are_no_picture_are_counted(tmp_path):
    fakes.write_arrays(tmp_path, "train", [(f"{n}.jpg", BODY, ["Anger"], (5, 5, 5)) for n in range(6)])
    arrays = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.array([{}], object)]
    for number, array in enumerate(arrays):
        np.save(tmp_path / "img_arrs" / f"crop_train_{number:05d}.npy", array)
    (tmp_path / "img_arrs" / "crop_train_00004.npy").write_bytes(b"no array")
    assert read(tmp_path)[1] == {MISSING: 5}


def test_hostile_names_are_counted(tmp_path):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", BODY, ["Anger"], (5, 5, 5))] * 2)
    table = tmp_path / "annots_arrs" / "annot_arrs_train.csv"
    table.write_text(table.read_text().replace("crop_train_00000", "../../x").replace("crop_train_00001.npy", ""))
    assert read(tmp_path)[1] == {OUTSIDE_RAW.reason: 1, "row without an array of the body": 1}


def test_the_file_of_the_owners_comes_first(tmp_path):
    fakes.write_kaggle(tmp_path)
    fakes.write_cvpr17(tmp_path)
    assert not any(key.endswith(".npy") for key in read(tmp_path)[0])


def test_records_have_a_face_of_each_body(tmp_path):
    fakes.write_kaggle(tmp_path)
    report = prepare(Emotic(), tmp_path, tmp_path / "records", face_detector=find_green)
    assert {split: facts["records"] for split, facts in report["splits"].items()} == {
        "train": 13,
        "validation": 4,
        "test": 4,
    }
    assert report["skipped"] == {MISSING: 1}


def test_arrays_that_are_damaged_later_are_survived(tmp_path):
    fakes.write_arrays(tmp_path, "train", [("a.jpg", BODY, ["Anger"], (5, 5, 5))])
    (face,) = read(tmp_path)[0].values()
    path = tmp_path / "img_arrs" / "crop_train_00000.npy"
    whole = path.read_bytes()

    @BRIEFLY
    @given(damage=changes())
    def check(damage):
        path.write_bytes(damage(whole))
        try:
            face.image()
        except (OSError, UnreadablePictureError):
            return

    check()
