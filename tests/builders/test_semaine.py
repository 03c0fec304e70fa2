from collections import Counter
from itertools import pairwise

import pytest

from tests.fakes.semaine import (
    write_prepared,
    write_session,
    write_sessions,
    write_trace,
    write_video,
)
from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Frame, Note, RawFolderError, Skip
from tfrecords_builders.semaine import Semaine

DOWNLOAD = "semaine-database_download_2015-03-01"
ONE_GROUP = "all sessions are one group and in train: see --no-strict-groups"


def read(root, **options):
    """The faces by key, and the counts of skips and notes."""
    items = list(Semaine(**options).faces(root))
    faces = {item.key: item for item in items if isinstance(item, Face)}
    assert len(faces) == sum(isinstance(item, Face) for item in items)
    return (
        faces,
        Counter(item.reason for item in items if isinstance(item, Skip)),
        Counter(item.defect for item in items if isinstance(item, Note)),
    )


def groups(faces):
    """The group of each session."""
    return {key.split("_")[0]: face.group for key, face in faces.items()}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semaine")
    write_sessions(folder)
    return folder


def test_the_sessions_by_hand(sessions):
    faces, skips, notes = read(sessions)
    assert skips == {
        "Beginning, End or Forbidden: not a dialogue": 1,
        "no traces of the User": 2,
        "session.xml cannot be read, or declares entities": 1,
        "no video of the User": 1,
    }
    assert notes == {}
    video = sessions / DOWNLOAD / "Sessions" / "16" / "2008.12.05.16.03.15_User Frontal Colour_Poppy.avi"
    assert video.is_file()
    assert faces["S16_0001000"] == Face(
        key="S16_0001000", group="person 7", image=Frame(video, 1.0), detect=True, valence=0.26, arousal=0.06
    )
    assert [key for key in faces if key.startswith("S16")] == [f"S16_{200 * k:07d}" for k in range(1, 15)]
    assert list(groups(faces)) == ["S2", "S3", "S4", "S5", "S16"], "sessions in the order of their numbers"


def test_people_who_met_are_one_group(sessions):
    strict, *_ = read(sessions)
    assert groups(strict) == {"S2": "person 1", "S3": "person 1", "S4": "person 3", "S5": "person 5", "S16": "person 7"}
    users, *_ = read(sessions, strict_groups=False)
    assert groups(users) == {"S2": "person 1", "S3": "person 2", "S4": "person 3", "S5": "person 5", "S16": "person 7"}


def test_people_are_linked_through_others_and_by_a_common_operator(tmp_path):
    for number, (user, operator) in enumerate([(1, 2), (3, 4), (4, 5), (6, 2), (7, 8), (5, 7)], start=1):
        write_session(tmp_path / "Sessions", number, "Poppy", user, operator)
    faces, _, notes = read(tmp_path)
    assert groups(faces) == {
        "S1": "person 1",
        "S2": "person 3",
        "S3": "person 3",
        "S4": "person 1",
        "S5": "person 3",
        "S6": "person 3",
    }
    assert notes == {}


def test_a_single_group_is_noted_for_every_session(tmp_path):
    for number, (user, operator) in enumerate([(1, 2), (2, 3), (3, 1)], start=1):
        write_session(tmp_path / "Sessions", number, "Poppy", user, operator)
    faces, _, notes = read(tmp_path)
    assert notes == {ONE_GROUP: 3}
    assert {face.group for face in faces.values()} == {"person 1"}
    faces, _, notes = read(tmp_path, strict_groups=False)
    assert notes == {}
    assert {face.group for face in faces.values()} == {"person 1", "person 2", "person 3"}


def test_people_in_sessions_that_are_left_out_link_nobody(tmp_path):
    write_session(tmp_path / "Sessions", 1, "Poppy", 1, 2)
    write_session(tmp_path / "Sessions", 2, "Poppy", 3, 4)
    write_session(tmp_path / "Sessions", 3, "End", 1, 3)
    assert groups(read(tmp_path)[0]) == {"S1": "person 1", "S2": "person 3"}


def test_raters_of_different_length_are_averaged_over_those_who_go_on(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    write_trace(tmp_path / "Sessions" / "2", "A6R2TUCPo2DV.txt", 2, -0.05, samples=100)
    faces, *_ = read(tmp_path)
    assert faces["S2_0001800"].valence == 0.2
    assert faces["S2_0002200"].valence == pytest.approx(0.02 + 0.22 + 0.05), "only rater 1 is left"


def test_traces_of_the_operator_and_of_power_are_not_the_users_affect(sessions):
    faces, *_ = read(sessions)
    folder = sessions / DOWNLOAD / "Sessions" / "3"
    assert (folder / "R1S3TOCObDV.txt").is_file()
    assert (folder / "R1S3TUCObDP.txt").is_file()
    assert (faces["S3_0001000"].valence, faces["S3_0001000"].arousal) == (0.13, -0.07)


def test_the_camera_is_on_the_users_face_and_in_colour(tmp_path):
    cameras = ("Profile Colour", "Frontal Greyscale", "Frontal Colour", "Left Colour")
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2, cameras=cameras)
    faces, _, notes = read(tmp_path)
    assert faces["S2_0001000"].image.video.name == "2008.12.05.16.03.15_User Frontal Colour_Poppy.avi"
    assert notes == {ONE_GROUP: 1}


def test_a_grey_camera_is_better_than_none_and_noted(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2, cameras=("Greyscale", "Profile Greyscale"))
    faces, _, notes = read(tmp_path)
    assert faces["S2_0001000"].image.video.name == "2008.12.05.16.03.15_User Greyscale_Poppy.avi"
    assert notes["the only camera on the User is grey"] == 1


def test_of_several_cameras_the_first_by_name_is_taken_and_noted(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2, cameras=("B", "A"))
    faces, _, notes = read(tmp_path)
    assert faces["S2_0001000"].image.video.name == "2008.12.05.16.03.15_User A_Poppy.avi"
    assert notes["several cameras on the User: the first by name is read"] == 1


def test_names_of_any_letters_and_cases_are_read(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", "Zoë", "Ωmega", cameras=())
    write_video(tmp_path / "Sessions" / "2" / "été user.AVI")
    faces, *_ = read(tmp_path)
    assert faces["S2_0001000"].group == "person Zoë"


def test_a_rater_who_traced_twice_is_noted(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    write_trace(tmp_path / "Sessions" / "2", "R1S2TUCPo2DV.txt", 2, 0.3)
    faces, _, notes = read(tmp_path)
    assert faces["S2_0001000"].valence == 0.22
    assert notes["a rater traced the session twice: both count"] == 1


def test_traces_with_nothing_in_them_and_wrong_ratings_are_noted(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    folder = tmp_path / "Sessions" / "2"
    (folder / "R9S2TUCPoDV.txt").write_text("\n")
    (folder / "A6R2TUCPo2DV.txt").write_text("0.02 nan\n0.04 7\n0.06 inf\n0.08 x\n")
    faces, _, notes = read(tmp_path)
    assert faces["S2_0001000"].valence == 0.17
    assert notes["a trace without ratings"] == 2


def test_a_session_with_valence_alone_is_kept_and_noted(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    for path in (tmp_path / "Sessions" / "2").glob("*DA.txt"):
        path.unlink()
    faces, _, notes = read(tmp_path)
    assert (faces["S2_0001000"].valence, faces["S2_0001000"].arousal) == (0.12, None)
    assert notes["recording with ratings of valence only"] == 1


def test_traces_in_another_unit_are_refused(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    (tmp_path / "Sessions" / "2" / "R1S2TUCPoDV.txt").write_text("0.02 50\n0.04 80\n0.06 -100\n")
    with pytest.raises(UsageError, match=r"R1S2TUCPoDV\.txt has 3 ratings outside \[-1, 1\], up to 100"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"<session><subject", "session.xml cannot be read, or declares entities"),
        (b"", "session.xml cannot be read, or declares entities"),
        (b'<?xml version="1.0" encoding="klingon"?><session/>', "session.xml cannot be read, or declares entities"),
        (b"<!DOCTYPE session><session/>", "session.xml cannot be read, or declares entities"),
        (
            '<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "b">]><session/>'.encode("utf-16"),
            "session.xml cannot be read, or declares entities",
        ),
        (
            b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><session><subject id="&a;" role="User"/></session>',
            "session.xml cannot be read, or declares entities",
        ),
        (b'<session character="Poppy"><subject id="1"/></session>', "session.xml does not name the User"),
        (b'<session character=" FORBIDDEN "/>', "Beginning, End or Forbidden: not a dialogue"),
        (None, "no session.xml: the User is not known"),
    ],
)
def test_descriptions_that_cannot_be_used_skip_the_session(tmp_path, xml, reason):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    write_session(tmp_path / "Sessions", 3, "Poppy", 3, 4)
    path = tmp_path / "Sessions" / "3" / "session.xml"
    path.unlink() if xml is None else path.write_bytes(xml)
    faces, skips, _ = read(tmp_path)
    assert skips == {reason: 1}
    assert set(groups(faces)) == {"S2"}


def test_a_session_without_an_operator_is_kept(tmp_path):
    write_session(tmp_path / "Sessions", 2, "Poppy", 1, 2)
    write_session(tmp_path / "Sessions", 3, "Poppy", 3, 4)
    for number in (2, 3):
        path = tmp_path / "Sessions" / str(number) / "session.xml"
        path.write_text(f'<session character="Poppy"><subject id="{number}" role="USER"/></session>')
    assert groups(read(tmp_path)[0]) == {"S2": "person 2", "S3": "person 3"}


def test_a_prepared_copy_gives_the_ratings_that_sessions_lack(tmp_path):
    write_prepared(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert skips == {"no traces of the User": 1}
    assert notes == {}
    assert (faces["S4_0001000"].valence, faces["S4_0001000"].arousal) == (0.14, -0.06)
    assert len(groups(faces)) == 4


def test_sessions_that_a_loader_renamed_find_their_prepared_ratings(tmp_path):
    write_prepared(tmp_path)
    (tmp_path / "Sessions" / "4").rename(tmp_path / "Sessions" / "4_NA")
    assert read(tmp_path)[0]["S4_NA_0001000"].valence == 0.14


def test_the_columns_of_a_prepared_copy_go_by_name(tmp_path):
    write_prepared(tmp_path)
    table = tmp_path / "TrainingInput" / "4" / "TU_VA.csv"
    rows = [row.split(",")[::-1] for row in table.read_text().splitlines()]
    table.write_bytes(("\ufeff" + "\r\n".join(";".join(row) for row in rows)).encode())
    assert read(tmp_path)[0]["S4_0001000"].valence == 0.14
    table.write_text("Time,Arousal\n0.02,0\n")
    with pytest.raises(UsageError, match=r"lacks the columns \['valence'\]. Received: \['time', 'arousal'\]"):
        read(tmp_path)


def test_a_sessions_own_traces_win_over_the_prepared_copy(tmp_path):
    write_prepared(tmp_path)
    write_trace(tmp_path / "Sessions" / "4", "R1S4TUCPoDV.txt", 4, 0.5)
    faces, *_ = read(tmp_path)
    assert (faces["S4_0001000"].valence, faces["S4_0001000"].arousal) == (0.64, None)


def test_the_delay_takes_later_ratings(sessions):
    faces, *_ = read(sessions, annotation_delay=1.0, frames_per_second=1)
    assert [(key, face.valence) for key, face in faces.items() if key.startswith("S4")] == [
        ("S4_0000000", 0.14),
        ("S4_0001000", 0.24),
    ]


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"session\.xml") as error:
        read(tmp_path)
    assert "There is no folder Sessions" in str(error.value)
    (tmp_path / "Sessions").mkdir()
    with pytest.raises(RawFolderError, match="holds no session"):
        read(tmp_path)


def test_sessions_one_folder_deeper_are_found(tmp_path):
    write_sessions(tmp_path / "unpacked")
    assert set(groups(read(tmp_path)[0])) == {"S2", "S3", "S4", "S5", "S16"}


def test_reading_twice_gives_the_same(sessions):
    first = list(Semaine().faces(sessions))
    assert first == list(Semaine().faces(sessions))
    times = [(item.image.video, item.image.seconds) for item in first if isinstance(item, Face)]
    assert all(one[1] < other[1] for one, other in pairwise(times) if one[0] == other[0])
