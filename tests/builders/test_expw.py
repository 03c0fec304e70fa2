import os
from collections import Counter
from itertools import pairwise

import pytest

from tests.fakes import expw as fakes
from tfaffect.labels import Expression
from tfrecords_builders.base import Face, RawFolderError, Skip
from tfrecords_builders.expw import ExpW


def read(root, **options):
    """The faces in their order, and the counts of skips."""
    items = list(ExpW(**options).faces(root))
    faces = [item for item in items if isinstance(item, Face)]
    return faces, Counter(item.reason for item in items if isinstance(item, Skip))


def test_the_row_of_the_readme_by_hand(tmp_path):
    fakes.write_archive(tmp_path, [fakes.README_ROW])
    assert list(ExpW().faces(tmp_path)) == [
        Face(
            key="angry_actor_104.jpg/0/00001",
            group="angry_actor_104.jpg",
            image=tmp_path / "data" / "image" / "origin" / "angry_actor_104.jpg",
            box=(113, 28, 226, 141),  # given as top, left, right, bottom
            expression="0",
        )
    ]


def test_all_rows_by_hand(tmp_path):
    fakes.write_archive(tmp_path)
    faces, skips = read(tmp_path)
    assert [(face.key, face.expression, face.box) for face in faces] == [
        ("afraid_African_214.jpg/0/00008", "2", (30, 30, 30, 90)),  # no area: skipped with the picture at hand
        ("afraid_girl_2.jpg/0/00009", "2", (30, 30, 90, 90)),
        ("angry_actor_104.jpg/0/00001", "0", (113, 28, 226, 141)),
        ("disgust_woman_9.png/0/00007", "1", (0, 0, 50, 50)),
        ("happy two people_7.JPG/0/00002", "3", (10, 10, 60, 60)),
        ("happy two people_7.JPG/1/00005", "6", (80, -5, 160, 75)),
        ("sad_child_1.jpg/0/00003", "4", (20, 20, 70, 80)),
        ("surprised_man_3.jpg/0/00006", "5", (5, 5, 95, 95)),
    ]
    assert skips == {"row listed before": 1}
    assert all(face.image.is_file() and face.split is None and not face.detect for face in faces)


def test_the_codes_are_those_of_the_corpus_page():
    assert [ExpW.expressions[code] for code in "0123456"] == [
        Expression.ANGER,
        Expression.DISGUST,
        Expression.FEAR,
        Expression.HAPPINESS,
        Expression.SADNESS,
        Expression.SURPRISE,
        Expression.NEUTRAL,
    ]


def test_published_counts():
    total = ExpW.published["all"]
    assert total == 91_793
    assert sum(ExpW.published.values()) == 2 * total
    assert ExpW.published["all/fear"] == 1_088


def test_faces_of_one_photo_share_a_group_and_follow_each_other(tmp_path):
    fakes.write_archive(tmp_path)
    groups = [face.group for face in read(tmp_path)[0]]
    assert groups.count("happy two people_7.JPG") == 2
    changes = sum(first != second for first, second in pairwise(groups))
    assert changes == len(set(groups)) - 1


def test_a_face_labelled_twice_in_two_ways_keeps_both_rows(tmp_path):
    rows = ["a.jpg 0 1 2 30 40 70 3", "a.jpg 0 1 2 30 40 70 4"]
    fakes.write_archive(tmp_path, rows)
    faces, skips = read(tmp_path)
    assert [(face.key, face.expression) for face in faces] == [("a.jpg/0/00001", "3"), ("a.jpg/0/00002", "4")]
    assert not skips


@pytest.mark.parametrize(("least", "kept"), [(0.0, 4), (12.25, 3), (60, 2), (61, 2), (61.5, 1)])
def test_confidence_can_be_asked_for(tmp_path, least, kept):
    rows = [f"{number}.jpg 0 1 2 30 40 {sure} 3" for number, sure in enumerate([-3, 12.25, 61, 80.5])]
    fakes.write_archive(tmp_path, rows)
    faces, skips = read(tmp_path, min_confidence=least)
    assert len(faces) == kept
    assert skips["box below --min-confidence"] == 4 - kept


def test_nested_folders_give_the_same_faces(tmp_path):
    fakes.write_archive(tmp_path / "plain")
    fakes.write_nested(tmp_path / "a" / "b")
    plain, _ = read(tmp_path / "plain")
    nested, _ = read(tmp_path / "a")
    assert [face.key for face in nested] == [face.key for face in plain]
    assert all(face.image.is_file() and face.image.parts[-3:-1] == ("origin", "origin") for face in nested)


def test_windows_ends_of_lines_and_a_byte_order_mark_change_nothing(tmp_path):
    fakes.write_archive(tmp_path)
    expected = read(tmp_path)
    path = tmp_path / "data" / "label" / "label.lst"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert read(tmp_path) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("../secret.jpg 0 1 2 30 40 70 3", "path points outside the raw folder"),
        ("/etc/secret.jpg 0 1 2 30 40 70 3", "path points outside the raw folder"),
        ("a.jpg 0 1 2 30 40 70 7", "class is not in 0 to 6"),
        ("a.jpg 0 1 2 30 40 70 -1", "class is not in 0 to 6"),
        ("a.jpg 0 1 nan 30 40 70 3", "row is not a name, a face, a box, a confidence and a class"),
        ("a.jpg 0 1 2 inf 40 70 3", "row is not a name, a face, a box, a confidence and a class"),
        ("a.jpg 0 1 2 30 40 sure 3", "row is not a name, a face, a box, a confidence and a class"),
        ("a.jpg 1 2 30 40 70 3", "row is not a name, a face, a box, a confidence and a class"),
        ("a.jpg", "row is not a name, a face, a box, a confidence and a class"),
    ],
)
def test_hostile_rows_are_counted(tmp_path, row, reason):
    fakes.write_archive(tmp_path, [fakes.README_ROW])
    fakes.write_list(tmp_path, [row, fakes.README_ROW])
    faces, skips = read(tmp_path)
    assert [face.key for face in faces] == ["angry_actor_104.jpg/0/00002"]
    assert skips == {reason: 1}


def test_a_name_in_no_known_encoding_leads_to_its_file(tmp_path):
    name = os.fsdecode(b"triste_caf\xe9_1.jpg")
    fakes.write_archive(tmp_path, [fakes.README_ROW])
    fakes.write_list(tmp_path, [f"{name} 0 1 2 30 40 70 4"])
    folder = tmp_path / "data" / "image" / "origin"
    (folder / "angry_actor_104.jpg").rename(folder / name)
    (face,), _ = read(tmp_path)
    assert face.image.is_file()
    assert face.key == r"triste_caf\udce9_1.jpg/0/00001"
    assert face.group.encode() == rb"triste_caf\udce9_1.jpg"


def test_list_or_photos_missing_says_so(tmp_path):
    with pytest.raises(RawFolderError, match=r"label\.lst was not found") as error:
        read(tmp_path)
    assert "7z x origin.7z.001" in str(error.value)
    fakes.write_list(tmp_path)
    with pytest.raises(RawFolderError, match=r"origin was not found"):
        read(tmp_path)
