import pickle

import cv2
import numpy as np
import pytest

from tfaffect.media import detector
from tfaffect.media.detector import FaceDetector
from tfrecords_builders.synthetic import Synthetic


@pytest.fixture(scope="module")
def drawn():
    """A drawn face, 128 pixels a side, and its box."""
    face = next(iter(Synthetic(subjects=1, pictures=1).faces(None)))
    return face.image(), face.box


def overlap(first, second):
    """Intersection over union of two boxes."""
    left, top, right, bottom = (*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:]))
    shared = max(0, right - left) * max(0, bottom - top)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared)


@pytest.mark.parametrize("scale", [0.5, 1, 3, 8], ids=["64", "128", "384", "1024"])
def test_a_face_is_found_at_every_size_in_pixels_of_the_picture(face_detector, drawn, scale):
    picture, box = drawn
    enlarged = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    found = FaceDetector(face_detector)(enlarged)
    assert len(found) == 1
    assert overlap(found[0].box, np.multiply(box, scale)) > 0.6
    assert 0.6 <= found[0].score <= 1


def test_the_largest_of_several_faces_comes_first(face_detector, drawn):
    picture, _ = drawn
    canvas = np.full((400, 800, 3), 128, np.uint8)
    canvas[20:148, 20:148] = picture
    canvas[50:306, 450:706] = cv2.resize(picture, None, fx=2, fy=2)
    found = FaceDetector(face_detector)(canvas)
    assert [face.centre[0] > 400 for face in found] == [True, False]
    assert found[0].area > found[1].area


@pytest.mark.parametrize("side", [180, 220, 300, 600])
def test_the_largest_face_alone_is_the_same_face(face_detector, drawn, side):
    """The quick search finds the two large ones; the small ones are left to the full search, which finds them alike."""
    frame = cv2.GaussianBlur(np.random.default_rng(0).integers(96, 160, (720, 1280, 3), np.uint8), None, 5)
    frame[50 : 50 + side, 500 : 500 + side] = cv2.resize(drawn[0], (side, side), interpolation=cv2.INTER_AREA)
    search = FaceDetector(face_detector)
    largest, every = search(frame, 1), search(frame)
    assert len(every) == 1
    assert overlap(largest[0].box, every[0].box) > 0.75
    assert (largest == every) == (side < 250)


def test_where_more_faces_are_wanted_than_a_quick_search_finds_it_goes_on(face_detector, drawn):
    frame = np.full((720, 1280, 3), 128, np.uint8)
    frame[50:450, 50:450] = cv2.resize(drawn[0], (400, 400))
    frame[500:600, 1000:1100] = cv2.resize(drawn[0], (100, 100))
    search = FaceDetector(face_detector)
    assert len(search(frame, 1)) == 1
    assert search(frame, 2) == search(frame)
    assert len(search(frame)) == 2


def test_a_quick_search_looks_at_enough_pixels_to_lose_the_noise():
    noisy = np.random.default_rng(0).normal(128, 32, (1081, 1921, 3)).clip(0, 255).astype(np.uint8)
    scaled = detector._halved_to(noisy, 320)
    assert scaled.shape == (180, 320, 3)
    assert scaled.std() < 6  # 32 / 6, as of 36 pixels; of one it would be 32


@pytest.mark.parametrize("shape", [(300, 300), (1, 1), (1, 500), (2000, 3)])
def test_a_picture_without_a_face_gives_none(face_detector, shape):
    assert FaceDetector(face_detector)(np.full((*shape, 3), 90, np.uint8)) == []


def test_the_detector_can_be_sent_to_another_process(face_detector, drawn):
    sent = FaceDetector(face_detector)
    assert pickle.loads(pickle.dumps(sent))(drawn[0]) == sent(drawn[0])
