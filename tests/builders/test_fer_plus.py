from collections import Counter

import numpy as np
import pytest

from tests.fakes.fer_plus import pixels, votes, write_fer_plus_folders, write_fer_plus_tables
from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.fer_plus import FerPlus
from tfrecords_builders.prepare import prepare

ROWS = [
    ("Training", "fer0000000.png", votes(neutral=4, sadness=1, anger=3, disgust=2), pixels(0)),
    ("Training", "fer0000001.png", votes(happiness=10), pixels(1)),
    ("Training", "", votes(NF=10), pixels(2)),
    ("Training", "fer0000002.png", votes(surprise=5, fear=5), pixels(3)),
    ("Training", "fer0000003.png", votes(unknown=6, anger=4), pixels(4)),
    ("Training", "fer0000002.png", votes(contempt=9), pixels(5)),
    ("PublicTest", "fer0028638.png", votes(disgust=8, fear=1, unknown=1), pixels(1)),
    ("PrivateTest", "fer0032220.png", votes(anger=10), pixels(6)),
]


def read(root):
    """The faces by key, and the counts of skips and notes."""
    items = list(FerPlus().faces(root))
    faces = {item.key: item for item in items if isinstance(item, Face)}
    return (
        faces,
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def test_tables_by_hand(tmp_path):
    write_fer_plus_tables(tmp_path / "fer2013", ROWS)
    faces, skips, notes = read(tmp_path)
    assert list(faces) == [
        "00000_fer0000000",
        "00001_fer0000001",
        "00003_fer0000002",
        "00005_fer0000002",
        "00006_fer0028638",
        "00007_fer0032220",
    ]
    assert sum(skips.values()) == 2
    assert notes == {"image name listed before": 1, "votes sum to 9": 1}
    assert [face.split for face in faces.values()] == ["train"] * 4 + ["validation", "test"]
    first = faces["00000_fer0000000"]
    assert {name: count for name, count in first.expression.items() if count} == {
        "neutral": 4,
        "sadness": 1,
        "anger": 3,
        "disgust": 2,
    }
    assert np.array_equal(first.image()[..., 0], pixels(0))
    assert first.image().shape == (48, 48, 3)


def test_protocols_by_hand(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS)
    tags = {key[:5]: set(face.tags) for key, face in read(tmp_path)[0].items()}
    assert tags == {
        "00000": {"plurality"},  # without the single vote 4 of 9: no majority
        "00001": {"plurality", "strict"},
        "00003": {"plurality", "tied"},
        "00005": {"plurality", "strict"},
        "00006": {"plurality", "strict"},
        "00007": {"plurality", "strict"},
    }


def test_classes_are_in_our_order_and_votes_over_eight(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS)
    report = prepare(FerPlus(), tmp_path, tmp_path / "records", max_skipped=0.5)
    train = {name: mass for name, mass in report["splits"]["train"]["expression"].items() if mass}
    # row 1 has a twin in validation and is gone
    assert train == {
        "neutral": 0.4,
        "sadness": 0.1,
        "surprise": 0.5,
        "fear": 0.5,
        "disgust": 0.2,
        "anger": 0.3,
        "contempt": 1.0,
    }
    validation = {name: mass for name, mass in report["splits"]["validation"]["expression"].items() if mass}
    assert validation == {"disgust": pytest.approx(8 / 9, abs=1e-3), "fear": pytest.approx(1 / 9, abs=1e-3)}


def test_the_protocol_alone_never_fails_a_build(tmp_path):
    nameless = [("Training", "", votes(NF=10), pixels(100 + n)) for n in range(9)]
    unknown = [("Training", f"fer9{n:06d}.png", votes(unknown=10), pixels(200 + n)) for n in range(9)]
    write_fer_plus_tables(tmp_path, [*ROWS[:2], *nameless, *unknown, *ROWS[6:]])
    report = prepare(FerPlus(), tmp_path, tmp_path / "records", max_skipped=0)
    assert (
        report["decisions"]
        == report["skipped"]
        == {
            "no image name (all of these have ten votes for NF)": 9,
            "most votes are for unknown or NF": 9,
            "same picture or group is also in a later split": 1,
        }
    )


def test_pixel_twins_share_a_group_and_stay_in_the_later_split(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS)
    faces, *_ = read(tmp_path)
    assert faces["00001_fer0000001"].group == faces["00006_fer0028638"].group
    assert len({face.group for face in faces.values()}) == 5
    report = prepare(FerPlus(), tmp_path, tmp_path / "records", max_skipped=0.5)
    assert report["splits"]["train"]["annotated_tags"]["twin"] == 1
    assert "twin" not in report["splits"]["train"]["tags"]
    assert report["splits"]["validation"]["tags"]["twin"] == 1


@pytest.mark.parametrize("header", [("emotion", " Usage", " pixels"), ("pixels", "emotion", "Usage")])
def test_columns_go_by_name(tmp_path, header):
    write_fer_plus_tables(tmp_path, ROWS, header=header)
    (tmp_path / "fer2013.csv").rename(tmp_path / "icml_face_data.csv")
    assert len(read(tmp_path)[0]) == 6


def test_folders_of_the_official_script_give_the_same_faces(tmp_path):
    rows = [row for row in ROWS if row[1] and row[1] != "fer0000002.png"]
    write_fer_plus_folders(tmp_path / "folders", rows)
    write_fer_plus_tables(tmp_path / "tables", rows)
    of_folders, of_tables = (read(tmp_path / layout)[0] for layout in ("folders", "tables"))
    assert list(of_folders) == ["fer0000000", "fer0000001", "fer0028638", "fer0032220"]
    for folder_face, table_face in zip(of_folders.values(), of_tables.values(), strict=True):
        for fact in ("group", "split", "expression", "tags"):
            assert getattr(folder_face, fact) == getattr(table_face, fact)


def test_the_newer_votes_win_over_label_csv(tmp_path):
    rows = [row for row in ROWS if row[1]]
    write_fer_plus_folders(tmp_path, [(usage, name, votes(neutral=10), grey) for usage, name, _, grey in rows])
    write_fer_plus_tables(tmp_path, rows)
    (tmp_path / "fer2013.csv").unlink()
    faces, *_ = read(tmp_path)
    assert faces["fer0028638"].expression["disgust"] == 8
    assert faces["fer0000002"].expression["contempt"] == 9, "of two rows with one name the file holds the later"
    assert len(faces) == 5


@pytest.mark.parametrize("change", ["swap", "shorten", "lengthen"])
def test_tables_that_do_not_belong_together_are_refused(tmp_path, change):
    write_fer_plus_tables(tmp_path, ROWS)
    lines = (tmp_path / "fer2013.csv").read_text().splitlines()
    changed = {"swap": lines[:1] + lines[:0:-1], "shorten": lines[:-1], "lengthen": [*lines, lines[-1]]}[change]
    (tmp_path / "fer2013.csv").write_text("\n".join(changed) + "\n")
    with pytest.raises(RawFolderError, match=r"do not belong together: in row \d"):
        read(tmp_path)


def test_faces_without_usage_cannot_be_joined(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS, header=("emotion", "pixels"))
    with pytest.raises(UsageError, match=r"lacks the columns \['Usage'\]"):
        read(tmp_path)


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"fer2013new\.csv") as error:
        read(tmp_path)
    assert "git clone https://github.com/microsoft/FERPlus" in str(error.value)


def test_votes_without_pictures_are_half_a_corpus(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS)
    (tmp_path / "fer2013.csv").unlink()
    with pytest.raises(RawFolderError, match=r"neither fer2013\.csv nor a picture"):
        read(tmp_path)


@pytest.mark.parametrize("broken", ["1 2 3", "a " * 2304, "300 " * 2304, ""])
def test_broken_pixels_are_counted(tmp_path, broken):
    write_fer_plus_tables(tmp_path, ROWS[:2])
    text = (tmp_path / "fer2013.csv").read_text()
    (tmp_path / "fer2013.csv").write_text(text.replace(" ".join(map(str, pixels(0).ravel())), broken))
    faces, skips, _ = read(tmp_path)
    assert (len(faces), sum(skips.values())) == (1, 1)


def test_broken_votes_are_counted(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS[:2])
    text = (tmp_path / "fer2013new.csv").read_text()
    (tmp_path / "fer2013new.csv").write_text(text.replace("4,0,0,1,3,2,0,0,0,0", "4,many,0,1,3,2,0,0,0,0"))
    faces, skips, _ = read(tmp_path)
    assert (len(faces), sum(skips.values())) == (1, 1)


def test_rows_that_are_cut_short_cost_themselves_only(tmp_path):
    write_fer_plus_tables(tmp_path, ROWS)
    table = tmp_path / "fer2013new.csv"
    lines = table.read_text().splitlines()
    lines[2] = ",".join(lines[2].split(",")[:6])
    table.write_text("\n".join(lines))
    faces, skips, *_ = read(tmp_path)
    assert len(faces) == 5
    assert skips["votes are not ten numbers"] == 1
