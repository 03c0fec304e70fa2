import json
from collections import Counter

import cv2
import numpy as np
import pytest

from tests.fakes.afew_va import FACE, LAYOUTS, frame, landmarks, write_clip, write_flat, write_frame, write_zips
from tfrecords_builders import splits
from tfrecords_builders.afew_va import AfewVa
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.record import affect

BOX = tuple(map(float, FACE))
NO_LANDMARKS = Note("frame without 68 landmarks: the face is detected")
OUTSIDE = Note("landmarks of the clip lie outside its frames: the face is detected")
MISSING = Note("valence or arousal missing")
OUT_OF_RANGE = Note("valence or arousal outside [-10, 10]: left out")
NEITHER = Skip("frame with neither valence nor arousal")


def read(root):
    """The faces, and the skips and notes with their counts."""
    items = list(AfewVa().faces(root))
    rest = Counter(item for item in items if not isinstance(item, Face))
    return [item for item in items if isinstance(item, Face)], rest


def read_one(root, facts, pictures=None):
    write_clip(root / "001", "Jane Roe", {"00000": facts}, pictures)
    faces, rest = read(root)
    return (faces[0] if faces else None), rest


def test_a_clip_by_hand(tmp_path):
    frames = {"00010": frame(-3, 4), "00009": frame(10, -10, box=(31.5, 20, 60, 52.25)), "00000": frame(0, 1)}
    write_clip(tmp_path / "AFEW-VA" / "001", " Jane  ROE ", frames)
    faces, rest = read(tmp_path)
    folder = tmp_path / "AFEW-VA" / "001"
    assert faces == [
        Face(key="001/00000", group="jane roe", image=folder / "00000.png", box=BOX, valence=0.0, arousal=1.0),
        Face(
            key="001/00009",
            group="jane roe",
            image=folder / "00009.png",
            box=(31.5, 20.0, 60.0, 52.25),
            valence=10.0,
            arousal=-10.0,
        ),
        Face(key="001/00010", group="jane roe", image=folder / "00010.png", box=BOX, valence=-3.0, arousal=4.0),
    ]
    assert not rest


def test_frames_come_by_number_and_not_by_text(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {name: frame(1, 1) for name in ("100000", "99999", "00002")})
    assert [face.key for face in read(tmp_path)[0]] == ["001/00002", "001/99999", "001/100000"]


def test_minus_ten_to_ten_becomes_minus_one_to_one():
    assert [affect(value, AfewVa.affect_range) for value in (-10, 0, 5, 10)] == [-1, 0, 0.5, 1]


def test_one_actor_is_one_group_over_clips_and_spellings(tmp_path):
    for clip, actor in (("001", "Zoë Roe"), ("002", " zoë roe\n"), ("003", "ZOË  ROE"), ("004", "Zoë Roe Jr")):
        write_clip(tmp_path / clip, actor, {"00000": frame(1, 1)})
    assert [face.group for face in read(tmp_path)[0]] == ["zoë roe"] * 3 + ["zoë roe jr"]


@pytest.mark.parametrize(
    ("valence", "arousal", "kept", "notes"),
    [
        ("3", "-4", (3.0, -4.0), {}),
        (2.5, "1e0", (2.5, 1.0), {}),
        (None, 4, (None, 4.0), {MISSING: 1}),
        (float("nan"), 4, (None, 4.0), {MISSING: 1}),
        (4, float("inf"), (4.0, None), {MISSING: 1}),
        (4, "NA", (4.0, None), {MISSING: 1}),
        (4, True, (4.0, None), {MISSING: 1}),
        (4, [4], (4.0, None), {MISSING: 1}),
        (11, 4, (None, 4.0), {OUT_OF_RANGE: 1}),
        (-10, -10.5, (-10.0, None), {OUT_OF_RANGE: 1}),
        (99, "", (None, None), {NEITHER: 1}),
    ],
)
def test_valence_and_arousal_are_read_each_on_its_own(tmp_path, valence, arousal, kept, notes):
    face, rest = read_one(tmp_path, frame(valence, arousal))
    assert (face and (face.valence, face.arousal)) == (None if kept == (None, None) else kept)
    assert rest == notes


@pytest.mark.parametrize("facts", [None, 3, [], "text", {}])
def test_a_frame_without_labels_is_counted(tmp_path, facts):
    assert read_one(tmp_path, facts) == (None, {NEITHER: 1})


@pytest.mark.parametrize(
    "points",
    [
        None,
        [],
        landmarks(*FACE)[:67],
        [[1, 2]] * 68,
        [[1, 2, 3]] * 68,
        [*landmarks(*FACE)[:67], [1]],
        [*landmarks(*FACE)[:67], [float("nan"), 1]],
        [*landmarks(*FACE)[:67], ["a", "b"]],
        [*landmarks(*FACE)[:67], [10**400, 1]],
        {"x": 1},
        "none",
    ],
)
def test_a_frame_without_68_landmarks_is_detected(tmp_path, points):
    face, rest = read_one(tmp_path, {"valence": 1, "arousal": 2, "landmarks": points})
    assert (face.box, face.detect, face.valence) == (None, True, 1.0)
    assert rest == {NO_LANDMARKS: 1}


@pytest.mark.parametrize(
    ("box", "believed"),
    [
        ((0, 0, 96, 72), True),
        ((-9.6, -7.2, 105.6, 79.2), True),
        ((-9.7, 10, 50, 50), False),
        ((10, -7.3, 50, 50), False),
        ((10, 10, 105.7, 50), False),
        ((10, 10, 50, 79.3), False),
    ],
)
def test_landmarks_may_leave_the_frame_by_a_tenth_of_its_side(tmp_path, box, believed):
    face, rest = read_one(tmp_path, frame(1, 1, box=box))  # a frame of 96 x 72
    assert (face.box, face.detect) == ((tuple(map(float, box)), False) if believed else (None, True))
    assert rest == ({} if believed else {OUTSIDE: 1})


def test_one_hull_outside_of_the_frame_discredits_its_clip_and_no_other(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1), "00001": frame(1, 1, box=(90, 20, 120, 50))})
    write_clip(tmp_path / "002", "Jane Roe", {"00000": frame(1, 1)})
    faces, rest = read(tmp_path)
    assert [(face.key, face.detect) for face in faces] == [
        ("001/00000", True),
        ("001/00001", True),
        ("002/00000", False),
    ]
    assert rest == {OUTSIDE: 2}


def test_the_size_comes_from_the_header_of_the_first_frame_that_has_one(tmp_path):
    frames = {f"{number:05d}": frame(1, 1, box=(100, 20, 130, 50)) for number in range(4)}
    write_clip(tmp_path / "001", "Jane Roe", frames, pictures=[])  # the first picture is missing
    (tmp_path / "001" / "00001.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "001" / "a.jpg"), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "001" / "a.jpg").rename(tmp_path / "001" / "00002.png")  # a JPEG in truth
    write_frame(tmp_path / "001" / "00003.png", width=140)
    assert not any(face.detect for face in read(tmp_path)[0])
    write_frame(tmp_path / "001" / "00003.png", width=96)
    assert all(face.detect for face in read(tmp_path)[0])


def test_only_the_header_of_a_frame_is_read(tmp_path):
    face, _ = read_one(tmp_path, frame(1, 1, box=(100, 20, 130, 50)))
    assert face.detect
    png = tmp_path / "001" / "00000.png"
    png.write_bytes(png.read_bytes()[:24])
    assert read(tmp_path)[0] == [face]


def test_landmarks_are_believed_where_no_frame_tells_its_size(tmp_path):
    face, rest = read_one(tmp_path, frame(1, 1, box=(1000, 20, 1030, 50)), pictures=[])
    assert face.box == (1000.0, 20.0, 1030.0, 50.0)
    assert not rest


def test_a_frame_without_a_picture_is_left_to_the_base_to_count(tmp_path):
    face, rest = read_one(tmp_path, frame(1, 1), pictures=[])
    assert face.image == tmp_path / "001" / "00000.png"
    assert not rest


def test_a_picture_without_an_annotation_is_counted(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1)}, pictures=["00000", "00001", "thumbnail"])
    faces, rest = read(tmp_path)
    assert len(faces) == 1
    assert rest == {Note("picture without an annotation"): 2}


def test_pictures_are_found_whatever_the_case_of_their_extension(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1)})
    (tmp_path / "001" / "00000.png").rename(tmp_path / "001" / "00000.PNG")
    faces, rest = read(tmp_path)
    assert [face.image.name for face in faces] == ["00000.PNG"]
    assert not rest


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "annotation file of a clip is not readable JSON"),
        ('{"actor": "Jane Roe", "frames": {"000', "annotation file of a clip is not readable JSON"),
        ("[" * 100_000, "annotation file of a clip is not readable JSON"),
        ("[1]", "annotation file of a clip has no frames"),
        ('{"actor": "Jane Roe"}', "annotation file of a clip has no frames"),
        ('{"actor": "Jane Roe", "frames": [1]}', "annotation file of a clip has no frames"),
        ('{"frames": {}}', "clip without an actor's name, by which splits are drawn"),
        ('{"actor": " ", "frames": {}}', "clip without an actor's name, by which splits are drawn"),
    ],
)
def test_a_broken_annotation_file_costs_its_clip_and_no_other(tmp_path, text, reason):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1)})
    write_clip(tmp_path / "002", "Jane Roe", {"00000": frame(1, 1)})
    (tmp_path / "001" / "001.json").write_text(text)
    faces, rest = read(tmp_path)
    assert [face.key for face in faces] == ["002/00000"]
    assert rest == {Skip(reason): 1}


def test_bytes_that_are_no_text_are_no_json(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1)})
    (tmp_path / "001" / "001.json").write_bytes(b'{"actor": "\xff\xfe"}')
    assert read(tmp_path) == ([], {Skip("annotation file of a clip is not readable JSON"): 1})


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1)})
    path = tmp_path / "001" / "001.json"
    lines = json.dumps(json.loads(path.read_text()), indent=1).replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode())
    assert [face.key for face in read(tmp_path)[0]] == ["001/00000"]


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "actor", "-1", ""])
def test_frames_without_a_number_are_counted(tmp_path, name):
    write_clip(tmp_path / "001", "Jane Roe", {name: frame(1, 1), "00000": frame(1, 1)}, pictures=["00000"])
    faces, rest = read(tmp_path)
    assert [face.key for face in faces] == ["001/00000"]
    assert rest == {Skip("frame without a number"): 1}


def test_a_clip_that_is_there_twice_is_read_once(tmp_path):
    write_clip(tmp_path / "01" / "copy" / "001", "Jane Roe", {"00000": frame(1, 1)})
    write_clip(tmp_path / "AFEW-VA" / "001", "Jane Roe", {"00000": frame(2, 2)})
    faces, rest = read(tmp_path)
    assert [(face.key, face.valence) for face in faces] == [("001/00000", 2.0)]
    assert rest == {Skip("clip read before", intended=True): 1}


def test_cropped_twins_and_other_json_files_are_ignored(tmp_path):
    write_clip(tmp_path / "001", "Jane Roe", {"00000": frame(1, 1)})
    for folder in ("001_cropped", "AFEW-VA_Cropped/002", "notes", "003/extra"):
        write_clip(tmp_path / folder, "Jane Roe", {"00000": frame(1, 1)})
        (tmp_path / folder / "001.json").write_text("{}")
    assert [face.key for face in read(tmp_path)[0]] == ["001/00000"]


def test_the_flat_tree_with_all_its_defects(tmp_path):
    write_flat(tmp_path)
    faces, rest = read(tmp_path)
    assert Counter(face.key[:3] for face in faces) == {**{f"00{clip}": 12 for clip in range(1, 8)}, "008": 9}
    assert Counter(face.detect for face in faces) == {False: 80, True: 13}
    assert len({face.group for face in faces}) == 5
    assert rest == {
        OUTSIDE: 12,
        NO_LANDMARKS: 1,
        Note("picture without an annotation"): 1,
        Skip("annotation file of a clip is not readable JSON"): 1,
    }


def test_zips_in_folders_of_their_own_give_the_same_clips(tmp_path):
    write_zips(tmp_path)
    faces, rest = read(tmp_path)
    assert sorted({face.key[:3] for face in faces}) == ["049", "050", "099", "100", "149", "150", "199", "200"]
    assert not rest
    drawn = splits.draw([face.group for face in faces], AfewVa.shares)
    assert set(drawn.values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reading_twice_gives_the_same(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    assert list(AfewVa().faces(tmp_path)) == list(AfewVa().faces(tmp_path))


def test_a_folder_without_clips_says_what_is_expected(tmp_path):
    (tmp_path / "001").mkdir()
    (tmp_path / "01.zip").write_bytes(b"PK")
    with pytest.raises(RawFolderError, match=r"No folder NNN/ with a file NNN\.json") as error:
        read(tmp_path)
    assert "https://ibug.doc.ic.ac.uk/resources/afew-va-database/" in str(error.value)
