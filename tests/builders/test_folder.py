import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes import folder as fakes
from tfaffect.errors import UsageError
from tfaffect.labels import CLASS_OF_WORD, CLASSES, SPLITS
from tfrecords_builders.__main__ import main
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare
from tfrecords_builders.raw_files import path_below

NO_BOXES = "no boxes: the complete picture is the face; add --detect for photos"
NO_GROUP = "no column group: a picture is a group, so the same person may be in several splits"


def read(root, **options):
    """The faces by key, and the counts of skips and notes."""
    items = list(Folder(**options).faces(root))
    faces = [item for item in items if isinstance(item, Face)]
    assert len({face.key for face in faces}) == len(faces)
    return (
        {face.key: face for face in faces},
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def write(root, columns, *rows):
    fakes.write_table(root, columns.split(","), [list(row) for row in rows])


def test_a_table_by_hand(tmp_path):
    fakes.write_labels(tmp_path)
    assert list(Folder().faces(tmp_path)) == [
        Note(NO_BOXES),
        Face(
            key="anna/1.jpg",
            group="anna",
            image=tmp_path / "anna" / "1.jpg",
            expression="happiness",
            valence=0.8,
            arousal=0.4,
        ),
        Face(key="anna/2.jpg", group="anna", image=tmp_path / "anna" / "2.jpg", expression="neutral"),
        Face(key="ben/1.png", group="ben", image=tmp_path / "ben" / "1.png", valence=-0.5, arousal=0.25),
        Face(key="cleo/1.jpg", group="cleo", image=tmp_path / "cleo" / "1.jpg"),
        Face(key="dora/1.jpg", group="dora", image=tmp_path / "dora" / "1.jpg", expression="anger", arousal=0.875),
        Face(key="emil/1.jpg", group="emil/1.jpg", image=tmp_path / "emil" / "1.jpg", expression="contempt"),
    ]


def test_splits_boxes_and_all_other_columns_by_hand(tmp_path):
    fakes.write_splits_and_boxes(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert faces["a.jpg"] == Face(
        key="a.jpg",
        group="a.jpg",
        image=tmp_path / "mine" / "a.jpg",
        split="train",
        box=(4, 4, 30, 30),
        expression="fear",
        sex="female",
        age="30",
        ethnicity="x",
        tags=("glasses", "outdoors"),
    )
    assert {key: (face.group, face.split, face.box) for key, face in faces.items()} == {
        "a.jpg": ("a.jpg", "train", (4, 4, 30, 30)),
        "a.jpg#2": ("a.jpg", "train", (34, 4, 60.5, 30)),
        "b.jpg": ("b.jpg", "validation", None),
        "c.jpg": ("c.jpg", "test", (0, 0, 64, 64)),
    }
    assert not skips
    assert notes == {NO_GROUP: 1}


def test_a_path_alone_is_enough_and_makes_unlabelled_faces(tmp_path):
    write(tmp_path, "path", ["b.jpg"], ["a.jpg"])
    faces, *_ = read(tmp_path)
    assert [(face.key, face.group, face.expression, face.valence, face.split) for face in faces.values()] == [
        ("a.jpg", "a.jpg", None, None, None),
        ("b.jpg", "b.jpg", None, None, None),
    ]


def test_faces_are_found_on_demand_where_no_box_is_given(tmp_path):
    fakes.write_splits_and_boxes(tmp_path)
    assert not any(face.detect for face in read(tmp_path)[0].values())
    detect = {key: face.detect for key, face in read(tmp_path, detect=True)[0].items()}
    assert detect == {"a.jpg": False, "a.jpg#2": False, "b.jpg": True, "c.jpg": False}


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_known_in_any_case(tmp_path, name):
    write(tmp_path, "path,class", ["a.jpg", name.upper()])
    assert Folder.expressions[read(tmp_path)[0]["a.jpg"].expression] == CLASSES.index(name)


def test_an_unknown_class_names_row_and_classes(tmp_path):
    write(tmp_path, "path,class", ["b.jpg", "fear"], ["a.jpg", "bored"])
    with pytest.raises(UsageError, match=r"Row 3 of .*class must be one of neutral, .*contempt\. Received: 'bored'"):
        read(tmp_path)


def test_another_range_of_affect_is_rescaled(tmp_path):
    write(tmp_path, "path,valence,arousal", ["a.jpg", 1, 9], ["b.jpg", 5, ""], ["c.jpg", 7, 2])
    faces, *_ = read(tmp_path, affect_low=1, affect_high=9)
    assert [(face.valence, face.arousal) for face in faces.values()] == [(-1, 1), (0, None), (0.5, -0.75)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1.5", r"Row 2 of .*valence must be in \[-1, 1\].*--affect-low and --affect-high. Received: '1.5'"),
        ("-2", r"valence must be in \[-1, 1\]"),
        ("inf", "valence must be a number. Received: 'inf'"),
        ("0,5", "valence must be a number. Received: '0,5'"),
        ("high", "valence must be a number. Received: 'high'"),
    ],
)
def test_affect_that_cannot_be_used_stops_the_build(tmp_path, value, message):
    write(tmp_path, "path,valence", ["a.jpg", value])
    with pytest.raises(UsageError, match=message):
        read(tmp_path)


def test_an_empty_range_of_affect_is_refused(tmp_path):
    fakes.write_labels(tmp_path)
    with pytest.raises(UsageError, match="Received: --affect-low 1 --affect-high 1"):
        read(tmp_path, affect_low=1)


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "None", "null", "  "])
def test_cells_may_say_in_many_ways_that_nothing_is_known(tmp_path, cell):
    columns = "path,class,valence,arousal,group,split,left,top,right,bottom,sex,age,ethnicity,tags"
    write(tmp_path, columns, ["a.jpg", *[cell] * 13])
    assert read(tmp_path)[0] == {"a.jpg": Face(key="a.jpg", group="a.jpg", image=tmp_path / "a.jpg")}


def test_a_split_is_given_for_all_or_none(tmp_path):
    write(tmp_path, "path,split", ["a.jpg", "train"], ["b.jpg", ""], ["c.jpg", "test"])
    with pytest.raises(UsageError, match="a split for 2 of 3 rows"):
        read(tmp_path)


def test_an_unknown_split_is_named(tmp_path):
    write(tmp_path, "path,split", ["a.jpg", "dev"])
    with pytest.raises(UsageError, match=r"split must be one of train, validation, test\. Received: 'dev'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("columns", "cells"), [("left,top,right,bottom", [1, 2, 30, ""]), ("left,top,right", [1, 2, 3])]
)
def test_half_a_box_is_refused(tmp_path, columns, cells):
    write(tmp_path, f"path,{columns}", ["a.jpg", *cells])
    with pytest.raises(UsageError, match="bottom must be a number, because the other sides of the box are given"):
        read(tmp_path)


def test_a_box_may_be_given_by_corner_and_size(tmp_path):
    write(tmp_path, "path,X,y,w,h", ["a.jpg", 4, 5, 30, 20.5], ["b.jpg", "", "", "", ""])
    faces, _, notes = read(tmp_path)
    assert {key: face.box for key, face in faces.items()} == {"a.jpg": (4, 5, 34, 25.5), "b.jpg": None}
    assert set(notes) == {
        "columns x, y, w, h are read as the box: left, top, width and height in pixels",
        "table without class, valence and arousal: faces have no labels",
        NO_GROUP,
    }
    write(tmp_path, "path,x,y,w,h", ["a.jpg", 4, 5, "", 20])
    with pytest.raises(UsageError, match="w must be a number, because the other sides of the box are given"):
        read(tmp_path)
    write(tmp_path, "path,x,y,w,h,left,top,right,bottom", ["a.jpg", 1, 1, 1, 1, 2, 3, 40, 50])
    faces, _, notes = read(tmp_path)
    assert faces["a.jpg"].box == (2, 3, 40, 50)
    assert {f"column not read: {name}" for name in "xywh"} <= set(notes)
    write(tmp_path, "path,x,y,w", ["a.jpg", 1, 1, 1])
    assert {f"column not read: {name}" for name in "xyw"} <= set(read(tmp_path)[2])


def test_a_split_whose_rows_are_all_skipped_is_said(tmp_path):
    write(tmp_path, "path,split", ["a.jpg", "train"], ["", "test"], ["../c.jpg", "test"], ["", "train"])
    _, skips, notes = read(tmp_path)
    assert skips.total() == 3
    assert [note for note in notes if "split:" in note] == [
        "there is no test split: all rows that name it were skipped (2)"
    ]


def test_a_build_that_fails_names_the_missing_pictures(tmp_path):
    write(tmp_path, "path,class,group", ["gone.jpg", "fear", 1], ["b.jpg", "fear", 1], ["c.jpg", "fear", 1])
    (tmp_path / "gone.jpg").unlink()
    with pytest.raises(UsageError, match=r"1 of 3 annotations(?s:.*)Notes:\n(?s:.*)1  pictures not found: gone\.jpg"):
        prepare(Folder(), tmp_path, tmp_path / "records")


def test_rows_that_repeat_a_face_are_skipped_however_the_path_is_written(tmp_path):
    write(tmp_path, "path,class", ["sub/a.jpg", "fear"], ["./sub/a.jpg", "anger"], ["sub\\a.jpg", "fear"])
    (tmp_path / "sub\\a.jpg").unlink()
    faces, skips, _ = read(tmp_path)
    assert list(faces) == ["sub/a.jpg"]
    assert skips == {"picture and box listed before": 2}


def test_hostile_paths_are_counted(tmp_path):
    write(
        tmp_path, "class,path", ["fear", "../a.jpg"], ["fear", "/etc/a.jpg"], ["fear", ""], ["fear"], ["fear", "b.jpg"]
    )
    faces, skips, _ = read(tmp_path)
    assert list(faces) == ["b.jpg"]
    assert skips == {"path points outside the raw folder": 2, "row without a path": 2}


def test_columns_that_are_not_read_are_noted(tmp_path):
    write(tmp_path, "path,Class,valance,remark", ["a.jpg", "fear", 0.5, "x"])
    faces, _, notes = read(tmp_path)
    assert faces["a.jpg"].expression == "fear"
    assert notes == {"column not read: remark": 1, "column not read: valance": 1, NO_BOXES: 1, NO_GROUP: 1}


def test_a_table_without_paths_is_refused(tmp_path):
    write(tmp_path, "photo,class", ["a.jpg", "fear"])
    with pytest.raises(UsageError, match=r"lacks the columns \['path'\]. Received: \['photo', 'class'\]"):
        read(tmp_path)


def test_the_table_may_have_another_name_or_lie_deeper_but_must_be_the_only_one(tmp_path):
    fakes.write_table(tmp_path / "a", ["path"], [["x.jpg"]], name="faces.csv")
    with pytest.raises(RawFolderError, match=r"labels\.csv was not found") as error:
        read(tmp_path)
    assert "DIR/labels.csv" in str(error.value)
    assert read(tmp_path, table="faces.csv")[0]["x.jpg"].image.is_file()
    assert read(tmp_path, table="a/faces.csv")[0]["x.jpg"].image.is_file()
    fakes.write_table(tmp_path / "b", ["path"], [["y.jpg"]], name="faces.csv")
    with pytest.raises(UsageError, match=r"must hold one faces\.csv. Received: .*a/faces\.csv, .*b/faces\.csv"):
        read(tmp_path, table="faces.csv")
    fakes.write_table(tmp_path, ["path"], [["z.jpg"]], name="faces.csv")
    assert list(read(tmp_path, table="faces.csv")[0]) == ["z.jpg"]


def test_the_records_have_what_the_table_says(tmp_path):
    fakes.write_splits_and_boxes(tmp_path)
    report = prepare(Folder(), tmp_path, tmp_path / "records")
    assert {split: facts["records"] for split, facts in report["splits"].items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    assert report["splits"]["train"]["tags"] == {"glasses": 1, "outdoors": 1}
    assert report["splits"]["test"]["expression"]["disgust"] == 1


@pytest.mark.parametrize(("word", "name"), CLASS_OF_WORD.items())
def test_every_word_for_a_class_is_known_in_any_case(tmp_path, word, name):
    write(tmp_path, "path,class", ["a.jpg", word], ["b.jpg", word.title()], ["c.jpg", f" {word.upper()} "])
    assert {face.expression for face in read(tmp_path)[0].values()} == {name}
    assert re.search(rf"\b{word}\b", Folder.instructions), "the help lists every word"


def test_the_words_are_those_that_tables_and_folders_have():
    alone = {"happy", "joy", "sad", "surprised", "fearful", "afraid", "disgusted", "angry", "contemptuous"}
    assert set(CLASS_OF_WORD) == {*CLASSES, *alone}
    assert CLASS_OF_WORD["afraid"] == CLASS_OF_WORD["fearful"] == "fear"


@pytest.mark.parametrize("column", ["label", "Emotion", "EXPRESSION"])
def test_another_name_stands_for_class_and_is_said(tmp_path, column):
    write(tmp_path, f"path,{column}", ["a.jpg", "sad"])
    faces, _, notes = read(tmp_path)
    assert faces["a.jpg"].expression == "sadness"
    assert notes == {f"column {column!r} is read as class": 1, NO_BOXES: 1, NO_GROUP: 1}


def test_class_itself_comes_before_other_names(tmp_path):
    write(tmp_path, "path,emotion,label,class", ["a.jpg", "x", "3", "fear"])
    faces, _, notes = read(tmp_path)
    assert faces["a.jpg"].expression == "fear"
    assert notes == {"column not read: emotion": 1, "column not read: label": 1, NO_BOXES: 1, NO_GROUP: 1}


def test_two_columns_that_may_be_the_class_are_an_error_that_names_both(tmp_path):
    write(tmp_path, "path,Label,emotion", ["a.jpg", "3", "fear"])
    with pytest.raises(UsageError, match=r"has the columns 'Label' and 'emotion'\. Only one column may be class"):
        read(tmp_path)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path, "path,Valence,valence", ["a.jpg", 0.5, 0.7])
    with pytest.raises(UsageError, match=r"several columns with the same name: \['valence'\]"):
        read(tmp_path)


@pytest.mark.parametrize("code", ["3", "3.0", "0", "-1"])
def test_codes_are_never_guessed(tmp_path, code):
    write(tmp_path, "path,label", ["a.jpg", code])
    with pytest.raises(UsageError, match=rf"Row 2 of .*none is guessed.*--classes .*Received: '{code}'"):
        read(tmp_path)


def test_codes_are_read_in_the_order_that_classes_states(tmp_path):
    rows = [["a.jpg", 0], ["b.jpg", "1.0"], ["c.jpg", "2"], ["d.jpg", "Happy"], ["e.jpg", ""], ["f.jpg", 3]]
    write(tmp_path, "path,label", *rows)
    faces, *_ = read(tmp_path, classes=["Angry", "none", "neutral", "fear"])
    expected = {
        "a.jpg": "anger",
        "b.jpg": None,
        "c.jpg": "neutral",
        "d.jpg": "happiness",
        "e.jpg": None,
        "f.jpg": "fear",
    }
    assert {key: face.expression for key, face in faces.items()} == expected


@pytest.mark.parametrize("code", ["2", "-1", "0.5", "7"])
def test_a_code_that_classes_does_not_name_is_refused(tmp_path, code):
    write(tmp_path, "path,label", ["a.jpg", code])
    with pytest.raises(UsageError, match=rf"class must be a code from 0 to 1, .*none.* Received: '{code}'"):
        read(tmp_path, classes=["neutral", "happiness"])


def test_classes_that_are_none_are_refused(tmp_path):
    write(tmp_path, "path,label", ["a.jpg", "0"])
    with pytest.raises(UsageError, match=r"--classes must name the classes .*contempt, none\. Received: \['bored'\]"):
        read(tmp_path, classes=["neutral", "bored"])


def test_classes_are_an_option_of_the_command(tmp_path):
    write(tmp_path / "raw", "path,label", *([f"{number}.jpg", number % 2] for number in range(10)))
    words = ["--raw", str(tmp_path / "raw"), "--records", str(tmp_path / "records"), "--classes", "sad", "angry"]
    main(["folder", *words])
    report = json.loads((tmp_path / "records" / "folder" / "1.0.0" / "build_report.json").read_text())
    assert report["options"]["classes"] == ["sad", "angry"]
    counts = [split["expression"] for split in report["splits"].values()]
    assert [sum(split[name] for split in counts) for name in ("sadness", "anger")] == [5, 5]
    assert report["notes"] == {"column 'label' is read as class": 1, NO_BOXES: 1, NO_GROUP: 1}


def test_a_table_without_labels_says_so(tmp_path):
    write(tmp_path, "path,group,remark", ["a.jpg", "1", "x"])
    assert "table without class, valence and arousal: faces have no labels" in read(tmp_path)[2]
    write(tmp_path, "path,emotion_id", ["a.jpg", "1"])
    (note,) = (note for note in read(tmp_path)[2] if note.startswith("table"))
    assert note.endswith("faces have no labels; is column 'emotion_id' the class?")
    write(tmp_path, "path,arousal", ["a.jpg", "0.5"])
    assert read(tmp_path)[2] == {NO_BOXES: 1, NO_GROUP: 1}


def test_a_table_without_labels_names_the_column_with_class_words(tmp_path):
    write(tmp_path, "path,group,Feeling,mood", ["a.jpg", "sad", "Happy", "sad"], ["b.jpg", "", "NA", "so-so"])
    with pytest.raises(UsageError, match=r"no column class, valence or arousal\. Column 'feeling' has class words"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".xlsx"])
def test_the_table_may_be_of_another_kind_without_an_option(tmp_path, suffix):
    if suffix == ".xlsx":
        fakes.write_workbook(tmp_path)
    else:
        fakes.write_table(tmp_path, fakes.COLUMNS, fakes.ROWS, name=f"labels{suffix}", delimiter="\t")
    assert len(read(tmp_path)[0]) == len(fakes.ROWS)
    fakes.write_table(tmp_path, ["path"], [["c.jpg"]])
    faces, _, notes = read(tmp_path)
    assert list(faces) == ["c.jpg"], "labels.csv comes first"
    other = f"labels{suffix}"
    assert notes[f"{other} is there too and is not read; choose it with --table {other}"] == 1
    faces, _, notes = read(tmp_path, table=other)
    assert len(faces) == len(fakes.ROWS)
    assert not any("is there too" in note for note in notes), "the user chose"


def test_two_tables_of_other_kinds_are_an_error_that_names_both(tmp_path):
    for name in ("labels.tsv", "labels.txt"):
        fakes.write_table(tmp_path, ["path"], [["a.jpg"]], name=name)
    with pytest.raises(UsageError, match=r"must hold one labels\.csv\. Received: .*labels\.tsv, .*labels\.txt"):
        read(tmp_path)


def test_every_other_table_beside_the_table_is_named_in_any_case_of_letters(tmp_path):
    write(tmp_path / "mine", "path", ["a.jpg"])
    for name in ("Labels.XLSX", "labels.txt", "labels.json", "other.csv"):
        (tmp_path / "mine" / name).touch()
    (tmp_path / "mine" / "labels.tsv").mkdir()
    assert [note for note in read(tmp_path)[2] if "too" in note] == [
        "Labels.XLSX is there too and is not read; choose it with --table Labels.XLSX",
        "labels.txt is there too and is not read; choose it with --table labels.txt",
    ]


def test_pictures_without_any_box_are_said_once(tmp_path):
    write(tmp_path, "path,group", ["a.jpg", 1], ["b.jpg", 2])
    assert read(tmp_path)[2][NO_BOXES] == 1
    assert NO_BOXES not in read(tmp_path, detect=True)[2]
    columns = "path,left,top,right,bottom"
    write(tmp_path, columns, ["a.jpg", "", "", "", ""], ["b.jpg", "", "", "", ""])
    assert read(tmp_path)[2][NO_BOXES] == 1, "empty columns are as good as none"
    write(tmp_path, columns, ["a.jpg", 1, 2, 30, 40], ["b.jpg", "", "", "", ""])
    assert NO_BOXES not in read(tmp_path)[2]


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        (["a/1.jpg"], "pictures not found: a/1.jpg"),
        (["c.jpg", "a/1.jpg", "b.jpg"], "pictures not found: a/1.jpg, b.jpg, c.jpg"),
        (["c.jpg", "a/1.jpg", "b.jpg", "d.jpg", "e.jpg"], "pictures not found: a/1.jpg, b.jpg, c.jpg and 2 more"),
    ],
)
def test_the_first_missing_pictures_are_named(tmp_path, missing, note):
    rows = [[name, 1, 1, 30, 30] for name in ("a/0.jpg", *missing)]
    write(tmp_path, "path,left,top,right,bottom", *rows, [missing[0], 2, 2, 30, 30])
    assert not any(found.startswith("pictures not found") for found in read(tmp_path)[2])
    for name in missing:
        (tmp_path / name).unlink()
    (tmp_path / missing[0]).mkdir()  # a folder is no picture
    faces, _, notes = read(tmp_path)
    assert len(faces) == len(missing) + 2, "they stay annotated, and the build counts them as skipped"
    assert [found for found in notes if found.startswith("pictures not found")] == [note]


def test_missing_pictures_are_named_on_screen_and_in_the_report(tmp_path, capsys):
    rows = [[f"{number}.jpg", "fear", split] for number, split in enumerate(SPLITS)]
    write(tmp_path / "raw", "path,class,split", *rows, ["x.jpg", "fear", "train"])
    (tmp_path / "raw" / "x.jpg").unlink()
    main(["folder", "--raw", str(tmp_path / "raw"), "--records", str(tmp_path / "records"), "--max-skipped", "0.3"])
    assert "pictures not found: x.jpg" in capsys.readouterr().out
    report = json.loads((tmp_path / "records" / "folder" / "1.0.0" / "build_report.json").read_text())
    assert report["notes"] == {NO_GROUP: 1, NO_BOXES: 1, "pictures not found: x.jpg": 1}
    assert report["skipped"] == {"picture file missing or unreadable": 1}


@pytest.mark.parametrize(
    ("columns", "likely"),
    [
        ("Subject", "subject"),
        ("id,PERSON_ID", "person_id"),
        ("participantID", "participantid"),
        ("Proband Nr", "proband nr"),
        ("speaker1", "speaker1"),
        ("Actors", "actors"),
        ("ID", "id"),
        ("image_id,factor,personality,video,valid,sex", None),
    ],
)
def test_a_missing_group_is_noted_with_the_column_that_may_be_it(tmp_path, columns, likely):
    write(tmp_path, f"path,class,{columns}", ["a.jpg", "fear"])
    hint = f"; is column {likely!r} the group?" if likely else ""
    assert [note for note in read(tmp_path)[2] if "group" in note] == [f"{NO_GROUP}{hint}"]
    write(tmp_path, f"path,class,group,{columns}", ["a.jpg", "fear"])
    assert not any("group" in note for note in read(tmp_path)[2])


def test_an_absolute_path_inside_the_raw_folder_is_the_path_below_it(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    (tmp_path / "link").symlink_to(raw, target_is_directory=True)
    write(raw, "path,class", [f"{raw}/sub/a.jpg", "fear"], [f" {tmp_path}/link/b.jpg", "anger"], ["sub/a.jpg", "fear"])
    monkeypatch.chdir(tmp_path)
    for root in (raw, tmp_path / "link", Path("raw"), Path("link")):
        faces, skips, _ = read(root)
        assert {key: face.image for key, face in faces.items()} == {
            "b.jpg": root / "b.jpg",
            "sub/a.jpg": root / "sub" / "a.jpg",
        }
        assert skips == {"picture and box listed before": 1}


def test_an_absolute_path_outside_the_raw_folder_stays_refused(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (tmp_path / "raw2").mkdir()
    (raw / "out").symlink_to(tmp_path / "raw2", target_is_directory=True)
    (raw / "loop").symlink_to(raw / "loop")
    outside = ["/", "/etc/a.jpg", f"{raw}2/a.jpg", f"{raw}/out/a.jpg", f"{raw}/../raw2/a.jpg", f"{raw}/../raw/a.jpg"]
    for name in [*outside, f"{raw}/\0", f"{raw}/\ud800", f"{tmp_path}", "C:/a.jpg", "C:\\a.jpg"]:
        assert path_below(raw, name) is None, name
    assert path_below(raw, f"{raw}/a.jpg") == raw / "a.jpg"
    assert path_below(raw, f"{raw}/loop") == raw / "loop"
    assert path_below(raw, f"{raw}\\sub\\a.jpg") == raw / "sub" / "a.jpg"
    assert path_below(raw, f"{raw}/{'n' * 5000}") == raw / ("n" * 5000)


def test_a_file_outside_with_a_backslash_in_its_name_is_not_read(tmp_path):
    raw = tmp_path / "raw"
    write(raw, "path", [f"{raw}\\a.jpg"])
    fakes.picture(tmp_path / "raw\\a.jpg", 0)
    (face,) = read(raw)[0].values()
    assert face.image == raw / "a.jpg"
