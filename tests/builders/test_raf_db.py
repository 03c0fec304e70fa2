from collections import Counter

import pytest

from tests.fakes import raf_db as fakes
from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.raf_db import RafDb


def read(root, **options):
    """The faces by key, and the counts of skips and notes."""
    items = list(RafDb(**options).faces(root))
    faces = [item for item in items if isinstance(item, Face)]
    return (
        {face.key: face for face in faces},
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def test_a_photo_with_box_and_attributes_by_hand(tmp_path):
    fakes.write_original(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert faces["train_00001"] == Face(
        key="train_00001",
        group="train_00001",
        image=tmp_path / "RAF-DB" / "basic" / "Image" / "original" / "train_00001.jpg",
        split="train",
        box=(-2.5, 4.25, 44.75, 38.5),
        expression="2",
        sex="female",
        age="40-69",
        ethnicity="Asian",
    )
    assert len(faces) == 10
    assert not skips
    assert not notes


def test_the_codes_are_those_of_the_readme():
    assert RafDb.expressions == {
        "1": Expression.SURPRISE,
        "2": Expression.FEAR,
        "3": Expression.DISGUST,
        "4": Expression.HAPPINESS,
        "5": Expression.SADNESS,
        "6": Expression.ANGER,
        "7": Expression.NEUTRAL,
    }


def test_published_counts():
    published = RafDb.published
    assert len(published) == 16
    assert (published["train"], published["test"]) == (12_271, 3_068)
    assert (published["train/surprise"], published["train/neutral"]) == (1_290, 2_524)
    assert (published["test/fear"], published["test/happiness"]) == (74, 1_185)


def test_the_file_name_says_the_split_even_below_a_folder_called_train(tmp_path):
    fakes.write_original(tmp_path / "train")
    faces, *_ = read(tmp_path)
    assert Counter(face.split for face in faces.values()) == {"train": 8, "test": 2}
    assert [faces[key].expression for key in ("test_0001", "test_0002")] == ["7", "4"]


def test_aligned_faces_have_no_box_and_may_be_unpacked_into_themselves(tmp_path):
    fakes.write_aligned(tmp_path)
    faces, skips, _ = read(tmp_path)
    face = faces["train_00008"]
    assert face.image == tmp_path / "basic" / "Image" / "aligned" / "aligned" / "train_00008_aligned.jpg"
    assert (face.box, face.expression, face.sex, face.age, face.ethnicity) == (None, "2", "", "", "")
    assert len(faces) == 10
    assert not skips


def test_kaggle_has_the_same_faces_with_the_same_keys(tmp_path):
    fakes.write_kaggle(tmp_path / "kaggle" / "archive")
    fakes.write_aligned(tmp_path / "aligned")
    of_kaggle, of_owners = (read(tmp_path / layout)[0] for layout in ("kaggle", "aligned"))
    assert set(of_kaggle) == set(of_owners)
    for key, face in of_kaggle.items():
        assert face.image.is_file()
        for fact in ("group", "split", "expression", "box"):
            assert getattr(face, fact) == getattr(of_owners[key], fact)
    assert of_kaggle["test_0002"].image.parts[-4:] == ("DATASET", "test", "4", "test_0002_aligned.jpg")


@pytest.mark.parametrize(
    ("pictures", "folder", "boxed"),
    [("auto", "original", True), ("original", "original", True), ("aligned", "aligned", False)],
)
def test_photos_win_over_aligned_faces_unless_told(tmp_path, pictures, folder, boxed):
    fakes.write_original(tmp_path)
    fakes.write_aligned(tmp_path / "RAF-DB")
    faces, *_ = read(tmp_path, pictures=pictures)
    assert len(faces) == 10
    assert all(folder in face.image.parts and (face.box is not None) is boxed for face in faces.values())
    assert all(face.sex == "female" for face in faces.values())


def test_aligned_faces_serve_where_the_folder_of_photos_is_empty(tmp_path):
    fakes.write_aligned(tmp_path)
    for empty in ("Image/original", "Annotation/boundingbox"):
        (tmp_path / "basic" / empty).mkdir(parents=True)
    assert all("aligned" in face.image.parts for face in read(tmp_path)[0].values())
    with pytest.raises(RawFolderError, match="Image/original with Annotation/boundingbox was not found"):
        read(tmp_path, pictures="original")


def test_the_compound_expressions_are_never_read(tmp_path):
    fakes.write_original(tmp_path)
    raf_db = tmp_path / "RAF-DB"
    assert read(tmp_path)[0]["train_00002"].expression == "3", "5 in the list of the compound expressions"
    (raf_db / "basic").rename(raf_db / "later")
    assert read(tmp_path)[0]["train_00002"].expression == "3", "a folder not called basic, after compound"


def test_compound_expressions_alone_are_refused(tmp_path):
    fakes.write_original(tmp_path)
    raf_db = tmp_path / "RAF-DB"
    (raf_db / "basic").rename(tmp_path.parent / f"{tmp_path.name}_elsewhere")
    for root in (tmp_path, raf_db, raf_db / "compound"):
        with pytest.raises(RawFolderError, match="list_patition_label"):
            read(root)


def test_basic_itself_may_be_named_as_the_folder(tmp_path):
    fakes.write_original(tmp_path)
    assert len(read(tmp_path / "RAF-DB" / "basic")[0]) == 10


def test_windows_ends_of_lines_and_a_byte_order_mark_change_nothing(tmp_path):
    fakes.write_original(tmp_path)
    expected = read(tmp_path)
    path = tmp_path / "RAF-DB" / "basic" / "EmoLabel" / "list_patition_label.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert read(tmp_path) == expected


def test_hostile_rows_are_counted(tmp_path):
    rows = [
        ("train_00001.jpg", 5),
        ("train_00001.jpg", 4),
        ("train_00002.jpg", 8),
        ("train_00003.jpg", "nan"),
        ("../train_00004.jpg", 1),
        ("/etc/train_00005.jpg", 1),
        ("photo_6.jpg", 1),
        ("train_00007.jpg", ""),
    ]
    fakes.write_original(tmp_path)
    fakes.write_list(tmp_path / "RAF-DB" / "basic", rows)
    faces, skips, _ = read(tmp_path)
    assert {key: face.expression for key, face in faces.items()} == {"train_00001": "5"}
    assert skips == {
        "picture listed before": 1,
        "class is not in 1 to 7": 3,
        "path points outside the raw folder": 2,
        "file name starts with neither train_ nor test_": 1,
    }


@pytest.mark.parametrize(
    "text", [None, "", "8 8 32", "8 8 32 32 1", "8 8 nan 32", "8 8 32 inf", "left top right bottom"]
)
def test_a_face_without_a_usable_box_is_skipped(tmp_path, text):
    fakes.write_original(tmp_path)
    basic = tmp_path / "RAF-DB" / "basic"
    if text is None:
        (basic / "Annotation" / "boundingbox" / "train_00002_boundingbox.txt").unlink()
    else:
        fakes.write_annotation(basic, "boundingbox", "train_00002", text)
    faces, skips, _ = read(tmp_path)
    assert "train_00002" not in faces
    assert len(faces) == 9
    assert skips == {"box file missing or not four numbers": 1}


def test_attributes_that_cannot_be_read_cost_no_face(tmp_path):
    fakes.write_original(tmp_path)
    basic = tmp_path / "RAF-DB" / "basic"
    fakes.write_annotation(basic, "manual", "train_00001", fakes.attributes(2, 0, 4))
    fakes.write_annotation(basic, "manual", "train_00002", "1 2\n3 4\n")
    fakes.write_annotation(basic, "manual", "train_00003", fakes.attributes(0, 9, "?"))
    (basic / "Annotation" / "manual" / "train_00004_manu_attri.txt").unlink()
    faces, skips, notes = read(tmp_path)
    told = {key[-1]: (face.sex, face.ethnicity, face.age) for key, face in faces.items() if "train" in key}
    assert {key: told[key] for key in "1234"} == {
        "1": ("unsure", "Caucasian", "70+"),
        "2": ("", "", ""),
        "3": ("male", "", ""),
        "4": ("", "", ""),
    }
    assert len(faces) == 10
    assert not skips
    assert notes == {"attribute file missing or unreadable": 2}


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"Neither list_patition_label\.txt nor train_labels\.csv") as error:
        read(tmp_path)
    assert "basic/EmoLabel/list_patition_label.txt" in str(error.value)


def test_a_list_without_pictures_is_half_a_corpus(tmp_path):
    fakes.write_list(tmp_path / "basic", fakes.ROWS)
    with pytest.raises(RawFolderError, match="Neither photos with boxes nor aligned faces were found"):
        read(tmp_path)
    with pytest.raises(RawFolderError, match="No aligned faces were found"):
        read(tmp_path, pictures="aligned")


def test_half_of_the_kaggle_tables_is_refused(tmp_path):
    fakes.write_kaggle(tmp_path)
    with pytest.raises(RawFolderError, match="There are no photos"):
        read(tmp_path, pictures="original")
    (tmp_path / "test_labels.csv").unlink()
    with pytest.raises(RawFolderError, match=r"nor train_labels\.csv and test_labels\.csv"):
        read(tmp_path)


def test_kaggle_tables_with_another_header_are_refused_and_without_one_are_read(tmp_path):
    fakes.write_kaggle(tmp_path)
    table = tmp_path / "test_labels.csv"
    text = table.read_text()
    table.write_text(text.replace("image,label\n", ""))
    assert len(read(tmp_path)[0]) == 10
    table.write_text(text.replace("image,label", "image,emotion"))
    with pytest.raises(UsageError, match=r"lacks the columns \['label'\]. Received: \['image', 'emotion'\]"):
        read(tmp_path)


def test_hostile_kaggle_rows_are_counted(tmp_path):
    fakes.write_kaggle(tmp_path)
    with open(tmp_path / "train_labels.csv", "a") as table:
        table.write(
            "train_00001_aligned.jpg,2\n../../test/7/test_0001_aligned.jpg,7\ntrain_00009_aligned.jpg,..\nlast\n"
        )
    faces, skips, _ = read(tmp_path)
    assert len(faces) == 10
    assert skips == {
        "picture listed before": 1,
        "path points outside the raw folder": 1,
        "class is not in 1 to 7": 2,
    }
