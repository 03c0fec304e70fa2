"""Parts of a frame that are read without converting all of it, against the complete picture."""

import av
import cv2
import numpy as np
import pytest

from tests import clips
from tfaffect.media import video
from tfaffect.media.detector import FaceDetector
from tfaffect.media.faces import crop
from tfaffect.media.views import View, shrink
from tfrecords_builders.synthetic import Synthetic


def frame(width, height, format="yuv420p", matrix=2, limits=0, blur=0):
    """A frame of noise. matrix, limits: FFmpeg's numbers of the colour space and of the range of values."""
    made, rng = av.VideoFrame(width, height, format), np.random.default_rng(0)
    for plane in made.planes:
        values = rng.integers(0, 256, (plane.height, plane.line_size), np.uint8)
        values = cv2.GaussianBlur(values, (0, 0), blur) if blur else values
        np.frombuffer(plane, np.uint8).reshape(values.shape)[:] = values
    made.colorspace, made.color_range = matrix, limits
    return made


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (854, 480), (322, 242), (34, 18)])
@pytest.mark.parametrize("format", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize(("matrix", "limits"), [(2, 0), (1, 1), (5, 2), (9, 1)])
def test_a_part_is_exactly_that_of_the_complete_picture(width, height, format, matrix, limits):
    rng, view = np.random.default_rng(1), View(frame(width, height, format, matrix, limits))
    complete = np.asarray(view)
    assert view.shape == complete.shape == (height, width, 3)
    for _ in range(8):
        top, left = rng.integers(0, (height - 1, width - 1))
        place = slice(top, rng.integers(top + 1, height + 1)), slice(left, rng.integers(left + 1, width + 1))
        assert np.array_equal(view[place], complete[place]), place
    assert np.array_equal(view[0:height, 0:width], complete)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (854, 480), (480, 854), (322, 242), (34, 18)])
@pytest.mark.parametrize(("matrix", "limits"), [(2, 0), (1, 1), (1, 2)])
def test_a_small_copy_is_that_of_the_complete_picture_apart_from_rounding(width, height, matrix, limits):
    view = View(frame(width, height, matrix=matrix, limits=limits, blur=8))
    size = (320, round(320 * height / width)) if width > height else (round(320 * width / height), 320)
    small, expected = view.shrunk(*size), shrink(np.asarray(view), *size)
    assert small.shape == expected.shape
    assert np.abs(small.astype(int) - expected).max() <= 6
    assert np.abs(small.astype(int) - expected).mean() <= 2


@pytest.mark.parametrize(
    ("how", "is_view"),
    [
        ({}, True),
        ({"format": "yuv444p"}, False),
        ({"format": "yuv420p10le", "codec": "libx265", "options": {"x265-params": "log-level=none"}}, False),
        ({"ratio": 2}, False),
    ],
)
def test_other_frames_are_complete_pictures(tmp_path, how, is_view):
    pictures = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(4)]
    for shown in video.sample_frames(clips.write(tmp_path / "clip.mkv", pictures, **how)):
        assert isinstance(shown.view(), View) == is_view
        assert np.array_equal(np.asarray(shown.view()), shown.picture)


@pytest.mark.parametrize("side", [180, 240, 400])
def test_faces_are_those_of_the_complete_picture(face_detector, tmp_path, side):
    """The small face is not found by the quick search, so the complete picture is searched."""
    face = next(iter(Synthetic(subjects=1, pictures=1).faces(None))).image()
    scene = cv2.GaussianBlur(np.random.default_rng(0).integers(96, 160, (720, 1280, 3), np.uint8), None, 5)
    scene[60 : 60 + side, 500 : 500 + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    (shown,) = video.sample_frames(clips.write(tmp_path / "clip.mp4", [scene]))
    view, search = shown.view(), FaceDetector(face_detector)
    (found,), (expected,) = search(view, 1), search(shown.picture, 1)
    assert isinstance(view, View)
    np.testing.assert_allclose(found.box, expected.box, atol=0.02 * side)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=0.02 * side)
    assert np.array_equal(crop(view, expected.box), crop(shown.picture, expected.box))
