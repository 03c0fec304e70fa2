import json

import pytest

from tests.builders.test_folder import read, write
from tfrecords_builders.__main__ import main
from tfrecords_builders.annotations.video_table import facts, open_videos
from tfrecords_builders.attributes import SEXES, one_spelling

VIDEO = "a.mp4"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        *(("sex", spelling, sex) for sex, others in SEXES.items() for spelling in (sex, sex.title(), *others)),
        ("sex", "F", "female"),
        ("sex", "0", "0"),
        ("sex", "Other", "Other"),
        ("age", "34", "34"),
        ("age", "34.0", "34"),
        ("age", "34,5", "34.5"),
        ("age", "34 years", "34"),
        ("age", "34 Years old", "34"),
        ("age", "7yrs", "7"),
        ("age", "20-29", "20-29"),
        ("age", "1990", "1990"),
        ("age", "18 months", "18 months"),
        ("age", "Adult", "Adult"),
        ("ethnicity", "F", "F"),
        ("group", "34 years", "34 years"),
    ],
)
def test_spellings_by_hand(name, text, expected):
    assert one_spelling(name, text) == expected


def test_both_tables_of_users_have_one_spelling_of_a_person(tmp_path):
    write(tmp_path, "path,sex,age,ethnicity", ["a.jpg", "F", "34,5", "f"], ["b.jpg", "Woman", "34.5 years", "f"])
    assert {(face.sex, face.age, face.ethnicity) for face in read(tmp_path)[0].values()} == {("female", "34.5", "f")}
    table = tmp_path / "videos.csv"
    table.write_text(f"path,class,sex,age\n{VIDEO},fear,m,20 years\n{VIDEO},fear,Male,20\n")
    rows = list(open_videos(table).rows())
    assert facts(VIDEO, rows) == {"group": VIDEO, "sex": "male", "age": "20"}, "the two rows do not disagree"


def test_the_report_lists_the_values(tmp_path, capsys):
    sexes = ["F", "female", "M", "?"] + ["m"] * 8
    rows = [[f"{n}.jpg", "fear", sex, f"{20 + n} years"] for n, sex in enumerate(sexes)]
    write(tmp_path / "raw", "path,class,sex,age", *rows)
    main(["folder", "--raw", str(tmp_path / "raw"), "--records", str(tmp_path / "records")])
    report = json.loads((tmp_path / "records" / "folder" / "1.0.0" / "build_report.json").read_text())
    assert report["attributes"] == {
        "sex": {"male": 9, "female": 2, "?": 1},
        "age": {str(20 + number): 1 for number in range(12)},
    }
    shown = " ".join(capsys.readouterr().out.split())
    assert "male 9, female 2, ? 1" in shown
    assert "and 2 more" in shown
