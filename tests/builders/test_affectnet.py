from collections import Counter

import numpy as np
import pytest

from tests.fakes import affectnet as fakes
from tests.fakes.affectnet import row
from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.affectnet import AffectNet, is_consistent
from tfrecords_builders.base import Face, Note, RawFolderError, Skip

WHOLE = "no face box: the complete picture is used"
LEFT_OUT = "valence or arousal outside [-1, 1]: left out"


def read(root, **options):
    """The faces by key, and the counts of skips and notes."""
    items = list(AffectNet(**options).faces(root))
    faces = [item for item in items if isinstance(item, Face)]
    assert len({face.key for face in faces}) == len(faces)
    return (
        {face.key: face for face in faces},
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def labels(face):
    return face.expression, face.valence, face.arousal


def test_the_lists_of_2017_by_hand(tmp_path):
    fakes.write_2017(tmp_path / "AffectNet")
    faces, skips, notes = read(tmp_path)
    assert {key: labels(face) for key, face in faces.items()} == {
        "training/1/aa11.jpg": (1, 0.785714, -0.055556),
        "training/1/bb22.PNG": (0, 0.0, 0.0),
        "training/2/cc33.jpg": (None, 0.25, 0.5),
        "training/2/ff66.bmp": (6, -0.4, 0.6),
        "training/3/aa11.jpg": (1, 0.5, 0.1),
        "training/3/ab12.jpg": (4, 0.3, 0.2),
        "training/3/ac13.jpg": (5, -0.6, 0.3),
        "validation/4/ba21.jpg": (7, -0.5, 0.1),
        "validation/4/bc23.jpg": (3, 0.1, 0.7),
    }
    assert skips == {"annotated as uncertain": 1, "annotated as no face": 2}
    assert notes == {WHOLE: 1}
    assert [face.split for face in faces.values()] == ["train"] * 7 + ["validation"] * 2
    assert faces["training/2/ff66.bmp"] == Face(
        key="training/2/ff66.bmp",
        group="ff66",
        image=tmp_path / "AffectNet" / "Manually_Annotated" / "Manually_Annotated_Images" / "2" / "ff66.bmp",
        split="train",
        box=(4, 4, 28, 28),
        expression=6,
        valence=-0.4,
        arousal=0.6,
        tags=("consistent",),
    )
    assert faces["training/3/ab12.jpg"].box is None
    assert all(face.image.is_file() for face in faces.values())


def test_one_base_name_in_two_folders_is_one_group(tmp_path):
    fakes.write_2017(tmp_path)
    faces, *_ = read(tmp_path)
    assert faces["training/1/aa11.jpg"].group == faces["training/3/aa11.jpg"].group == "aa11"
    assert len({face.group for face in faces.values()}) == len(faces) - 1


@pytest.mark.parametrize(
    ("code", "valence", "arousal", "expected"),
    [
        (8, 0.5, -0.5, (None, 0.5, -0.5)),
        (8, -2, 0.5, (None, None, 0.5)),
        (8, 0.5, "", (None, 0.5, None)),
        (3, -2, -2, (3, None, None)),
        (3, "", "NA", (3, None, None)),
        (3, "nan", "inf", (3, None, None)),
        (3, -1, 1, (3, -1, 1)),
        ("3.0", "0.5", "0.5", (3, 0.5, 0.5)),
        ("", 0.5, 0.5, (None, 0.5, 0.5)),
    ],
)
def test_each_label_is_masked_on_its_own(tmp_path, code, valence, arousal, expected):
    fakes.write_2017(tmp_path, [row("1/aa.jpg", code, valence, arousal)])
    faces, skips, notes = read(tmp_path)
    assert labels(faces["training/1/aa.jpg"]) == expected
    assert skips == {"annotated as no face": 1}
    assert not notes


@pytest.mark.parametrize(
    ("code", "valence", "arousal", "reason"),
    [
        (9, -2, -2, "annotated as uncertain"),
        (10, 0.5, 0.5, "annotated as no face"),
        (8, -2, -2, "annotated with neither class nor valence nor arousal"),
        ("", "", "", "neither class nor valence nor arousal can be read"),
        (11, 0.5, 0.5, "class is not in 0 to 10"),
        (-1, 0.5, 0.5, "class is not in 0 to 10"),
        (1.5, 0.5, 0.5, "class is not in 0 to 10"),
    ],
)
def test_what_has_no_label_or_no_legal_class_is_skipped(tmp_path, code, valence, arousal, reason):
    fakes.write_2017(tmp_path, [row("1/aa.jpg", code, valence, arousal)], validation=fakes.VALIDATION[:1])
    faces, skips, _ = read(tmp_path)
    assert list(faces) == ["validation/4/ba21.jpg"]
    assert skips == {reason: 1}


@pytest.mark.parametrize(("valence", "arousal"), [(1.2, 0.5), (-1.5, 0.5), (-3, 0.5), (100, 0.5)])
def test_a_number_outside_of_the_range_is_left_out_and_noted(tmp_path, valence, arousal):
    fakes.write_2017(tmp_path, [row("1/aa.jpg", 6, valence, arousal)])
    faces, _, notes = read(tmp_path)
    assert labels(faces["training/1/aa.jpg"]) == (6, None, 0.5)
    assert faces["training/1/aa.jpg"].tags == ()
    assert notes == {LEFT_OUT: 1}


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ("134,130,899,900", (134, 130, 1033, 1030)),
        ("134.0,130.0,899.0,900.0", (134, 130, 1033, 1030)),
        ("-3,-1,40,40", (-3, -1, 37, 39)),
        ("-1,-1,-1,-1", None),
        (",-1,-1,-1", None),
        (",,,", None),
        ("1,1,nan,20", None),
        ("1,1,0,20", None),
    ],
)
def test_a_face_without_a_box_is_the_whole_picture(tmp_path, box, expected):
    fakes.write_2017(tmp_path, [row("1/aa.jpg", 1, 0.5, 0.5, box=box)])
    faces, _, notes = read(tmp_path)
    assert faces["training/1/aa.jpg"].box == expected
    assert notes == ({} if expected else {WHOLE: 1})


def test_automatic_annotations_are_read_on_demand_into_train(tmp_path):
    fakes.write_2017(tmp_path)
    manual, *_ = read(tmp_path)
    both, *_ = read(tmp_path, automatic=True)
    added = {key: face for key, face in both.items() if key not in manual}
    assert {key: (face.split, labels(face), face.tags) for key, face in added.items()} == {
        "automatically_annotated/1/da41.jpg": ("train", (2, -0.5, -0.2), ("automatic", "consistent")),
        "automatically_annotated/1/db42.jpg": ("train", (1, 0.5, 0.2), ("automatic", "consistent")),
    }
    assert all(face.image.is_file() for face in added.values())
    assert {key: both[key] for key in manual} == manual


def test_the_folders_of_2021_by_hand(tmp_path):
    fakes.write_2021(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert list(faces) == [
        *(f"train_set/{number}" for number in (0, 2, 14, 20, 21, 22, 23, 24)),
        "val_set/0",
        "val_set/9",
        "val_set/5495",
    ]
    assert faces["train_set/2"] == Face(
        key="train_set/2",
        group="train_set/2",
        image=tmp_path / "AffectNet-8Labels" / "train_set" / "images" / "2.jpg",
        split="train",
        expression=4,
        valence=-0.0629113,
        arousal=0.532327,
        tags=("consistent",),
    )
    assert labels(faces["train_set/0"]) == (0, -0.176846, -0.0776398)
    assert labels(faces["val_set/5495"]) == (6, -0.3, 0.7)
    assert Counter(face.split for face in faces.values()) == {"train": 8, "validation": 3}
    assert not skips
    assert not notes


@pytest.mark.parametrize("dtype", [str, np.float64, np.float32, "S20", "shape"])
def test_scalars_are_read_whatever_their_type(tmp_path, dtype):
    values = [(5,), ("-0.5",), ("0.25",)] if dtype == "shape" else (5, "-0.5", "0.25")
    fakes.write_2021(tmp_path)
    fakes.write_face(tmp_path / "AffectNet-8Labels" / "train_set", 3, values, float if dtype == "shape" else dtype)
    faces, _, notes = read(tmp_path)
    assert labels(faces["train_set/3"]) == (5, -0.5, 0.25)
    assert not notes


@pytest.mark.parametrize("damage", ["gone", "empty", "text", "pickle", "long"])
def test_a_broken_array_costs_its_own_label_only(tmp_path, damage):
    fakes.write_2021(tmp_path)
    path = tmp_path / "AffectNet-8Labels" / "train_set" / "annotations" / "2_val.npy"
    path.unlink()
    if damage in ("empty", "text"):
        path.write_text("" if damage == "empty" else "0.5")
    elif damage != "gone":
        np.save(path, np.array(0.5, object) if damage == "pickle" else np.zeros(2), allow_pickle=True)
    faces, skips, notes = read(tmp_path)
    assert labels(faces["train_set/2"]) == (4, None, 0.532327)
    assert not skips
    assert notes == {"annotation file missing or unreadable": 1}


def test_a_picture_without_labels_and_other_files_make_no_face(tmp_path):
    fakes.write_2021(tmp_path)
    train = tmp_path / "AffectNet-8Labels" / "train_set"
    (train / "images" / "2.jpg").rename(train / "images" / "30.JPG")
    for name in (".DS_Store", "Thumbs.db"):
        (train / "images" / name).touch()
        (train / "annotations" / name).touch()
    faces, skips, notes = read(tmp_path)
    assert "train_set/30" not in faces
    assert faces["train_set/2"].image == train / "images" / "2.jpg", "counted as missing when it is read"
    assert skips == {"neither class nor valence nor arousal can be read": 1}
    assert notes == {"annotation file missing or unreadable": 1}


def test_missing_and_illegal_labels_of_2021_are_masked_too(tmp_path):
    train = tmp_path / "AffectNet-8Labels" / "train_set"
    fakes.write_2021(tmp_path)
    for number, values in enumerate([(1, "-2", "-2"), (8, "0.5", "0.5"), (9, "-2", "-2"), (1, "1.5", "0.5")], 40):
        fakes.write_face(train, number, values)
    faces, skips, notes = read(tmp_path)
    assert {key: labels(face) for key, face in faces.items() if key.startswith("train_set/4")} == {
        "train_set/40": (1, None, None),
        "train_set/41": (None, 0.5, 0.5),
        "train_set/43": (1, None, 0.5),
    }
    assert skips == {"annotated as uncertain": 1}
    assert notes == {LEFT_OUT: 1}


def test_two_releases_are_never_merged(tmp_path):
    fakes.write_2017(tmp_path)
    fakes.write_2021(tmp_path)
    with pytest.raises(UsageError, match="Choose with --edition 2017 or --edition 2021"):
        read(tmp_path)
    assert all(key.startswith(("training/", "validation/")) for key in read(tmp_path, edition="2017")[0])
    assert all(key.startswith(("train_set/", "val_set/")) for key in read(tmp_path, edition="2021")[0])


@pytest.mark.parametrize("write", [fakes.write_2017, fakes.write_2021])
def test_the_official_validation_can_be_the_test(tmp_path, write):
    write(tmp_path)
    faces, *_ = read(tmp_path)
    as_test, *_ = read(tmp_path, official_validation="test")
    renamed = {"train": "train", "validation": "test"}
    assert {key: face.split for key, face in as_test.items()} == {k: renamed[f.split] for k, f in faces.items()}


def test_published_counts():
    assert AffectNet().published["train/happiness"] == 134_415
    assert sum(count for name, count in AffectNet().published.items() if name.startswith("train/")) == 287_651
    assert AffectNet().published["validation/anger"] == 500
    assert "validation/contempt" not in AffectNet().published, "499 in 2021"
    assert set(AffectNet(official_validation="test", automatic=True).published) == {
        f"test/{name}" for name in ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
    }


@pytest.mark.parametrize(
    ("expression", "valence", "arousal", "consistent"),
    [
        ("NEUTRAL", 0.1, 0.1, True),
        ("NEUTRAL", 0.2, 0.0, False),
        ("HAPPINESS", 0.5, -0.5, True),
        ("HAPPINESS", 0.1, 0.1, False),
        ("HAPPINESS", -0.5, 0.5, False),
        ("SADNESS", -0.3, 0.0, True),
        ("SADNESS", 0.0, -0.5, False),
        ("SADNESS", -0.1, -0.1, False),
        ("SURPRISE", -0.5, 0.1, True),
        ("SURPRISE", 0.5, 0.0, False),
        ("FEAR", -0.5, 0.0, True),
        ("FEAR", 0.0, 0.5, True),
        ("FEAR", 0.1, 0.5, False),
        ("FEAR", -0.5, -0.1, False),
        ("DISGUST", -0.31, 0.0, True),
        ("DISGUST", -0.29, 0.0, False),
        ("DISGUST", 0.5, 0.5, False),
        ("ANGER", 0.1, 0.3, True),
        ("ANGER", -0.5, 0.0, False),
        ("CONTEMPT", -0.21, 0.0, True),
        ("CONTEMPT", 0.21, 0.0, False),
        ("CONTEMPT", -0.1, 0.1, False),
    ],
)
def test_consistency_follows_emonet(expression, valence, arousal, consistent):
    assert is_consistent(Expression[expression], valence, arousal) is consistent


def test_only_consistent_faces_carry_the_tag(tmp_path):
    fakes.write_2017(tmp_path)
    tagged = {key for key, face in read(tmp_path)[0].items() if face.tags == ("consistent",)}
    assert tagged == {
        *(f"training/{name}" for name in ("1/aa11.jpg", "1/bb22.PNG", "2/ff66.bmp", "3/aa11.jpg", "3/ac13.jpg")),
        "validation/4/ba21.jpg",
        "validation/4/bc23.jpg",
    }


def test_hostile_rows_are_counted(tmp_path):
    fakes.write_2017(tmp_path)
    lines = [
        row("../secret.jpg", 1, 0.5, 0.5),
        row("/etc/secret.jpg", 1, 0.5, 0.5),
        row("1/aa.jpg", 1, 0.5, 0.5),
        row("1/aa.jpg", 2, -0.5, -0.5),
        row("1\\ab.jpg", 1, 0.5, 0.5),
        "1/short.jpg,1,1",
    ]
    fakes.write_list(tmp_path / "Manually_Annotated_file_lists" / "training.csv", lines)
    faces, skips, _ = read(tmp_path)
    assert [key for key in faces if key.startswith("training")] == ["training/1/aa.jpg", "training/1/ab.jpg"]
    assert faces["training/1/aa.jpg"].expression == 1
    assert skips == {
        "path points outside the raw folder": 2,
        "picture listed before": 1,
        "neither class nor valence nor arousal can be read": 1,
        "annotated as no face": 1,
    }


@pytest.mark.parametrize("header", [True, False])
def test_a_byte_order_mark_and_windows_ends_of_lines_change_nothing(tmp_path, header):
    fakes.write_2017(tmp_path)
    path = tmp_path / "Manually_Annotated_file_lists" / "training.csv"
    fakes.write_list(path, fakes.TRAINING, header)
    expected = read(tmp_path)
    assert len(expected[0]) == 9
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(tmp_path) == expected


def test_a_missing_column_is_named(tmp_path):
    fakes.write_2017(tmp_path)
    path = tmp_path / "Manually_Annotated_file_lists" / "training.csv"
    path.write_text(path.read_text().replace("arousal", "arous"))
    with pytest.raises(UsageError, match=r"lacks the columns \['arousal'\]. Received: \['subDirectory_filePath'"):
        read(tmp_path)


def test_lists_and_pictures_may_lie_side_by_side(tmp_path):
    fakes.write_2017(tmp_path)
    images = tmp_path / "Manually_Annotated" / "Manually_Annotated_Images"
    (tmp_path / "zip").mkdir()
    images.rename(tmp_path / "zip" / "Manually_Annotated_Images")
    for name in ("training.csv", "validation.csv"):
        (tmp_path / "Manually_Annotated_file_lists" / name).rename(tmp_path / "zip" / name)
    faces, *_ = read(tmp_path / "zip")
    assert len(faces) == 9
    assert all(face.image.is_file() for face in faces.values())
    (tmp_path / "Automatically_annotated_file_list").rename(tmp_path / "zip" / "lists")
    with pytest.raises(RawFolderError, match="Automatically_Annotated_Images was not found"):
        read(tmp_path / "zip", automatic=True)


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(RawFolderError, match=r"training\.csv \(2017\) or train_set \(2021\) was not f"):
        read(tmp_path)
    fakes.write_2021(tmp_path / "2021")
    with pytest.raises(RawFolderError, match=r"training\.csv was not found"):
        read(tmp_path / "2021", edition="2017")
    with pytest.raises(RawFolderError, match="Automatically annotated faces belong to the release of 2017"):
        read(tmp_path / "2021", automatic=True)
    fakes.write_2017(tmp_path / "2017")
    with pytest.raises(RawFolderError, match="train_set was not found"):
        read(tmp_path / "2017", edition="2021")
    (tmp_path / "2017" / "Manually_Annotated_file_lists" / "validation.csv").unlink()
    with pytest.raises(RawFolderError, match=r"validation\.csv was not found") as error:
        read(tmp_path / "2017")
    assert "Manually_Annotated_Images/689/" in str(error.value)
    (tmp_path / "2021" / "AffectNet-8Labels" / "val_set" / "annotations").rename(tmp_path / "elsewhere")
    with pytest.raises(RawFolderError, match="val_set does not hold images and annotations"):
        read(tmp_path / "2021")
