from collections import Counter

import pytest

from tests.fakes.savee import LAYOUTS, SPEAKERS, write_clip, write_prefixed, write_sound_only, write_speakers
from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders import splits
from tfrecords_builders.base import Face, Frame, RawFolderError, Skip
from tfrecords_builders.savee import Savee


def read(root, **options):
    """The faces, and the skips and notes with their counts."""
    items = list(Savee(**options).faces(root))
    rest = Counter(item for item in items if not isinstance(item, Face))
    return [item for item in items if isinstance(item, Face)], rest


def test_a_clip_by_hand(tmp_path):
    path = tmp_path / "AudioVisualClip" / "DC" / "sa3.avi"
    write_clip(path, frames=5)  # half a second
    faces, rest = read(tmp_path)
    assert faces == [
        Face(key="DC/sa3/00000", group="DC", image=Frame(path, 0.0), detect=True, expression="sa", sex="male"),
        Face(key="DC/sa3/00001", group="DC", image=Frame(path, 0.2), detect=True, expression="sa", sex="male"),
        Face(key="DC/sa3/00002", group="DC", image=Frame(path, 0.4), detect=True, expression="sa", sex="male"),
    ]
    assert not rest


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("a1", Expression.ANGER),
        ("d1", Expression.DISGUST),
        ("f1", Expression.FEAR),
        ("h1", Expression.HAPPINESS),
        ("n16", Expression.NEUTRAL),
        ("sa1", Expression.SADNESS),
        ("su1", Expression.SURPRISE),
        ("SU1", Expression.SURPRISE),
        ("JK_n20", Expression.NEUTRAL),
        ("DC_a01", Expression.ANGER),
    ],
)
def test_the_letters_of_a_name_are_the_label(tmp_path, name, expression):
    write_clip(tmp_path / "DC" / f"{name}.avi", frames=1)
    faces, _ = read(tmp_path)
    assert [Savee.expressions[face.expression] for face in faces] == [expression]


@pytest.mark.parametrize(
    ("frames", "rate", "seconds"),
    [
        (10, 5.0, [0, 0.2, 0.4, 0.6, 0.8]),
        (11, 5.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (10, 2.5, [0, 0.4, 0.8]),
        (10, 0.1, [0]),
        (3, 10.0, [0, 0.1, 0.2]),
        (1, 5.0, [0]),
    ],
)
def test_frames_are_taken_at_equal_times_from_the_start(tmp_path, frames, rate, seconds):
    write_clip(tmp_path / "DC" / "a1.avi", frames)
    faces, _ = read(tmp_path, frames_per_second=rate)
    assert [face.image.seconds for face in faces] == pytest.approx(seconds)


@pytest.mark.parametrize("rate", [0, -5, float("nan"), float("inf")])
def test_a_rate_that_gives_no_frames_is_refused(tmp_path, rate):
    write_clip(tmp_path / "DC" / "a1.avi", frames=1)
    with pytest.raises(UsageError, match=r"Frames per second must be a positive number\. Received: "):
        read(tmp_path, frames_per_second=rate)


def test_the_tree_of_the_archive_with_all_its_junk(tmp_path):
    write_speakers(tmp_path)
    faces, rest = read(tmp_path)
    assert Counter(face.group for face in faces) == dict.fromkeys(SPEAKERS, 7 * 5)
    assert Counter(face.expression for face in faces) == dict.fromkeys(Savee.expressions, 20)
    assert all(face.detect and face.box is None and face.split is None for face in faces)
    assert len({face.key for face in faces}) == len(faces)
    assert rest == {Skip("clip cannot be opened as a video"): 1}


def test_the_speaker_in_the_name_is_the_group(tmp_path):
    write_prefixed(tmp_path)
    faces, rest = read(tmp_path)
    assert Counter(face.group for face in faces) == dict.fromkeys(SPEAKERS, 3 * 5)
    assert {face.key for face in faces if face.key.endswith("/00000")} >= {"DC/a1/00000", "KL/sa3/00000"}
    assert not rest


def test_four_speakers_give_two_for_train_and_one_each_for_validation_and_test(tmp_path):
    write_speakers(tmp_path)
    write_clip(tmp_path / "KL" / "h1.avi", frames=30)  # speakers do not talk equally long
    drawn = splits.draw([face.group for face in read(tmp_path)[0]], Savee.shares)
    assert Counter(drawn.values()) == {"train": 2, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("place", "speaker"),
    [
        ("DC/a1.avi", "DC"),
        ("kl/a1.avi", "KL"),
        ("AudioVisualClip/AudioVisualClip/JE/a1.avi", "JE"),
        ("JE/clips/a1.avi", "JE"),
        ("DC/KL/a1.avi", "KL"),
        ("ALL/JK_a01.avi", "JK"),
        ("DC/JK_a01.avi", "JK"),
        ("ALL/jk_a01.AVI", "JK"),
    ],
)
def test_the_speaker_comes_from_the_name_or_the_nearest_folder(tmp_path, place, speaker):
    write_clip(tmp_path / "a.avi", frames=1)
    (tmp_path / "raw" / place).parent.mkdir(parents=True)
    (tmp_path / "a.avi").rename(tmp_path / "raw" / place)
    assert [face.group for face in read(tmp_path / "raw")[0]] == [speaker]


def test_one_speakers_folder_can_be_the_raw_folder(tmp_path):
    write_clip(tmp_path / "JE" / "a1.avi", frames=1)
    assert [face.group for face in read(tmp_path / "JE")[0]] == ["JE"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("AudioVisualClip/a1.avi", "video outside a speaker's folder"),
        ("AB/a1.avi", "video outside a speaker's folder"),
        ("DC/s1.avi", "video without an emotion in its name"),
        ("DC/sample.avi", "video without an emotion in its name"),
        ("DC/a1_cut.avi", "video without an emotion in its name"),
        ("DC/XY_a1.avi", "video without an emotion in its name"),
    ],
)
def test_videos_that_are_no_clips_are_counted(tmp_path, place, reason):
    write_clip(tmp_path / "raw" / place, frames=1)
    assert read(tmp_path / "raw") == ([], {Skip(reason): 1})


def test_a_clip_that_is_there_twice_is_read_once(tmp_path):
    for place in ("AudioVisualClip/DC/a1.avi", "ALL/DC_a01.avi"):
        write_clip(tmp_path / place, frames=1)
    faces, rest = read(tmp_path)
    assert [face.key for face in faces] == ["DC/a1/00000"]
    assert rest == {Skip("clip read before", intended=True): 1}


@pytest.mark.parametrize("content", [b"", b"no video", b"RIFF\xff\xff\xff\x7fAVI LIST"])
def test_a_clip_that_cannot_be_opened_is_counted(tmp_path, content):
    write_clip(tmp_path / "DC" / "a1.avi", frames=1)
    (tmp_path / "DC" / "a2.avi").write_bytes(content)
    faces, rest = read(tmp_path)
    assert len(faces) == 1
    assert rest == {Skip("clip cannot be opened as a video"): 1}


def test_a_header_that_claims_hours_is_not_believed(tmp_path):
    path = tmp_path / "DC" / "a1.avi"
    write_clip(path, frames=1)
    content = bytearray(path.read_bytes())
    for chunk, offset in ((b"avih", 24), (b"strh", 40)):  # where the two headers have the number of frames
        place = content.index(chunk) + offset
        content[place : place + 4] = (10_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    assert read(tmp_path) == ([], {Skip("clip longer than a minute, or of no length"): 1})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reading_twice_gives_the_same(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    assert list(Savee().faces(tmp_path)) == list(Savee().faces(tmp_path))


def test_a_copy_with_sound_only_says_so(tmp_path):
    write_sound_only(tmp_path)
    with pytest.raises(RawFolderError, match=r"This copy has sound but no video \(\.wav, no \.avi\)") as error:
        read(tmp_path)
    assert "AudioVisualClip" in str(error.value)


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"No clip like DC/a1\.avi was found") as error:
        read(tmp_path)
    assert "http://kahlan.eps.surrey.ac.uk/savee/" in str(error.value)
