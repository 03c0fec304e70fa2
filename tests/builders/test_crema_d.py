"""CREMA-D: its real tables, which are skipped where they are not at hand, and small trees of clips."""

import csv
import lzma
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.builders.test_corpora import find_green
from tests.conftest import SHARED
from tests.fakes.crema_d import (
    LAYOUTS,
    POINTER,
    names,
    row,
    votes,
    write_clip,
    write_converted,
    write_people,
    write_repository,
    write_sound_only,
    write_votes,
)
from tfaffect.errors import UsageError
from tfaffect.labels import CLASSES, Expression
from tfaffect.media import video
from tfrecords_builders.base import Face, Frame, Note, RawFolderError, Skip
from tfrecords_builders.crema_d import CremaD
from tfrecords_builders.prepare import prepare

CLIP = "1001_IEO_HAP_LO"


def read(root, **options):
    """The faces, and the skips and notes with their counts."""
    items = list(CremaD(**options).faces(root))
    rest = Counter(item for item in items if not isinstance(item, Face))
    return [item for item in items if isinstance(item, Face)], rest


def tree(root, *rows, frames=3):
    """Write a tree with the rows and a clip for each of their names."""
    write_votes(root, rows)
    write_people(root)
    for name in {line["fileName"] for line in rows}:
        write_clip(root / "VideoFlash" / f"{name}.flv", frames)
    return root


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The faces of the real tables, by clip. All clips are links to one file, because the real ones are not at hand."""
    shared = Path(os.environ.get("TFAFFECT_SHARED", SHARED)) / "crema_d"
    if not (shared / "tabulatedVotes.csv.xz").is_file():
        pytest.skip(f"no tables of CREMA-D in {shared}; name the folder above with TFAFFECT_SHARED")
    root = tmp_path_factory.mktemp("crema_d")
    for name in ("tabulatedVotes.csv", "SentenceFilenames.csv"):
        (root / name).write_bytes(lzma.decompress((shared / f"{name}.xz").read_bytes()))
    (root / "VideoDemographics.csv").write_bytes((shared / "VideoDemographics.csv").read_bytes())
    clip = write_clip(root / "clip.flv", frames=3)
    with open(root / "SentenceFilenames.csv", newline="") as file:
        for line in csv.DictReader(file):
            os.link(clip, root / f"{line['Filename']}.flv")
    clip.unlink()
    faces, rest = read(root)
    assert not rest
    return {face.key: face for face in faces}


def test_the_real_tables_have_7442_clips_of_91_actors(real):
    assert len(real) == 7_442
    assert Counter(len(key) for key in real) == {15: 7_442}
    actors = {face.group: face for face in real.values()}
    assert len(actors) == 91
    assert {key[:4] == face.group for key, face in real.items()} == {True}
    assert Counter(actor.sex for actor in actors.values()) == {"male": 48, "female": 43}
    ages = [int(actor.age) for actor in actors.values()]
    assert (min(ages), max(ages)) == (20, 74)
    assert Counter(actor.ethnicity for actor in actors.values()) == {
        "Caucasian": 53,
        "African American": 21,
        "Asian": 7,
        "Caucasian, Hispanic": 8,
        "African American, Hispanic": 1,
        "Unknown, Hispanic": 1,
    }
    assert sum(sum(face.expression.values()) for face in real.values()) == 71_654


@pytest.mark.parametrize(
    ("clip", "counts", "tags"),
    [
        ("1001_IEO_NEU_XX", {"N": 9}, "plurality strict acted_neutral intensity_high"),
        ("1001_IEO_HAP_HI", {"H": 8, "N": 2}, "plurality strict acted_happiness acted_high intensity_low"),
        ("1010_IWL_FEA_XX", {"A": 4, "D": 2, "F": 4, "N": 2}, "plurality tied acted_fear intensity_low"),
        ("1018_MTI_FEA_XX", {"A": 2, "D": 2, "F": 2, "N": 2, "S": 2}, "plurality tied acted_fear intensity_low"),
        # the single votes for D and S do not count: 4 of 4
        ("1070_IWW_ANG_XX", {"D": 1, "N": 4, "S": 1}, "plurality strict acted_anger intensity_low"),
        # six of twelve votes for S, but six of ten after the single votes for A and D are set to 0
        ("1004_MTI_FEA_XX", {"A": 1, "D": 1, "F": 4, "S": 6}, "plurality strict acted_fear intensity_medium"),
        # 7 of 11
        ("1001_IWW_NEU_XX", {"D": 2, "F": 2, "N": 7, "S": 1}, "plurality strict acted_neutral intensity_low"),
        ("1076_MTI_SAD_XX", {"S": 9}, "plurality strict acted_sadness intensity_medium"),
        ("1064_IEO_DIS_MD", {"D": 4, "S": 6}, "plurality strict acted_disgust acted_medium intensity_medium"),
    ],
)
def test_votes_of_real_clips(real, clip, counts, tags):
    assert real[clip].expression == dict.fromkeys("ADFHNS", 0) | counts
    assert " ".join(real[clip].tags) == tags


def test_votes_for_the_voice_are_not_the_label(real):
    """Of 1004_TSI_DIS_XX, ten people heard disgust; of others who saw it, nine found it sad and one fearful.

    The votes of those who saw and heard it are D 6, F 3 and S 2. The name says disgust.
    """
    assert real["1004_TSI_DIS_XX"].expression == {"A": 0, "D": 0, "F": 1, "H": 0, "N": 0, "S": 9}
    assert CremaD.expressions["S"] is Expression.SADNESS


def test_sizes_of_the_protocols_of_the_real_tables(real):
    tags = Counter(tag for face in real.values() for tag in face.tags)
    assert tags == {
        "plurality": 7_442,
        "strict": 6_219,
        "tied": 470,
        "intensity_low": 2_599,
        "intensity_medium": 2_606,
        "intensity_high": 2_237,
        **dict.fromkeys(("acted_anger", "acted_disgust", "acted_fear", "acted_happiness", "acted_sadness"), 1_271),
        "acted_neutral": 1_087,
        **dict.fromkeys(("acted_low", "acted_medium", "acted_high"), 455),
    }


def test_the_acted_emotion_is_often_not_the_one_that_people_see(real):
    clear = [face for face in real.values() if "tied" not in face.tags]
    seen = [CLASSES[CremaD.expressions[max(face.expression, key=face.expression.get)]] for face in clear]
    assert len(clear) == 6_972
    assert sum(f"acted_{label}" in face.tags for label, face in zip(seen, clear, strict=True)) == 4_931


def test_a_clip_by_hand(tmp_path):
    tree(tmp_path, row(200_001, CLIP, 71, H=7, N=2, S=1), frames=10)
    assert read(tmp_path) == (
        [
            Face(
                key=CLIP,
                group="1001",
                image=Frame(tmp_path / "VideoFlash" / f"{CLIP}.flv", 0.5),
                detect=True,
                expression={"A": 0, "D": 0, "F": 0, "H": 7, "N": 2, "S": 1},
                tags=("plurality", "strict", "acted_happiness", "acted_low", "intensity_high"),
                sex="male",
                age="51",
                ethnicity="Caucasian",
            )
        ],
        {},
    )


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [(0, [0.5]), (5, [0, 0.2, 0.4, 0.6, 0.8]), (2.5, [0, 0.4, 0.8]), (0.1, [0])],
)
def test_frames_are_the_middle_or_at_equal_times(tmp_path, rate, seconds):
    tree(tmp_path, row(200_001, CLIP, H=9), frames=10)
    faces, _ = read(tmp_path, frames_per_second=rate)
    assert [face.image.seconds for face in faces] == pytest.approx(seconds)
    keys = [f"{CLIP}/{number:05d}" for number in range(len(seconds))]
    assert [face.key for face in faces] == (keys if rate else [CLIP])


@pytest.mark.parametrize("rate", [-1, 1001, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(tmp_path, rate):
    with pytest.raises(UsageError, match=r"--frames-per-second must be 0 or more, up to 1000\. Received: "):
        read(tmp_path, frames_per_second=rate)


@pytest.mark.parametrize(
    ("counts", "tags"),
    [
        ({"A": 10}, {"strict"}),
        ({"A": 5, "D": 5}, {"tied"}),
        ({"A": 5, "D": 3, "F": 2}, set()),  # 5 of 10 are not more than half
        ({"A": 5, "D": 3, "F": 1, "H": 1}, {"strict"}),  # 5 of 8 are
        ({"A": 2, "D": 1, "F": 1, "H": 1, "N": 1}, {"strict"}),
        ({"A": 1, "D": 1, "F": 1, "H": 1, "N": 1, "S": 1}, {"tied"}),
        ({"A": 1}, set()),
    ],
)
def test_strict_and_tied_by_hand(tmp_path, counts, tags):
    (face,), _ = read(tree(tmp_path, row(200_001, CLIP, **counts)))
    assert "plurality" in face.tags
    assert {"strict", "tied"} & {*face.tags} == tags


@pytest.mark.parametrize(
    ("level", "tag"),
    [(28.5, "low"), (59.9, "low"), (60, "medium"), (69.9, "medium"), (70, "high"), (100, "high"), ("NA", None)],
)
def test_intensity_of_the_face_votes_is_a_tag(tmp_path, level, tag):
    (face,), _ = read(tree(tmp_path, row(200_001, CLIP, level, A=9)))
    assert [name for name in face.tags if name.startswith("intensity")] == ([f"intensity_{tag}"] if tag else [])


def test_only_rows_of_face_votes_are_read(tmp_path):
    voice, face, both = (
        row(number, CLIP, **{letter: 9}) for number, letter in ((100_001, "A"), (200_001, "S"), (300_001, "D"))
    )
    for order in ((voice, face, both), (both, face, voice), (face, both, voice)):
        (clip,), rest = read(tree(tmp_path, *order))
        assert clip.expression["S"] == 9
        assert sum(clip.expression.values()) == 9
        assert not rest


@pytest.mark.parametrize("number", ["", "0", "20001", "2000001", "400001", "2e+05", "NA"])
def test_rows_without_a_modality_are_counted(tmp_path, number):
    tree(tmp_path, row(200_001, CLIP, A=9), row(number, "1001_IEO_HAP_HI", A=9))
    faces, rest = read(tmp_path)
    assert [face.key for face in faces] == [CLIP]
    assert rest == {
        Skip("row of votes whose number does not say for voice, face or both"): 1,
        Note("video without face votes"): 1,
    }


def test_a_table_that_lost_its_first_column_is_refused(tmp_path):
    table = write_votes(tree(tmp_path, row(200_001, CLIP, A=9)), [row(200_001, CLIP, A=9)])
    table.write_text("\n".join(line.partition(",")[2] for line in table.read_text().splitlines()))
    with pytest.raises(UsageError, match=r"no usable row of face votes.*begins with 2"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fileName": "1001_IEO_HAP"}, "row of face votes without the name of a clip"),
        ({"fileName": "1001_IEO_JOY_LO"}, "row of face votes without the name of a clip"),
        ({"fileName": "../1001_IEO_HAP_HI"}, "row of face votes without the name of a clip"),
        ({"fileName": ""}, "row of face votes without the name of a clip"),
        ({"A": ""}, "face votes are not six counts, or all of them are 0"),
        ({"A": "nan"}, "face votes are not six counts, or all of them are 0"),
        ({"A": -1}, "face votes are not six counts, or all of them are 0"),
        ({"A": 8.5}, "face votes are not six counts, or all of them are 0"),
        ({"A": 0}, "face votes are not six counts, or all of them are 0"),
        ({"numResponses": 10}, "face votes do not add up to numResponses"),
        ({"A": 10}, "face votes do not add up to numResponses"),
        ({"emoVote": "D"}, "emoVote does not name the classes with most face votes"),
        ({"emoVote": "A:D"}, "emoVote does not name the classes with most face votes"),
        ({"emoVote": "X"}, "emoVote does not name the classes with most face votes"),
        ({"emoVote": ""}, "emoVote does not name the classes with most face votes"),
    ],
)
def test_rows_that_disagree_are_counted(tmp_path, changes, reason):
    tree(tmp_path, row(200_001, CLIP, A=9))
    write_votes(tmp_path, [row(200_001, CLIP, A=9), row(200_002, "1001_IEO_HAP_HI", A=9) | changes])
    faces, rest = read(tmp_path)
    assert [face.key for face in faces] == [CLIP]
    assert rest == {Skip(reason): 1}


def test_a_clip_that_is_listed_twice_is_read_once(tmp_path):
    faces, rest = read(tree(tmp_path, row(200_001, CLIP, A=9), row(200_002, CLIP, S=9)))
    assert [face.expression["A"] for face in faces] == [9]
    assert rest == {Skip("clip listed before among the face votes"): 1}


def test_an_actor_without_a_row_is_noted(tmp_path):
    write_people(tree(tmp_path, row(200_001, CLIP, A=9)), {})
    faces, rest = read(tmp_path)
    assert [(face.sex, face.age, face.ethnicity, face.group) for face in faces] == [("", "", "", "1001")]
    assert rest == {Note("actor without a row in VideoDemographics.csv"): 1}


def test_the_clone_with_its_defects(tmp_path):
    write_repository(tmp_path)
    faces, rest = read(tmp_path)
    assert Counter(face.group for face in faces) == dict.fromkeys(("1001", "1002", "1003", "1047"), 3)
    assert rest == {
        Skip("clip is a pointer of Git LFS and not a video (git lfs pull)"): 1,
        Skip("clip cannot be opened as a video"): 1,
        Skip("clip is not in the folder"): 2,
        Skip("face votes are not six counts, or all of them are 0"): 1,
        Note("video without face votes"): 1,
    }
    assert {(face.sex, face.age, face.ethnicity) for face in faces if face.group == "1047"} == {
        ("female", "22", "Unknown, Hispanic")
    }


def test_a_clone_without_git_lfs_says_what_to_type(tmp_path):
    write_votes(tmp_path, votes(names()))
    for name in names():
        (tmp_path / f"{name}.flv").write_bytes(POINTER)
    with pytest.raises(RawFolderError) as error:
        read(tmp_path)
    assert "Not one of the 16 clips is a video: they are pointers of Git LFS." in str(error.value)
    assert "git lfs install\n    git lfs pull" in str(error.value)


def test_a_copy_with_sound_only_says_so(tmp_path):
    write_sound_only(tmp_path)
    with pytest.raises(RawFolderError, match=r"No clip like .*\.flv was found\. This copy has sound but no video"):
        read(tmp_path)


def test_a_minute_with_all_emotions_is_left_out(tmp_path):
    """As 1064_IEO_DIS_MD has it."""
    tree(tmp_path, row(200_001, CLIP, A=9))
    write_votes(tmp_path, [row(200_001, CLIP, A=9), row(200_002, "1064_IEO_DIS_MD", D=4, S=6)])
    write_clip(tmp_path / "1064_IEO_DIS_MD.flv", frames=16, rate=1)
    faces, rest = read(tmp_path)
    assert [face.key for face in faces] == [CLIP]
    assert rest == {Skip("clip longer than 15 seconds, with more than one emotion"): 1}


def test_a_clip_whose_header_has_no_duration_is_read(tmp_path):
    """As 1064_TIE_SAD_XX has it: 18 frames. FFmpeg finds the end by itself, at the time of the last frame."""
    path = tree(tmp_path, row(200_001, CLIP, A=9), frames=18) / "VideoFlash" / f"{CLIP}.flv"
    content = bytearray(path.read_bytes())
    place = content.index(b"duration") + len(b"duration") + 1
    content[place : place + 8] = bytes(8)
    path.write_bytes(content)
    (face,), rest = read(tmp_path)
    assert face.image.seconds == pytest.approx(0.85)
    assert not rest


def test_a_flash_clip_is_preferred_to_a_copy_of_it(tmp_path):
    """The owners' mirror has 1015_DFA_ANG_XX as .mp4 as well."""
    tree(tmp_path, row(200_001, CLIP, A=9))
    write_clip(tmp_path / "VideoFlash" / f"{CLIP}.mp4", codec="libx264")
    faces, rest = read(tmp_path)
    assert [face.image.video.suffix for face in faces] == [".flv"]
    assert not rest


def test_records_of_the_middle_frames_read_back(tmp_path):
    raw = tree(
        tmp_path / "raw",
        row(200_001, "1001_IEO_HAP_LO", 71, H=6, N=2),
        row(200_002, "1002_IEO_SAD_XX", 65, S=10),
        row(200_003, "1003_TSI_DIS_XX", 20, D=4, S=4),
        frames=11,
    )
    report = prepare(CremaD(), raw, tmp_path, face_detector=find_green)
    assert report["skipped"] == report["notes"] == {}
    records = {}
    for split in report["splits"]:
        folder = tmp_path / "crema_d" / CremaD.version
        for record in tfds.as_numpy(tfds.builder_from_directory(folder).as_dataset(split=split)):
            records[record["key"].decode()] = record
    assert set(records) == {"1001_IEO_HAP_LO", "1002_IEO_SAD_XX", "1003_TSI_DIS_XX"}
    labels = {key: dict(zip(CLASSES, record["expression"].tolist(), strict=True)) for key, record in records.items()}
    nothing = dict.fromkeys(CLASSES, 0)
    assert labels["1001_IEO_HAP_LO"] == nothing | {"happiness": 0.75, "neutral": 0.25}
    assert labels["1003_TSI_DIS_XX"] == nothing | {"disgust": 0.5, "sadness": 0.5}
    assert records["1003_TSI_DIS_XX"]["tags"] == b"plurality,tied,acted_disgust,intensity_low"
    assert records["1003_TSI_DIS_XX"]["ethnicity"] == b"Caucasian, Hispanic"
    assert np.isnan(records["1001_IEO_HAP_LO"]["valence"])


def test_the_record_shows_the_middle_of_its_clip(tmp_path):
    """The face of frame k begins at 8 + 2 k; frame 5 of 11 is the middle."""
    path = tree(tmp_path, row(200_001, CLIP, A=9), frames=11) / "VideoFlash" / f"{CLIP}.flv"
    (face,), _ = read(tmp_path)
    ((_, picture),) = video.frames(path, [face.image.seconds])
    assert find_green(picture)[0].box[0] == pytest.approx(8 + 2 * 5, abs=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_more_frames_make_more_records_and_no_actor_is_in_two_splits(tmp_path, layout):
    LAYOUTS[layout](tmp_path / "raw")
    one = prepare(CremaD(), tmp_path / "raw", tmp_path / "one", face_detector=find_green, max_skipped=0.5)
    more = prepare(CremaD(10), tmp_path / "raw", tmp_path / "more", face_detector=find_green, max_skipped=0.5)
    clips, frames = (sum(split["records"] for split in report["splits"].values()) for report in (one, more))
    expected = {"repository": (12, 3 * 3 + 2 * 4 + 3 * 5 + 2 * 6 + 2 * 7), "converted": (16, 16 * 3)}
    assert (clips, frames) == expected[layout]
    assert more["options"]["frames_per_second"] == 10


def test_beam_makes_the_same_records(tmp_path):
    pytest.importorskip("apache_beam")
    write_converted(tmp_path / "raw")
    here = prepare(CremaD(), tmp_path / "raw", tmp_path / "here", face_detector=find_green)
    beam = prepare(CremaD(), tmp_path / "raw", tmp_path / "beam", face_detector=find_green, beam=("DirectRunner", ()))
    assert beam == here
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / way).rglob("*tfrecord*")} for way in ("here", "beam")
    ]
    assert files[0]
    assert files[0] == files[1]


def test_an_empty_folder_says_how_to_obtain_it(tmp_path):
    with pytest.raises(RawFolderError, match=r"tabulatedVotes\.csv was not found") as error:
        read(tmp_path)
    assert "git clone https://github.com/CheyneyComputerScience/CREMA-D" in str(error.value)
