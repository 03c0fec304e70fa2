from collections import Counter

import pytest

from tests.fakes.sewa import (
    write_avec_2017,
    write_avec_2019,
    write_database,
    write_labels,
    write_ratings,
    write_raw_data,
    write_video,
    write_whole_recordings,
)
from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Frame, Note, RawFolderError, Skip
from tfrecords_builders.sewa import Sewa

FIRST = "SAH_C1_S009_P018_VC1_000010_000029"


def read(root, **options):
    """The faces by key, and the counts of skips and notes."""
    items = list(Sewa(**options).faces(root))
    faces = {item.key: item for item in items if isinstance(item, Face)}
    assert len(faces) == sum(isinstance(item, Face) for item in items)
    return (
        faces,
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def test_avec_2017_by_hand(tmp_path):
    write_avec_2017(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert skips == {"no ratings (AVEC withholds those of its test)": 1}
    assert notes == {}
    assert faces["Train_10_0001000"] == Face(
        key="Train_10_0001000",
        group="Train_10",
        image=Frame(tmp_path / "AVEC2017_SEWA" / "video" / "Train_10.avi", 1.0),
        split="train",
        detect=True,
        valence=0.103,
        arousal=-0.097,
    )
    assert {face.group: face.split for face in faces.values()} == {
        "Train_01": "train",
        "Train_02": "train",
        "Train_10": "train",
        "Devel_01": "validation",
    }
    assert [key for key in faces if key.startswith("Train_01")] == [f"Train_01_{200 * k:07d}" for k in range(10)]


def test_ratings_that_are_withheld_are_told_from_those_that_are_missing(tmp_path):
    write_avec_2017(tmp_path)
    labels = tmp_path / "AVEC2017_SEWA" / "labels"
    (labels / "Train_02.csv").unlink()
    (labels / "Test_01.csv").write_text("'Test_01';0.0;?;?;?\n'Test_01';0.1;?;?;?\n")
    items = [item for item in Sewa().faces(tmp_path) if isinstance(item, Skip)]
    assert {item.reason: item.intended for item in items} == {
        "no ratings (AVEC withholds those of its test)": True,
        "video without ratings": False,
    }


def test_recordings_are_joined_by_the_number_and_not_its_zeros(tmp_path):
    write_avec_2017(tmp_path)
    faces, *_ = read(tmp_path)
    assert faces["Train_01_0000000"].image.video.name == "Train_1.avi"
    assert faces["Train_10_0000000"].image.video.name == "Train_10.avi"


def test_avec_2019_has_a_header_and_cultures(tmp_path):
    write_avec_2019(tmp_path)
    faces, skips, _ = read(tmp_path)
    assert skips == {"no ratings (AVEC withholds those of its test)": 2}
    assert {(face.group, face.split, face.tags) for face in faces.values()} == {
        ("Train_DE_01", "train", ("DE",)),
        ("Train_HU_01", "train", ("HU",)),
        ("Devel_DE_01", "validation", ("DE",)),
        ("Devel_HU_01", "validation", ("HU",)),
    }
    assert (faces["Train_HU_01_0001000"].valence, faces["Train_HU_01_0001000"].arousal) == (0.102, -0.098)


def test_columns_of_a_header_go_by_name(tmp_path):
    write_avec_2019(tmp_path)
    table = tmp_path / "AVEC2019_CES" / "labels" / "Train_DE_01.csv"
    rows = [row.split(";") for row in table.read_text().splitlines()]
    turned = "\r\n".join(";".join(row[::-1]) for row in rows)
    table.write_bytes(("\ufeff" + turned).encode())
    assert read(tmp_path)[0]["Train_DE_01_0001000"].valence == 0.101


def test_labels_and_videos_in_one_folder_are_read(tmp_path):
    write_raw_data(tmp_path / "copy")
    faces, skips, _ = read(tmp_path)
    assert {face.group: face.split for face in faces.values()} == {
        "Train_01": "train",
        "Train_02": "train",
        "Devel_01": "validation",
    }
    assert skips == {}


def test_labels_shorter_than_the_video_end_the_sampling(tmp_path):
    write_avec_2017(tmp_path)
    table = tmp_path / "AVEC2017_SEWA" / "labels" / "Train_01.csv"
    table.write_text("".join(f"{row}\n" for row in table.read_text().splitlines()[:9]))
    faces, *_ = read(tmp_path)
    assert max(face.image.seconds for face in faces.values() if face.group == "Train_01") == 0.6


def test_labels_without_a_video_are_counted(tmp_path):
    write_avec_2017(tmp_path)
    write_labels(tmp_path / "AVEC2017_SEWA" / "labels" / "Train_07.csv", "Train_07", 7)
    assert read(tmp_path)[1]["ratings without a video"] == 1


def test_missing_and_wrong_labels_are_masked_or_left_out(tmp_path):
    write_avec_2017(tmp_path)
    (tmp_path / "AVEC2017_SEWA" / "labels" / "Train_01.csv").write_text(
        "'Train_01';0.0;0.1;nan;0\n'Train_01';0.1;0.2;;0\n'Train_01';0.2;0.3;9;0\nx;y\n"
        "'Train_01';0.3;inf;0.4;0\n'Train_01';0.4;0.5;0.5;0\n'Train_01';0.5;0.5;0.5;0\n"
    )
    faces, _, notes = read(tmp_path)
    labels = [(face.valence, face.arousal) for face in faces.values() if face.group == "Train_01"]
    assert labels == [(None, 0.1), (None, 0.3), (0.5, 0.5)]
    assert notes == {"rating outside [-1, 1] by more than 0.05: dropped": 1}


def test_labels_with_a_header_but_without_valence_are_refused(tmp_path):
    write_avec_2017(tmp_path)
    (tmp_path / "AVEC2017_SEWA" / "labels" / "Train_01.csv").write_text("name;timestamp;arousal\nx;0;0\n")
    with pytest.raises(
        UsageError, match=r"lacks the columns \['valence'\]. Received: \['name', 'timestamp', 'arousal'"
    ):
        read(tmp_path)


def test_a_table_without_rows_is_a_recording_without_ratings(tmp_path):
    write_avec_2019(tmp_path)
    (tmp_path / "AVEC2019_CES" / "labels" / "Train_DE_01.csv").write_text("name;timestamp;arousal;valence;liking\n")
    assert read(tmp_path)[1]["recording without ratings"] == 1


def test_the_delay_takes_later_ratings(tmp_path):
    write_avec_2017(tmp_path)
    faces, *_ = read(tmp_path, annotation_delay=1.0, frames_per_second=2.5)
    first = [face for face in faces.values() if face.group == "Train_01"]
    assert [(face.image.seconds, face.valence) for face in first] == [(0.0, 0.101), (0.4, 0.141), (0.8, 0.181)]


def test_the_database_by_hand(tmp_path):
    write_database(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert skips == {"ratings without a video": 1, "no ratings of the kind that --perceived chooses": 1}
    assert notes == {}
    assert faces[f"{FIRST}_0001000"] == Face(
        key=f"{FIRST}_0001000",
        group="S009",
        image=Frame(tmp_path / "SEWAv02" / FIRST / f"{FIRST}.avi", 1.0),
        detect=True,
        valence=0.109,
        arousal=-0.091,
        tags=("C1",),
    )
    assert Counter((face.group, face.tags) for face in faces.values()) == {
        ("S009", ("C1",)): 20,
        ("S037", ("C2",)): 10,
        ("S055", ("C3",)): 10,
        ("S181", ("C6",)): 10,
    }


def test_what_the_raters_perceived_can_be_chosen(tmp_path):
    write_database(tmp_path)
    table = tmp_path / "SEWAv02" / FIRST / f"{FIRST}_Valence_V_Aligned.csv"
    table.write_text("frame_idx,R1\n" + "".join(f"{frame},0.7\n" for frame in range(10, 30)))
    by_picture, skips, _ = read(tmp_path, perceived="V")
    assert by_picture[f"{FIRST}_0001000"].valence == 0.7
    assert skips == {"no ratings of the kind that --perceived chooses": 1}
    assert "S035" in {face.group for face in by_picture.values()}
    assert read(tmp_path)[0][f"{FIRST}_0001000"].valence == 0.109


def test_one_dimension_alone_is_kept_and_noted(tmp_path):
    write_database(tmp_path)
    (tmp_path / "SEWAv02" / FIRST / f"{FIRST}_Arousal_AV_Aligned.csv").unlink()
    faces, _, notes = read(tmp_path)
    assert (faces[f"{FIRST}_0001000"].valence, faces[f"{FIRST}_0001000"].arousal) == (0.109, None)
    assert notes == {"recording with ratings of valence only": 1}


def test_an_index_that_counts_from_the_segment_is_told_apart(tmp_path):
    write_database(tmp_path)
    before, *_ = read(tmp_path)
    write_ratings(tmp_path / "SEWAv02" / FIRST, FIRST, 9, 0)
    faces, _, notes = read(tmp_path)
    assert faces == before
    assert notes == {"frame index counts from the segment's start": 1}


def test_whole_recordings_are_looked_up_from_their_own_beginning(tmp_path):
    write_whole_recordings(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert (skips, notes) == ({}, {})
    first = [face for face in faces.values() if face.group == "S001"]
    assert [face.key for face in first] == [f"C1_S001_P002_VC1_{200 * k:07d}" for k in range(1, 8)]
    # frames 2 to 9 are rated in one segment and 6 to 15 in another; frames 6 and 8 take the mean of both
    assert [face.valence for face in first] == [0.001, 0.021, 0.021, 0.041, 0.041, 0.061, 0.081]
    assert {face.tags for face in first} == {("C1",)}


def test_an_index_from_the_segment_fits_a_whole_recording_too(tmp_path):
    write_whole_recordings(tmp_path)
    before, *_ = read(tmp_path)
    segment = "SAH_C1_S001_P002_VC1_000006_000015"
    write_ratings(tmp_path / "ratings" / segment, segment, 1, 0, frames=10)
    assert read(tmp_path)[0] == before


def test_a_name_without_a_session_is_a_group_and_noted(tmp_path):
    write_ratings(tmp_path, "chat_000005_000024", 1, 5)
    write_video(tmp_path / "chat_000005_000024.avi")
    faces, _, notes = read(tmp_path)
    assert {face.group for face in faces.values()} == {"CHAT"}
    assert notes == {"no session in the segment's name: the recording is a group": 1}


def test_ratings_beyond_the_range_name_the_largest_and_the_option(tmp_path):
    write_database(tmp_path, scale=1000)
    with pytest.raises(UsageError, match=r"\[-1, 1\]. Received: 471.\n?.*--raw-range"):
        read(tmp_path)


def test_the_range_of_the_raters_is_scaled(tmp_path):
    write_database(tmp_path / "one")
    write_database(tmp_path / "thousand", scale=1000)
    expected, *_ = read(tmp_path / "one")
    faces, *_ = read(tmp_path / "thousand" / "SEWAv02", raw_range=1000)
    assert [(f.key, f.valence, f.arousal) for f in faces.values() if f.group != "S035"] == [
        (f.key, f.valence, f.arousal) for f in expected.values()
    ]


@pytest.mark.parametrize("raw_range", [0, -1, float("nan"), float("inf")])
def test_a_range_that_scales_nothing_is_refused(tmp_path, raw_range):
    write_database(tmp_path)
    with pytest.raises(UsageError, match="--raw-range must be more than 0"):
        read(tmp_path, raw_range=raw_range)


def test_a_video_that_cannot_be_decoded_skips_its_segments(tmp_path):
    write_database(tmp_path)
    (tmp_path / "SEWAv02" / FIRST / f"{FIRST}.avi").write_bytes(b"not a video")
    _, skips, _ = read(tmp_path)
    assert skips["video missing or cannot be decoded"] == 1


def test_a_table_without_a_frame_index_is_refused(tmp_path):
    write_database(tmp_path)
    (tmp_path / "SEWAv02" / FIRST / f"{FIRST}_Valence_AV_Aligned.csv").write_text("R1,R2\n0,0\n")
    with pytest.raises(UsageError, match=r"lacks the columns \['frame_idx'\]. Received: \['r1', 'r2'\]"):
        read(tmp_path)


def test_the_database_and_avec_at_once_are_refused(tmp_path):
    write_database(tmp_path)
    write_avec_2017(tmp_path)
    with pytest.raises(RawFolderError, match="The database and an edition of AVEC are both here"):
        read(tmp_path)


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"_Valence_AV_Aligned\.csv") as error:
        read(tmp_path)
    assert "Neither labels/Train_01.csv nor" in str(error.value)


def test_labels_without_any_video_are_half_a_corpus(tmp_path):
    write_labels(tmp_path / "labels" / "Train_01.csv", "Train_01", 1)
    with pytest.raises(RawFolderError, match=r"no video/Train_01\.avi"):
        read(tmp_path)


@pytest.mark.parametrize("write", [write_avec_2017, write_avec_2019, write_database, write_whole_recordings])
def test_reading_twice_gives_the_same(tmp_path, write):
    write(tmp_path)
    assert list(Sewa().faces(tmp_path)) == list(Sewa().faces(tmp_path))
