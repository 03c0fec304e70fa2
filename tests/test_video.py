import cv2
import numpy as np
import pytest

from tfaffect.media import video
from tfaffect.media.video import UnreadableVideoError


def write(path, count=25, code="MJPG", rate=10):
    """Write a clip whose frame k is grey of value 10 k, up to 250."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), rate, (64, 48))
    for number in range(count):
        writer.write(np.full((48, 64, 3), min(10 * number, 250), np.uint8))
    writer.release()
    return path


def numbers(path, seconds):
    """The numbers of the frames that are shown at times."""
    return [(time, round(picture.mean() / 10)) for time, picture in video.frames(path, seconds)]


@pytest.mark.parametrize(("suffix", "code"), [("avi", "MJPG"), ("mp4", "mp4v")])
def test_a_time_shows_the_nearest_frame_of_a_steady_clip(tmp_path, suffix, code):
    clip = write(tmp_path / f"clip.{suffix}", code=code)
    asked = [0, 0.04, 0.06, 0.1, 0.3, 0.3, 1.04, 2.4]
    assert numbers(clip, asked) == list(zip(asked, [0, 0, 1, 1, 3, 3, 10, 24], strict=True))


def test_times_after_the_end_show_nothing(tmp_path):
    clip = write(tmp_path / "clip.avi")
    assert numbers(clip, [2.4, 2.5, 7]) == [(2.4, 24)]


def test_pictures_are_rgb(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 32))
    writer.write(np.full((32, 32, 3), (0, 0, 255), np.uint8))  # OpenCV writes BGR
    writer.release()
    ((_, picture),) = video.frames(tmp_path / "red.avi", [0])
    assert (picture.shape, picture.dtype) == ((32, 32, 3), np.uint8)
    assert picture[16, 16] == pytest.approx([255, 0, 0], abs=4)


def test_length_and_rate_are_the_containers(tmp_path):
    clip = write(tmp_path / "clip.mp4", code="mp4v", rate=25, count=50)
    assert video.frames_per_second(clip) == pytest.approx(25)
    assert video.duration(clip) == pytest.approx(2)


@pytest.mark.parametrize("content", [b"", b"no video" * 100, None], ids=["empty", "text", "missing"])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "clip.avi"
    if content is not None:
        path.write_bytes(content)
    for read in (lambda: list(video.frames(path, [0])), lambda: video.duration(path)):
        with pytest.raises(UnreadableVideoError, match=r"clip\.avi"):
            read()


def test_a_broken_tail_ends_the_clip_early(tmp_path):
    clip = write(tmp_path / "clip.avi", count=25)
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) * 2 // 3])
    shown = numbers(clip, np.arange(25) / 10)
    assert 0 < len(shown) < 25
    assert [number for _, number in shown] == list(range(len(shown)))
