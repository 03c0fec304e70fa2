import json
import re
from collections import Counter

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.builders.test_corpora import find_green
from tests.fakes import videos as fakes
from tfaffect.errors import UsageError
from tfaffect.records.prepared import open_corpus
from tfrecords_builders.__main__ import main
from tfrecords_builders.base import Face, Frame, Note, Skip
from tfrecords_builders.prepare import prepare
from tfrecords_builders.videos import Videos

VIDEO = "a.mp4"


def read(root, **options):
    """The faces in order, and the counts of skips and notes."""
    items = list(Videos(**options).faces(root))
    return (
        [item for item in items if isinstance(item, Face)],
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def write_ratings(root, name, *pairs):
    """Write (seconds, rating) pairs."""
    return fakes.write(root / name, "seconds,rating", *(f"{seconds},{rating}" for seconds, rating in pairs))


@pytest.fixture
def folder(tmp_path):
    """A folder with one clip of 2 s and two of the same ratings: 0.1 a second and 0.2 a second."""
    fakes.write_clip(tmp_path / VIDEO)
    write_ratings(tmp_path, "slow.csv", *((time, time / 10) for time in fakes.times()))
    write_ratings(tmp_path, "fast.csv", *((time, time / 5) for time in fakes.times()))
    return tmp_path


def table(root, columns, *rows):
    fakes.write_table(root, f"path,{columns}", *((VIDEO, *row) for row in rows))


def valences(faces):
    return [face.valence for face in faces]


def test_constants_are_the_labels_of_every_sampled_frame(folder):
    columns = "valence,arousal,class,group,split,sex,age,ethnicity"
    table(folder, columns, (0.5, "-0.25", "Happy", "anna", "test", "female", "30", "x"))
    faces, skips, notes = read(folder, frames_per_second=2)
    assert faces == [
        Face(
            key=f"a.mp4_{time:07d}",
            group="anna",
            image=Frame(folder / VIDEO, time / 1000),
            split="test",
            detect=True,
            expression="happiness",
            valence=0.5,
            arousal=-0.25,
            sex="female",
            age="30",
            ethnicity="x",
        )
        for time in (0, 500, 1000, 1500)
    ]
    assert not skips
    assert not notes


def test_the_range_of_the_users_scale_becomes_ours(folder):
    write_ratings(folder, "nine.csv", *((time, 1 + 4 * time) for time in fakes.times()))
    table(folder, "valence,arousal,group", ("nine.csv", 9, "anna"))
    faces, _, _ = read(folder, affect_low=1, affect_high=9)
    assert valences(faces)[:6] == [-1, -0.8, -0.6, -0.4, -0.2, 0]
    assert {face.arousal for face in faces} == {1}
    with pytest.raises(UsageError, match=r"Line 2 of .*nine.csv: .*set the range with --affect-low and --affect-high"):
        read(folder, affect_low=2, affect_high=9)
    table(folder, "arousal,group", (9.5, "anna"))
    with pytest.raises(UsageError, match=r"Row 2 of .*labels.csv: arousal must be in \[1, 9\]"):
        read(folder, affect_low=1, affect_high=9)


def test_the_mean_of_several_raters_by_rows_by_files_and_by_columns(folder):
    for rows in ([("slow.csv", "g"), ("fast.csv", "g")], [("slow.csv; fast.csv", "g")]):
        table(folder, "valence,group", *rows)
        faces, _, notes = read(folder)
        assert valences(faces) == pytest.approx([0.15 * place / 5 for place in range(10)])
        # x is 0, 0.02 ... 0.18, with mean 0.09 and variance 0.0033. CCC of x and 2x: 2 * 2 var / (5 var + mean^2)
        ccc = 4 * 0.0033 / (5 * 0.0033 + 0.09**2)
        (note,) = [note for note in notes if note.startswith("agreement")]
        assert note.startswith(f"agreement on valence: mean pairwise CCC {ccc:.3f}, Krippendorff's alpha ")
    both = [f"{time},{time / 10},{time / 5}" for time in fakes.times()]
    fakes.write(folder / "both.csv", "seconds,anna,ben", *both)
    table(folder, "valence,group", ("both.csv#*", "g"))
    assert valences(read(folder)[0]) == valences(faces)
    table(folder, "valence,group", ("both.csv#ben", "g"))
    assert valences(read(folder)[0])[5] == 0.2


def test_the_gold_standard_of_avec_is_the_mean_of_raters_who_agree(folder):
    """Two raters agree and the third does not, so the centre of the mean is that of the two."""
    write_ratings(folder, "off.csv", *((time, 0.9) for time in fakes.times()))
    table(folder, "valence,group", ("slow.csv;slow.csv;off.csv", "g"))
    slow = 0.02 * np.arange(10)
    assert valences(read(folder)[0]) == pytest.approx((2 * slow + 0.9) / 3, abs=1e-6)
    # the mean of `slow` over its 21 samples is 0.1
    centred = 2 / 3 * (slow - 0.1) + 0.1
    assert valences(read(folder, gold_standard="ccc_centred")[0]) == pytest.approx(centred, abs=1e-6)


def test_classes_of_several_raters_are_votes(folder):
    fakes.write_elan(folder / "one.eaf", {"e": [(0, 1, "happy"), (1, 2, "sad")]})
    fakes.write_elan(folder / "two.eaf", {"e": [(0, 1.5, "happy"), (0.5, 1, "angry")]})
    table(folder, "class,group", ("one.eaf", "g"), ("two.eaf", "g"))
    faces, _, notes = read(folder, frames_per_second=2)
    assert [face.expression for face in faces] == [
        "happiness",
        {"happiness": 1.5, "anger": 0.5},  # a rater with two classes at a time shares a vote between them
        {"happiness": 1.0, "sadness": 1.0},
        "sadness",
    ]
    (note,) = [note for note in notes if note.startswith("agreement")]
    assert note.startswith("agreement on class: Krippendorff's alpha ")


def test_rows_with_start_and_end_are_parts_of_a_video(folder):
    rows = [("slow.csv", "happy", "", 1, "g"), ("0.5", "sad", 1, 1.5, "g")]
    table(folder, "valence,class,start,end,group", *rows[:1], ("fast.csv", "sad", 1, 1.5, "g"))
    faces, _, notes = read(folder)
    assert [(face.image.seconds, face.valence, face.expression) for face in faces] == [
        (0.0, 0.0, "happiness"),
        (0.2, 0.02, "happiness"),
        (0.4, 0.04, "happiness"),
        (0.6, 0.06, "happiness"),
        (0.8, 0.08, "happiness"),
        (1.0, 0.2, "sadness"),
        (1.2, 0.24, "sadness"),
        (1.4, 0.28, "sadness"),
    ]
    assert not [note for note in notes if "agreement" in note or "longer" in note]
    table(folder, "valence,class,start,end,group", *rows)
    with pytest.raises(UsageError, match=r"Row 3 of .*: valence must be of one kind in all rows"):
        read(folder)


def test_a_part_does_not_reach_beyond_its_borders_where_ratings_are_rare(folder):
    fakes.write_carma(folder / "carma.csv", [(1, 50), (2, -50)])
    table(folder, "valence,start,end,group", ("carma.csv", 0.8, 1.2, "g"))
    faces, _, _ = read(folder, frames_per_second=10)
    assert [face.image.seconds for face in faces] == [0.8, 0.9, 1.0, 1.1]
    assert valences(faces) == pytest.approx([0.2, 0.1, 0, -0.1], abs=1e-5)


def test_a_delay_moves_ratings_but_neither_segments_nor_constants(folder):
    fakes.write_elan(folder / "x.eaf", {"e": [(0, 1, "happy"), (1, 2, "sad")]})
    table(folder, "valence,arousal,class,group", ("slow.csv", 0.5, "x.eaf", "g"))
    faces, _, _ = read(folder, annotation_delay=0.5, frames_per_second=2)
    assert [(face.image.seconds, face.valence, face.arousal, face.expression) for face in faces] == [
        (0.0, 0.05, 0.5, "happiness"),
        (0.5, 0.1, 0.5, "happiness"),
        (1.0, 0.15, 0.5, "sadness"),
        (1.5, 0.2, 0.5, "sadness"),
    ]


def test_videos_longer_and_shorter_than_their_ratings_are_counted(tmp_path):
    pairs = [(time, 0.1) for time in fakes.times()]
    for name, seconds in (("long", 4), ("short", 1), ("same", 2)):
        fakes.write_clip(tmp_path / f"{name}.mp4", seconds)
        write_ratings(tmp_path, f"{name}.csv", *pairs)
    rows = [(f"{name}.mp4", f"{name}.csv", name) for name in ("long", "short", "same")]
    fakes.write_table(tmp_path, "path,valence,group", *rows)
    faces, skips, notes = read(tmp_path)
    assert Counter(face.group for face in faces) == {"long": 10, "short": 5, "same": 10}
    assert not skips
    assert notes == {
        "video longer than its ratings: its end has no labels": 1,
        "video shorter than its ratings: those after its end are left out": 1,
        "recording with ratings of valence only": 3,
    }


def test_without_groups_every_video_is_one_and_the_report_warns(folder):
    table(folder, "valence", (0.5,))
    faces, _, notes = read(folder)
    assert {face.group for face in faces} == {VIDEO}
    assert notes["no column group: a video is a group, so the same person may be in several splits"] == 1


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        ("valence", [("gone.csv",)], "valence must be a number, or the name of a file below"),
        ("valence", [("../a.csv",)], "valence must be a number, or the name of a file below"),
        ("class", [("glad",)], "class must be a class, or the name of a file below"),
        ("valence", [("gone.csv",)], "There is no file 'gone.csv' below it. Received: 'gone.csv'."),
        ("valence", [("gone.csv#joy",)], "There is no file 'gone.csv' below it. Received: 'gone.csv#joy'."),
        ("class", [("glad",)], "There is no file 'glad' below it."),
        ("valence", [("../a.csv",)], "'../a.csv' is outside it, or contains '..'. Received: '../a.csv'."),
        ("annotation", [("/a.csv#joy",)], "'/a.csv' is outside it, or contains '..'."),
        ("valence", [("arousal.csv",)], "arousal.csv was named for valence, but its only track for this is called"),
        ("valence", [("both.csv#*",)], "both.csv has tracks that are no raters of valence: 'arousal'. FILE#* takes"),
        ("annotation", [("0.5",)], "annotation must be the name of a file below"),
        ("valence,start", [("slow.csv", -1)], "start must be 0 or more seconds"),
        ("valence,start,end", [("slow.csv", 2, 1)], "end must be later than the start"),
        ("valence,split", [(0.5, "dev")], "split must be one of train, validation, test"),
        ("valence,split", [(0.5, "train"), (0.5, "test")], "split must be 'train' as in an earlier row of a.mp4"),
        ("valence,annotation", [(0.5, "named.csv")], "annotation must be a file without valence"),
        ("valence", [("named.csv#joy",)], "has no track called 'joy'"),
        ("group", [("anna",)], "has no column valence, arousal, class or annotation"),
    ],
)
def test_a_wrong_cell_is_named(folder, columns, rows, words):
    write_ratings(folder.parent, "a.csv", (0, 0.1), (1, 0.1))
    fakes.write(folder / "named.csv", "seconds,valence", "0,0.1", "1,0.1")
    fakes.write(folder / "arousal.csv", "seconds,arousal", "0,0.1", "1,0.1")
    fakes.write(folder / "both.csv", "seconds,valence,arousal", "0,0.1,0.1", "1,0.1,0.1")
    table(folder, columns, *rows)
    with pytest.raises(UsageError, match=re.escape(words)):
        read(folder)


def test_the_tier_says_that_another_name_is_meant(folder):
    fakes.write(folder / "x.csv", "seconds,arousal", *(f"{time},{time / 10}" for time in fakes.times()))
    table(folder, "valence,group", ("x.csv#arousal", "g"))
    faces, _, notes = read(folder)
    assert valences(faces) == pytest.approx([0.02 * place for place in range(10)])
    assert not [note for note in notes if "is read as" in note]


def test_the_report_says_that_another_name_is_read_as_the_label(tmp_path):
    names = [f"sub/{letter}" for letter in "abcde"]
    for name in names:
        fakes.write_clip(tmp_path / f"{name}.mp4")
        fakes.write(tmp_path / f"{name}.csv", "seconds,pleasure", *(f"{time},{time / 10}" for time in fakes.times()))
    fakes.write_elan(tmp_path / "a.eaf", {"mood": fakes.CLASSES})
    rows = [(f"{name}.mp4", f"{name}.csv", "a.eaf" if "a" in name else "", "g") for name in names]
    fakes.write_table(tmp_path, "path,valence,annotation,group", *rows)
    faces, _, notes = read(tmp_path)
    assert valences(faces[:10]) == pytest.approx([0.02 * place for place in range(10)])
    assert faces[0].expression == "happiness"
    assert {note: count for note, count in notes.items() if "is read as" in note} == {
        "column pleasure of sub/a.csv is read as valence": 1,
        "column pleasure of sub/b.csv is read as valence": 1,
        "column pleasure of sub/c.csv is read as valence": 1,
        "column pleasure of other files is read as valence": 2,
        "tier mood of a.eaf is read as class": 1,
    }


def test_videos_and_rows_that_are_left_out_are_named(folder):
    fakes.write(folder / "text.mp4", "no video")
    gone = [(f"gone{number}.mp4", 0.5, "g") for number in range(5)]
    others = [("text.mp4", 0.5, "g"), ("../a.mp4", 0.5, "g"), ("", 0.5, "g"), (VIDEO, "", "g")]
    fakes.write_table(folder, "path,valence,group", *gone, ("gone1.mp4", 0.5, "g"), *others)
    faces, skips, _ = read(folder)
    assert not faces
    assert skips == {
        "video missing: gone0.mp4 (row 2)": 1,
        "video missing: gone1.mp4 (row 3)": 1,
        "video missing: gone2.mp4 (row 4)": 1,
        "video missing: other files": 2,
        "video cannot be decoded: text.mp4 (row 8)": 1,
        "path points outside the raw folder: ../a.mp4 (row 9)": 1,
        "row without a path: (row 10)": 1,
        "video without ratings: a.mp4 (row 11)": 1,
    }
    with pytest.raises(UsageError, match=r"video missing: gone0.mp4 \(row 2\)"):
        prepare(Videos(), folder, folder / "records", face_detector=find_green)


@pytest.mark.parametrize(("delay", "last"), [(0.0, 1.8), (0.4, 1.4)])
def test_a_frame_at_the_time_of_the_last_rating_gives_no_record(folder, delay, last):
    """The ratings end at 2 s, and the video is longer."""
    fakes.write_clip(folder / VIDEO, 4)
    table(folder, "valence,group", ("slow.csv", "g"))
    faces, _, _ = read(folder, annotation_delay=delay)
    assert faces[-1].image.seconds == last
    assert faces[-1].valence == pytest.approx((last + delay) / 10)


def test_the_unit_of_times_is_asked_for(folder):
    fakes.write(folder / "x.csv", "time,valence", *(f"{time * 1000:g},{time / 10}" for time in fakes.times()))
    table(folder, "annotation,group", ("x.csv", "g"))
    with pytest.raises(UsageError, match="--time-unit milliseconds"):
        read(folder)
    assert valences(read(folder, time_unit="milliseconds")[0])[5] == 0.1


def test_labels_of_other_words_are_mapped(folder):
    fakes.write_boris(folder / "b.csv", [(VIDEO, "child", "smile", 0, 1), (VIDEO, "child", "walk", 0, 2)])
    table(folder, "class,group", ("b.csv", "g"))
    with pytest.raises(UsageError, match="'smile' is no class"):
        read(folder)
    faces, _, notes = read(folder, class_map=["smile=happiness"])
    assert [face.expression for face in faces] == ["happiness"] * 5
    assert notes["label that --class-map does not name: 'walk'"] == 1
    table(folder, "class,group", ("smile", "g"))
    assert {face.expression for face in read(folder, class_map=["smile=happiness"])[0]} == {"happiness"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"person": "first"}, "--person must be largest, left, right, or a box"),
        ({"person": "9,9,9,20"}, "--person must be"),
        ({"affect_low": 1.0}, "The lowest affect must be less than the highest"),
        ({"frames_per_second": 0.0}, "--frames-per-second"),
        ({"class_map": ["smile"]}, "--class-map must have pairs"),
    ],
)
def test_options_that_cannot_be_used_are_refused(folder, options, words):
    table(folder, "valence,group", (0.5, "g"))
    with pytest.raises(UsageError, match=re.escape(words)):
        read(folder, **options)


@pytest.mark.parametrize(
    ("person", "side"), [("largest", 32), ("left", 20), ("right", 32), ("40,0,60,72", 16), ("0,0,30,72", 20)]
)
def test_the_face_is_the_largest_or_that_of_the_person(tmp_path, person, side):
    """A small face on the left, a smaller one in the middle, and a large one on the right."""
    fakes.write_clip(tmp_path / VIDEO, faces=((4, 20, 20), (42, 20, 16), (64, 20, 32)))
    fakes.write_table(tmp_path, "path,valence,group", (VIDEO, 0.5, "g"))
    prepare(Videos(person=person), tmp_path, tmp_path / "records", face_detector=find_green)
    folder = open_corpus(tmp_path / "records", "videos").folder
    records = tfds.as_numpy(tfds.builder_from_directory(folder).as_dataset(split="train"))
    sizes = {max(record["image"].shape[:2]) for record in records}
    assert all(abs(size - 1.2 * side) <= 3 for size in sizes), "a tenth is added on each side"


def test_what_is_known_about_licence_and_agreement_travels_with_the_records(folder, tmp_path):
    table(folder, "valence,group", (0.5, "g"))
    for options, words in (
        ({}, "not stated (--data-licence). How the people agreed: not stated (--agreement)"),
        ({"data_licence": "CC BY 4.0", "agreement": "signed forms"}, "CC BY 4.0. How the people agreed: signed forms"),
    ):
        prepare(Videos(**options), folder, tmp_path / "records", face_detector=find_green, overwrite=True)
        written = open_corpus(tmp_path / "records", "videos").folder
        assert words in json.loads((written / "dataset_info.json").read_text())["description"]
        assert options.items() <= json.loads((written / "build_report.json").read_text())["options"].items()


def test_the_command_has_the_options_and_the_list_says_how(folder, capsys):
    with pytest.raises(SystemExit):
        main(["videos", "--help"])
    shown = capsys.readouterr().out
    for flag in ("--time-unit", "--gold-standard", "--class-map", "--person", "--affect-low", "--annotation-delay"):
        assert flag in shown
    main([])
    assert "x.annotation beside x.annotation~" in capsys.readouterr().out
