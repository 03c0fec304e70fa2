"""The detector's network in LiteRT against the same file in OpenCV, which its owners run it in."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from tfaffect.media import yunet
from tfrecords_builders.synthetic import Synthetic


@pytest.fixture(scope="module")
def crowd():
    """Two drawn people at four sizes, some of them cut off by the border, some overlapping; RGB."""
    people = [face.image() for face in Synthetic(subjects=2, pictures=2).faces(None)][:2]
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(60, 200, (400, 640, 3), np.uint8), (0, 0), 4)
    places = [
        (0, 0, 192),
        (0, 200, 128),
        (30, 250, 128),
        (10, 400, 64),
        (150, 480, 256),
        (230, 40, 40),
        (320, 100, 120),
    ]
    for number, (top, left, side) in enumerate(places):
        part = picture[top : top + side, left : left + side]
        part[:] = cv2.resize(people[number % 2], (side, side), interpolation=cv2.INTER_AREA)[
            : len(part), : part.shape[1]
        ]
    return picture


def in_opencv(weights, picture, min_score):
    """Rows of OpenCV's detector, (n, 15)."""
    net = cv2.FaceDetectorYN.create(str(weights), "", picture.shape[1::-1], min_score, yunet.OVERLAP, 5000)
    _, rows = net.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return np.zeros((0, 15)) if rows is None else rows


@pytest.mark.parametrize(("width", "height"), [(640, 400), (320, 200), (200, 320), (333, 191), (96, 640)])
def test_faces_are_those_of_opencv(face_detector, crowd, width, height):
    """Low confidence gives many faces, and pairs of which one is dropped. 0.6 is what users have."""
    picture = cv2.resize(crowd, (width, height), interpolation=cv2.INTER_AREA)
    for min_score in (0.6, 0.3, 0.05):
        expected, found = in_opencv(face_detector, picture, min_score), yunet.search(face_detector, picture, min_score)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found[:, :14], expected[:, :14], atol=2e-3)
        np.testing.assert_allclose(found[:, 14], expected[:, 14], atol=1e-5)
    assert len(found) > 5 or width < 320


def test_a_picture_leaves_nothing_behind_for_the_next_one(face_detector, crowd):
    """Both have the same size of input, 640 x 416; the smaller one does not see the end of the larger one."""
    alone = yunet.search(face_detector, crowd[:390, :620], 0.3)
    yunet.search(face_detector, crowd, 0.3)
    assert np.array_equal(yunet.search(face_detector, crowd[:390, :620], 0.3), alone)


def test_threads_do_not_mix_their_pictures(face_detector, crowd):
    pictures = [crowd, crowd[:, ::-1], crowd[::-1], crowd[:, :320]] * 4
    expected = [yunet.search(face_detector, picture, 0.3) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: yunet.search(face_detector, picture, 0.3), pictures))
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


def test_few_networks_are_kept_whatever_the_sizes_of_pictures(face_detector, monkeypatch):
    """Those stay that were used last, together at most PIXELS_KEPT. A larger one stays alone."""
    monkeypatch.setattr(yunet, "_kept", yunet._Kept())
    for height in range(32, 672, 32):
        yunet.search(face_detector, np.zeros((height, 640, 3), np.uint8), 0.6)
    sizes = [size[1:] for size in yunet._kept.networks]
    assert sizes == [(608, 640), (640, 640)]
    yunet.search(face_detector, np.zeros((1024, 1024, 3), np.uint8), 0.6)
    assert [size[1:] for size in yunet._kept.networks] == [(1024, 1024)]
