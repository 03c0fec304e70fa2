"""Which face goes to whom, and that every picture and clip is decoded once."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests import ROOT, clips
from tests.builders.test_corpora import find_green
from tfaffect.labels import Expression
from tfaffect.media import faces
from tfaffect.media.detector import Detection, FaceDetector
from tfrecords_builders import workers
from tfrecords_builders.base import Face, Frame, Skip
from tfrecords_builders.record import NO_FACE, Maker, assign, source
from tfrecords_builders.synthetic import Synthetic

make = Maker({"happy": Expression.HAPPINESS}, (-1.0, 1.0), find_green)


def person(box=None, number=0, image=None, **facts):
    return Face(**{"key": f"k{number}", "group": "g", "image": image, "box": box, "detect": True, **facts})


def at(x, y, size=20):
    return Detection((x - size / 2, y - size / 2, x + size / 2, y + size / 2), 0.9)


def test_a_person_gets_the_face_whose_centre_lies_in_the_body():
    inside, outside = at(50, 20), at(150, 20)
    assert assign([person((0, 0, 100, 200))], [outside, inside], (200, 200)) == [inside.box]
    assert assign([person((0, 0, 100, 200))], [outside], (200, 200)) == [None]
    touching = at(101, 20, size=40)  # it overlaps the body, but its centre is outside
    assert assign([person((0, 0, 100, 200))], [touching], (200, 200)) == [None]


def test_one_face_never_goes_to_two_persons():
    people = [person((0, 0, 100, 200)), person((20, 0, 140, 200))]
    face = at(50, 20)
    assert assign(people, [face], (200, 200)) == [face.box, None]  # nearer to the middle of the first
    assert assign(people, [], (200, 200)) == [None, None]


def test_as_many_persons_as_possible_get_a_face():
    first, second = at(50, 20), at(120, 20)
    wide, narrow = person((0, 0, 140, 200)), person((0, 0, 100, 200))
    # the wide body holds both faces and the narrow one only the first, which is nearer to the wide one's middle
    assert assign([wide, narrow], [first, second], (200, 200)) == [second.box, first.box]


def test_a_face_without_a_body_is_the_largest_one():
    small, large = at(20, 20, 10), at(100, 100, 60)
    assert assign([person()], [large, small], (200, 200)) == [large.box]
    assert assign([person(), person()], [large, small], (200, 200)) == [large.box, small.box]


def test_faces_with_boxes_keep_them_beside_faces_to_be_found():
    own = Face(key="own", group="g", image=None, box=(1, 2, 3, 4))
    found = at(50, 20)
    assert assign([own, person((0, 0, 100, 200))], [found], (200, 200)) == [(1, 2, 3, 4), found.box]


def test_where_no_face_is_found_the_annotation_is_skipped():
    grey = partial(np.full, (60, 60, 3), 128, np.uint8)
    assert make([person(image=grey)]) == [NO_FACE]


def test_the_crop_of_a_found_face_is_that_of_a_given_box():
    picture = np.full((200, 200, 3), 128, np.uint8)
    picture[60:100, 80:110] = (0, 255, 0)
    found, given = make(
        [person(image=picture.copy), Face(key="k", group="g", image=picture.copy, box=(80, 60, 110, 100))]
    )
    assert faces.decode(found["image"]).shape == (48, 48, 3)  # 40 pixels and a margin of a tenth on each side
    assert found["image"] == given["image"]


def test_a_real_detector_finds_the_face_that_was_drawn(face_detector):
    drawn = next(iter(Synthetic(subjects=1, pictures=1).faces(None)))
    (record,) = Maker({}, (-1, 1), FaceDetector(face_detector))([person(image=drawn.image)])
    crop = faces.decode(record["image"])
    expected = faces.crop(drawn.image(), drawn.box)
    assert crop.shape[0] == pytest.approx(expected.shape[0], rel=0.25)


def clip(path, count=20):
    """Write a clip of which frame k has a green square of 30 + k pixels."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 120))
    for number in range(count):
        frame = np.full((120, 160, 3), 128, np.uint8)
        frame[20 : 50 + number, 30 : 60 + number] = (0, 255, 0)
        writer.write(frame)
    writer.release()
    return path


def test_frames_are_cropped_in_order_and_those_after_the_end_are_skipped(tmp_path):
    film = clip(tmp_path / "film.avi", count=20)
    outcomes = make([person(number=n, image=Frame(film, n / 2)) for n in range(6)])
    sides = [None if isinstance(outcome, Skip) else faces.decode(outcome["image"]).shape[0] for outcome in outcomes]
    assert sides[:4] == pytest.approx([36, 42, 48, 54], abs=3)  # 1.2 times 30, 35, 40 and 45 pixels
    assert outcomes[4:] == [Skip("video ends before this frame")] * 2


def test_a_video_that_cannot_be_read_costs_its_frames_only(tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"no video")
    outcomes = make([person(number=n, image=Frame(tmp_path / "broken.avi", n)) for n in range(3)])
    assert outcomes == [Skip("video missing or cannot be decoded")] * 3


def test_a_frame_that_cannot_be_decoded_is_skipped_and_moves_no_other(tmp_path):
    film = clip(tmp_path / "film.avi")
    content = bytearray(film.read_bytes())
    starts = [place for place in range(len(content)) if content[place : place + 3] == b"\xff\xd8\xff"]
    content[starts[5] : starts[6] - 16] = bytes(starts[6] - 16 - starts[5])
    film.write_bytes(content)
    outcomes = make([person(number=n, image=Frame(film, n / 2)) for n in range(4)])
    assert outcomes[1] == Skip("video frame cannot be decoded")
    sides = [faces.decode(outcomes[place]["image"]).shape[0] for place in (0, 2, 3)]
    assert sides == pytest.approx([36, 48, 54], abs=3)


@pytest.mark.parametrize("name", ["camera.mp4", "broadcast.ts", "pal.dv"])
def test_faces_of_interlaced_video_are_not_combed(tmp_path, name):
    pictures = []
    for number in range(20):
        picture = np.full((576, 720, 3), 60, np.uint8)
        picture[144:432, 100 + 8 * number : 220 + 8 * number] = 220
        pictures.append(picture)
    film = clips.write_interlaced(tmp_path / name, pictures)
    people = [person(number=n, image=Frame(film, n / 25), detect=False) for n in range(0, 10, 3)]
    for outcome in make(people):
        rows = faces.decode(outcome["image"]).astype(int)
        assert np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean() < 2


def test_a_picture_is_read_upright_unless_a_box_refers_to_its_pixels(tmp_path):
    """A phone stores a portrait photo sideways, and notes the rotation."""
    note, stored = Image.Exif(), np.zeros((40, 60, 3), np.uint8)
    note[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    stored[:, :30] = 200  # bright on the left, so on top when it is shown
    Image.fromarray(stored).save(tmp_path / "phone.jpg", exif=note, quality=95)
    (shown,) = make([person(image=tmp_path / "phone.jpg", detect=False)])
    upright = faces.decode(shown["image"])
    assert upright.shape == (60, 40, 3)
    assert upright[:25].mean() > 190
    (cropped,) = make([person((0, 0, 20, 20), image=tmp_path / "phone.jpg", detect=False)])
    assert faces.decode(cropped["image"]).mean() > 190


def test_chunks_part_no_picture_and_no_clip(tmp_path):
    photos = [person(number=n, image=tmp_path / f"{n // 3}.jpg") for n in range(100)]
    film = [person(number=n, image=Frame(tmp_path / "film.avi", n)) for n in range(500)]
    chunks = list(workers.chunks([*photos, *film]))
    assert [face for chunk in chunks for face in chunk] == [*photos, *film]
    sources = [{source(face) for face in chunk} for chunk in chunks]
    assert sum(map(len, sources)) == len(set().union(*sources)) == 35
    assert max(len(chunk) for chunk in chunks[:-1]) < workers.CHUNK + 3


def test_a_picture_of_several_faces_is_decoded_once():
    decoded = []

    class Counting:
        def __call__(self):
            decoded.append(self)
            return np.full((80, 80, 3), 9, np.uint8)

    photo = Counting()
    people = [Face(key=f"k{n}", group="g", image=photo, box=(n, n, n + 20, n + 20)) for n in range(5)]
    assert len(make(people)) == 5
    assert len(decoded) == 1


@pytest.mark.slow
def test_many_processes_give_what_one_gives(tmp_path):
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((30, 40, 3), number, np.uint8))
    film = clip(tmp_path / "film.avi")
    given = [
        *(Face(key=f"p{n}", group="g", image=tmp_path / f"{n}.png") for n in range(41)),
        *(person(number=n, image=Frame(film, n / 10)) for n in range(20)),
    ]
    with workers.worker_pool(1) as here, workers.worker_pool(2) as there:
        alone, together = (
            {face.key: pixels_or_skip(outcome) for face, outcome in run(make, given)} for run in (here, there)
        )
    assert alone == together
    assert alone["p40"] == Skip("picture file missing or unreadable")
    assert len({str(outcome) for outcome in alone.values()}) == 61


def pixels_or_skip(outcome):
    return outcome if isinstance(outcome, Skip) else outcome["image"]


BUILD = """
import os
from pathlib import Path
from tfrecords_builders import workers
from tfrecords_builders.base import Face

def make(faces):
    os.write(1, f"{os.getpid()}\\n".encode())  # at once: two processes write
    return [None] * len(faces)

if __name__ == "__main__":
    with workers.worker_pool(2) as run:
        for _ in run(make, [Face(key=str(n), group="g", image=Path(str(n))) for n in range(1000)]):
            pass
        print("all", flush=True)
        input()
"""


def test_workers_end_when_a_build_is_killed(tmp_path):
    (tmp_path / "build.py").write_text(BUILD)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    build = subprocess.Popen([sys.executable, tmp_path / "build.py"], env=environment, **pipes)
    pids = set(iter(lambda: build.stdout.readline().strip(), "all"))
    assert 1 <= len(pids) <= 2
    build.kill()
    build.communicate()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its build"
        time.sleep(0.05)


def is_running(pid):
    """Whether a process is there and not a zombie that only its new parent must collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
