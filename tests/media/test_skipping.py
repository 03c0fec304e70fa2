"""Sampling at a rate: frames that no other frame needs are not decoded, and the result is that of decoding all."""

import av
import numpy as np
import pytest

from tests import clips
from tfaffect.media import skipping, video
from tfaffect.media.decoding import decode, open_video

RATES = (1, 5, 7.3, 12.5, 25, 60)
KINDS = {
    "clip.mp4": {"codec": "libx264", "options": {"g": "50", "bf": "3"}},
    "clip.mkv": {"codec": "libx264", "options": {"g": "50", "bf": "3", "x264-params": "open-gop=1:b-pyramid=strict"}},
    "clip.mov": {"codec": "libx265", "options": {"x265-params": "log-level=error:keyint=50:bframes=4"}},
    "clip.m2v.mp4": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}},
    "simple.mp4": {"codec": "mpeg4", "options": {"bf": "2"}},
    "plain.mp4": {"codec": "libx264", "options": {"bf": "0"}},
}


def pictures(count):
    """Pictures of which each has a brightness of its own, and a bar that moves."""
    for number in range(count):
        picture = np.full((48, 64, 3), 40 + number % 180, np.uint8)
        picture[:, number % 64] = 255
        yield picture


@pytest.fixture
def skipped(monkeypatch):
    """The stamps of all frames that the decoder was told to skip."""
    stamps, original = [], skipping.insort

    def note(places, stamp):
        stamps.append(stamp)
        original(places, stamp)

    monkeypatch.setattr(skipping, "insort", note)
    return stamps


def every_frame(path, rate, start, end):
    """Sample as `sample_frames` does, but decode all frames."""
    with open_video(path) as opened:
        yield from video.sample(decode(opened), path, rate, 1, start, end)


def assert_equal(path, rate, start=0.0, end=np.inf):
    received = [(f.number, f.seconds, f.picture) for f in video.sample_frames(path, rate, start=start, end=end)]
    expected = [(f.number, f.seconds, f.picture) for f in every_frame(path, rate, start, end)]
    assert [frame[:2] for frame in received] == [frame[:2] for frame in expected]
    for (*_, picture), (*_, full) in zip(received, expected, strict=True):
        np.testing.assert_array_equal(picture, full)
    return len(received)


@pytest.mark.parametrize("name", KINDS)
def test_samples_are_those_of_decoding_all_frames(name, skipped, tmp_path):
    path = clips.write(tmp_path / name, list(pictures(200)), **KINDS[name])
    for rate in RATES:
        assert assert_equal(path, rate) == int(8 * rate) + (8 * rate > int(8 * rate))
    assert bool(skipped) == (name != "simple.mp4")  # in plain.mp4 they are decoded all the same
    assert assert_equal(path, 5, start=3.1, end=6.7) == 18


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_variable_rate_keeps_its_frames(name, skipped, tmp_path):
    steps = np.random.default_rng(0).choice([20, 33, 40, 80, 400], 200)
    path = clips.write(tmp_path / name, list(pictures(200)), stamps=np.cumsum(steps).tolist(), **KINDS[name])
    for rate in (1, 5, 12.5):
        assert_equal(path, rate)
    assert skipped


def test_most_frames_that_no_other_needs_are_skipped(skipped, tmp_path):
    path = clips.write(tmp_path / "clip.mp4", list(pictures(500)), options={"g": "250", "bf": "1"})
    list(video.sample_frames(path, 5))
    assert len(skipped) > 120  # of 250 B-frames one in five may be looked at, and the first and last are decoded


def test_a_video_that_becomes_interlaced_is_decoded_again_from_its_start(skipped, tmp_path):
    size = np.random.default_rng(0).integers(0, 256, (576, 720, 3), np.uint8)
    shown = [np.roll(size, 8 * number, axis=1) for number in range(100)]
    options = {"g": "10", "bf": "2"}
    first = clips.write(tmp_path / "first.ts", shown, codec="mpeg2video", options=options)
    second = clips.write_interlaced(tmp_path / "broadcast.ts", shown)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert_equal(joined, 5)


def test_a_frame_that_cannot_be_decoded_has_its_place(skipped, tmp_path):
    path = clips.write(tmp_path / "clip.mp4", list(pictures(300)), options={"g": "50", "bf": "2"})
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.pts is not None]
    content = bytearray(path.read_bytes())
    position, size = packets[170]
    content[position : position + size] = bytes(size)  # zeros are no H.264
    path.write_bytes(bytes(content))
    for rate in (5, 25):
        received = [(f.number, f.seconds, f.picture is None) for f in video.sample_frames(path, rate)]
        expected = [(f.number, f.seconds, f.picture is None) for f in every_frame(path, rate, 0.0, np.inf)]
        assert received == expected
    assert skipped
