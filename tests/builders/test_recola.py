from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.recola import (
    write_arff,
    write_avec_gold,
    write_avec_individual,
    write_original,
    write_people,
    write_raters,
    write_underscores,
    write_video,
)
from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Frame, Note, RawFolderError, Skip
from tfrecords_builders.recola import Recola

NO_GOLD = "no gold standard of a recording, or of one dimension: its raters are combined (tag raters)"


def read(root, **options):
    """The faces by key, and the counts of skips and notes."""
    items = list(Recola(**options).faces(root))
    faces = {item.key: item for item in items if isinstance(item, Face)}
    assert len(faces) == sum(isinstance(item, Face) for item in items)
    return (
        faces,
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    write_original(folder)
    return folder


def test_the_original_release_by_hand(original):
    faces, skips, notes = read(original)
    assert skips == {"video without ratings": 1, "ratings without a video": 1}
    assert notes == {
        "partner of the call unknown: the participant is a group": 1,
        "recording with ratings of arousal only": 1,
    }
    assert Counter(key.split("_")[0] for key in faces) == {
        **dict.fromkeys(["P6", "P16", "P17", "P21", "P42", "P43"], 10),
        "P19": 8,  # its 20 frames span 2.5 s, of which 2 are rated
    }
    assert faces["P16_0000800"] == Face(
        key="P16_0000800",
        group="dyad 8",
        image=Frame(original / "RECOLA" / "RECOLA-Video-recordings" / "P16.mp4", 0.8),
        detect=True,
        valence=0.24,
        arousal=0.42,
        sex="0",
        age="36",
    )
    assert [key for key in faces if key.startswith("P16")] == [f"P16_{200 * k:07d}" for k in range(10)]


def test_two_who_talked_to_each_other_are_one_group(original):
    faces, *_ = read(original)
    groups = {key.split("_")[0]: face.group for key, face in faces.items()}
    assert groups == {
        "P6": "dyad 3",
        "P16": "dyad 8",
        "P17": "dyad 8",
        "P19": "dyad 9",
        "P21": "dyad 10",
        "P42": "p42",
        "P43": "dyad 11",
    }
    assert {face.split for face in faces.values()} == {None}


def test_participant_6_does_not_get_what_16_has(original):
    faces, *_ = read(original)
    assert (faces["P6_0001000"].valence, faces["P16_0001000"].valence) == (0.16, 0.26)


def test_a_missing_dimension_masks_only_itself(original):
    faces, *_ = read(original)
    assert (faces["P43_0001000"].valence, faces["P43_0001000"].arousal) == (None, 0.4)


def test_frames_that_the_camera_lost_move_the_ratings(original):
    faces, *_ = read(original)
    assert faces["P19_0000800"].arousal == 0.42
    assert faces["P19_0001200"].arousal == 0.33, "frame 12 was taken at 1.7 s"
    assert "P19_0001400" in faces
    assert "P19_0001600" not in faces, "frame 16 was taken at 2.1 s, after the ratings"


@pytest.mark.parametrize(
    "broken", ["frame;time in seconds\n0;0\n1;0\n", "time in seconds\n0\nx\n", "time in seconds\n"]
)
def test_timings_that_cannot_be_are_noted_and_not_used(tmp_path, broken):
    write_original(tmp_path)
    (tmp_path / "RECOLA" / "RECOLA-Video-timings" / "P19.csv").write_text(broken)
    faces, _, notes = read(tmp_path)
    assert faces["P19_0001200"].arousal == 0.38
    assert notes["timings of the frames are unusable: the video's own times are used"] == 1


def test_timings_of_a_video_that_cannot_be_opened_stop_nothing(tmp_path):
    write_original(tmp_path)
    (tmp_path / "RECOLA" / "RECOLA-Video-recordings" / "P19.mp4").write_bytes(b"not a video")
    faces, *_ = read(tmp_path)
    assert faces["P19_0001200"].arousal == 0.38


def test_the_delay_takes_later_ratings_and_ends_earlier(original):
    faces, *_ = read(original, annotation_delay=0.5, frames_per_second=2)
    assert [key for key in faces if key.startswith("P16")] == ["P16_0000000", "P16_0000500", "P16_0001000"]
    assert [face.arousal for key, face in faces.items() if key.startswith("P16")] == [0.45, 0.4, 0.35]


def test_ratings_between_two_samples_are_interpolated(original):
    faces, *_ = read(original, frames_per_second=10)
    assert faces["P16_0000100"].valence == pytest.approx(0.17)
    assert len([key for key in faces if key.startswith("P16")]) == 20, "51 ratings are the ends of 50 intervals"


def test_the_gold_standard_can_be_centred_on_raters_who_agree(tmp_path):
    write_video(tmp_path / "RECOLA-Video-recordings" / "P1.mp4")
    folder = tmp_path / "emotional_behaviour"
    for dimension in ("arousal", "valence"):
        (folder / dimension).mkdir(parents=True)
        rows = ["time;FM1 ;FM2 ;FF1", "0;-0.1;-0.1;0.6", "0.5;0;0;0.6", "1;0.1;0.1;0.6"]
        (folder / dimension / "P1.csv").write_text("\n".join(rows))
    plain, *_ = read(tmp_path, frames_per_second=2)
    centred, *_ = read(tmp_path, frames_per_second=2, gold_standard="ccc_centred")
    # FF1 is constant and agrees with nobody (CCC 0); the others agree fully (CCC 1), so each weighs 1/2 and FF1 nothing
    assert [face.valence for face in plain.values()] == pytest.approx([0.4 / 3, 0.2], abs=1e-6)
    assert [face.valence for face in centred.values()] == pytest.approx([0.4 / 3 - 0.2, 0.0], abs=1e-6)


def test_the_other_spelling_gives_the_same_faces(original, tmp_path):
    write_underscores(tmp_path)
    assert list(read(tmp_path)[0]) == list(read(original)[0])


def test_upper_case_suffixes_and_a_folder_more_are_found(tmp_path):
    write_original(tmp_path / "download")
    videos = tmp_path / "download" / "RECOLA" / "RECOLA-Video-recordings"
    (videos / "more").mkdir()
    (videos / "P16.mp4").rename(videos / "more" / "P16.MP4")
    assert read(tmp_path)[0]["P16_0000000"].image.video == videos / "more" / "P16.MP4"


def test_without_the_table_of_people_each_is_a_group_and_noted(tmp_path):
    write_original(tmp_path)
    (tmp_path / "RECOLA" / "RECOLA-Metadata" / "recola_user_info.csv").unlink()
    faces, _, notes = read(tmp_path)
    assert notes["partner of the call unknown: the participant is a group"] == 7
    assert {face.group for face in faces.values()} == {"p6", "p16", "p17", "p19", "p21", "p42", "p43"}


def test_a_table_of_people_without_dyads_is_refused(tmp_path):
    write_original(tmp_path)
    (tmp_path / "RECOLA" / "RECOLA-Metadata" / "recola_user_info.csv").write_text("User;Sex\n16;0\n")
    with pytest.raises(UsageError, match=r"lacks the columns \['Group_id'\]. Received: \['User', 'Sex'\]"):
        read(tmp_path)


def test_ratings_with_bom_crlf_and_holes_are_read(tmp_path):
    write_video(tmp_path / "RECOLA-Video-recordings" / "P1.mp4")
    write_people(tmp_path / "recola_user_info.csv", {1: 1})
    text = "\ufefftime;FM1 ;FF1\r\n0;0.2;nan\r\n0.2;;inf\r\n\r\n0.4;0.4;0.2\r\n0.6;x;0.4\r\n"
    for dimension in ("arousal", "valence"):
        (tmp_path / "emotional_behaviour" / dimension).mkdir(parents=True)
        (tmp_path / "emotional_behaviour" / dimension / "P1.csv").write_bytes(text.encode())
    faces, _, notes = read(tmp_path)
    assert [face.valence for face in faces.values()] == [0.2, 0.25, 0.3], "0.25 is between 0.2 and the mean at 0.4"
    assert notes == {}


def test_ratings_in_another_unit_are_refused(tmp_path):
    write_original(tmp_path)
    table = tmp_path / "RECOLA" / "RECOLA-Annotation" / "emotional_behaviour" / "valence" / "P16.csv"
    table.write_text("time;FM1\n" + "".join(f"{time};{300 + time}\n" for time in range(3)))
    with pytest.raises(UsageError, match=r"P16\.csv has 3 ratings outside \[-1, 1\], up to 302"):
        read(tmp_path)


def test_ratings_without_times_are_refused(tmp_path):
    write_original(tmp_path)
    table = tmp_path / "RECOLA" / "RECOLA-Annotation" / "emotional_behaviour" / "valence" / "P16.csv"
    table.write_text("seconds;FM1\n0;0\n")
    with pytest.raises(UsageError, match=r"lacks the columns \['time'\]. Received: \['seconds', 'fm1'\]"):
        read(tmp_path)


def test_avec_takes_its_gold_standard_and_its_own_split(tmp_path):
    write_avec_gold(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert skips == {"no ratings (AVEC withholds those of its test)": 1}
    assert notes == {}
    assert faces["train_1_0001000"] == Face(
        key="train_1_0001000",
        group="train_1",
        image=Frame(tmp_path / "AVEC2016" / "recordings_video" / "train_1.mp4", 1.0),
        split="train",
        detect=True,
        valence=0.11,
        arousal=0.4,
    )
    assert {face.group: face.split for face in faces.values()} == {
        "train_1": "train",
        "train_2": "train",
        "dev_1": "validation",
    }
    assert len(faces) == 30


def test_one_arff_file_for_all_recordings_of_a_split_is_taken_apart(tmp_path):
    write_avec_gold(tmp_path)
    before, *_ = read(tmp_path)
    for dimension in ("arousal", "valence"):
        gold = tmp_path / "AVEC2016" / "ratings_gold_standard" / dimension
        first, second = (gold / "train_1.arff").read_text(), (gold / "train_2.arff").read_text()
        (gold / "train_all.arff").write_text(first + second.lower().partition("@data")[2])
        (gold / "train_1.arff").unlink()
        (gold / "train_2.arff").unlink()
    assert read(tmp_path)[0] == before


def test_avec_falls_back_to_the_raters(tmp_path):
    write_avec_individual(tmp_path)
    faces, skips, _ = read(tmp_path)
    assert skips == {"no ratings (AVEC withholds those of its test)": 1}
    assert len(faces) == 30
    assert (faces["dev_1_0001000"].valence, faces["dev_1_0001000"].split) == (0.21, "validation")
    assert {face.tags for face in faces.values()} == {()}, "all are of one kind"


def write_two_raters(folder, name, dimensions=("valence", "arousal")):
    """Their means are 0.2, 0.4 and 0.2 at 0, 1 and 2 s."""
    for dimension in dimensions:
        (folder / dimension).mkdir(parents=True, exist_ok=True)
        (folder / dimension / f"{name}.csv").write_text("time;FM1 ;FF1\n0;0.1;0.3\n1;0.2;0.6\n2;0.3;0.1\n")


def test_a_recording_without_a_gold_standard_takes_its_raters_and_is_tagged(tmp_path):
    write_avec_gold(tmp_path)
    tree = tmp_path / "AVEC2016"
    for dimension in ("valence", "arousal"):
        (tree / "ratings_gold_standard" / dimension / "train_2.arff").unlink()
    write_two_raters(tree / "ratings_individual", "train_2")
    faces, skips, notes = read(tmp_path, frames_per_second=1)
    assert skips == {"no ratings (AVEC withholds those of its test)": 1}
    assert notes == {NO_GOLD: 1}
    # train_1 and dev_1: n / 100 + 0.1 * seconds, and 0.5 - 0.1 * seconds
    assert {key: (face.valence, face.arousal, face.tags) for key, face in faces.items()} == {
        "train_1_0000000": (0.01, 0.5, ()),
        "train_1_0001000": (0.11, 0.4, ()),
        "train_2_0000000": (0.2, 0.2, ("raters",)),
        "train_2_0001000": (0.4, 0.4, ("raters",)),
        "dev_1_0000000": (0.11, 0.5, ()),
        "dev_1_0001000": (0.21, 0.4, ()),
    }


def test_raters_stand_in_for_one_dimension_that_has_no_gold_standard(tmp_path):
    write_avec_gold(tmp_path)
    tree = tmp_path / "AVEC2016"
    write_arff(tree / "ratings_gold_standard", "train_2", 2, "valence", known=False)
    write_two_raters(tree / "ratings_individual", "train_2")
    faces, _, notes = read(tmp_path, frames_per_second=1)
    assert notes == {NO_GOLD: 1}
    face = faces["train_2_0001000"]
    assert (face.valence, face.arousal, face.tags) == (0.4, 0.4, ("raters",))
    assert faces["train_2_0000000"].arousal == 0.5, "the gold standard, and not the raters' 0.2"


def test_raters_of_recordings_that_have_a_gold_standard_are_not_read(tmp_path):
    write_avec_gold(tmp_path)
    table = tmp_path / "AVEC2016" / "ratings_individual" / "valence" / "train_1.csv"
    table.write_text("time;FM1\n0;500\n1;600\n2;700\n")
    assert read(tmp_path)[0]["train_1_0001000"].valence == 0.11


def test_a_training_recording_without_any_ratings_counts_as_not_matched(tmp_path):
    write_avec_gold(tmp_path)
    write_video(tmp_path / "AVEC2016" / "recordings_video" / "train_5.mp4")
    items = [item for item in Recola().faces(tmp_path) if isinstance(item, Skip)]
    assert {item.reason: item.intended for item in items} == {
        "no ratings (AVEC withholds those of its test)": True,
        "video without ratings": False,
    }


def test_avec_ratings_and_videos_without_the_other_are_counted(tmp_path):
    write_avec_gold(tmp_path)
    (tmp_path / "AVEC2016" / "recordings_video" / "train_2.mp4").unlink()
    write_video(tmp_path / "AVEC2016" / "recordings_video" / "trailer.mp4")
    write_arff(tmp_path / "AVEC2016" / "ratings_gold_standard", "train_11", 11, "valence")
    _, skips, _ = read(tmp_path)
    assert skips == {
        "no ratings (AVEC withholds those of its test)": 1,
        "ratings without a video": 2,
        "not a recording of AVEC": 1,
    }


def test_both_editions_at_once_are_refused(tmp_path):
    write_original(tmp_path)
    write_avec_gold(tmp_path)
    with pytest.raises(RawFolderError, match="Both editions are here"):
        read(tmp_path)


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"recola_user_info\.csv") as error:
        read(tmp_path)
    assert "Neither emotional_behaviour nor ratings_gold_standard" in str(error.value)


def test_ratings_without_any_video_are_half_a_corpus(tmp_path):
    write_raters(tmp_path / "RECOLA-Annotation" / "emotional_behaviour", "P16", 16)
    with pytest.raises(RawFolderError, match="no video in RECOLA-Video-recordings"):
        read(tmp_path)


@pytest.mark.parametrize(
    "options", [{"frames_per_second": 0}, {"frames_per_second": float("nan")}, {"annotation_delay": -1}]
)
def test_options_that_sample_nothing_are_refused(original, options):
    with pytest.raises(UsageError, match=r"Received: (0|nan|-1)"):
        read(original, **options)


def test_faces_come_in_the_order_of_time_and_twice_the_same(original):
    first, second = list(Recola().faces(original)), list(Recola().faces(original))
    assert first == second
    by_video: dict[Path, list[float]] = {}
    for face in (item for item in first if isinstance(item, Face)):
        by_video.setdefault(face.image.video, []).append(face.image.seconds)
    assert all(seconds == sorted(seconds) for seconds in by_video.values())
