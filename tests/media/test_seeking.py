"""Frames from a later time on are those of the complete video, although decoding begins at a key frame."""

import itertools

import av
import numpy as np
import pytest

from tests import clips
from tfaffect.media import decoding, seeking, video

LAST = 160
X264 = {"preset": "veryfast", "g": "30", "keyint_min": "30", "sc_threshold": "0"}
OPEN = {**X264, "bf": "3", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
UNEVEN = [40 * number + 13 * (number % 3) + (900 if number > 70 else 0) for number in range(LAST)]
"""Milliseconds of frames of a variable rate, with a picture that stays for a second."""

KINDS = {
    "closed.mp4": ({"options": {**X264, "bf": "3"}}, True),
    "open.mp4": ({"options": OPEN}, True),
    "open.mkv": ({"options": OPEN}, True),
    "uneven.mkv": ({"options": {**X264, "bf": "2"}, "stamps": UNEVEN}, True),
    "hevc.mp4": (
        {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "keyint=30:log-level=0"}},
        True,
    ),
    "refresh.mp4": ({"options": {**X264, "x264-params": "intra-refresh=1:keyint=30"}}, None),
    "mpeg2.mkv": ({"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}}, True),
    "open.ts": ({"options": OPEN}, False),
    "closed.avi": ({"codec": "mpeg4", "options": {"g": "12"}}, False),
}
"""Name -> how a clip is written, and whether decoding begins at a key frame. With intra refresh, the file may claim one
that the decoder does not show."""


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (48, 64 + LAST, 3), np.uint8)
    return [np.ascontiguousarray(noise[:, number : number + 64]) for number in range(LAST)]


def seen(path, **how):
    return [(frame.number, frame.seconds, frame.picture.tobytes()) for frame in video.sample_frames(path, **how)]


@pytest.fixture
def decoded(monkeypatch):
    """The number of frames that were decoded, after `seen`."""
    count, frames = itertools.count(), decoding._decoded
    monkeypatch.setattr(
        decoding, "_decoded", lambda *arguments: (frame for frame in frames(*arguments) if next(count) >= 0)
    )
    return lambda: count.__reduce__()[1][0]


@pytest.mark.parametrize("name", KINDS)
def test_a_later_start_gives_the_frames_of_the_complete_video(name, pictures, tmp_path, decoded):
    how, seeks = KINDS[name]
    path = clips.write(tmp_path / name, pictures, **how)
    for options in ({"frames_per_second": 10}, {"every": 3}, {}):
        whole = seen(path, **options)
        assert len(whole) > 50
        for start in (2.42, 4.0, 5.0):
            before = decoded()
            assert seen(path, start=start, **options) == [frame for frame in whole if frame[1] >= start]
            spent = decoded() - before
    assert spent >= LAST if seeks is False else spent <= LAST - 60 or seeks is None
    entry = decoding.entry_before(path, 0, 4.0)
    assert seeks is None or (entry is not None) == seeks


def test_after_a_trim_without_encoding_frames_keep_their_numbers(pictures, tmp_path):
    """The packets before the edit list's start are decoded, and neither shown nor counted. One is the key frame."""
    source = clips.write(tmp_path / "whole.mp4", pictures, options={**X264, "bf": "3"})
    path = tmp_path / "trimmed.mp4"
    with av.open(str(source)) as container, av.open(str(path), "w") as trimmed:
        stream = trimmed.add_stream_from_template(container.streams.video[0])
        base = container.streams.video[0].time_base
        for packet in container.demux(video=0):
            if packet.pts is not None:
                packet.stream = stream
                packet.pts, packet.dts = packet.pts - round(0.5 / base), packet.dts - round(0.5 / base)
                trimmed.mux(packet)
    whole = seen(path)
    assert LAST - 20 < len(whole) < LAST
    assert seen(path, start=4.0) == [frame for frame in whole if frame[1] >= 4.0]
    assert decoding.entry_before(path, 0, 4.0) is None


@pytest.mark.parametrize("name", ["camera.mp4", "avchd.mts"])
def test_interlaced_videos_are_decoded_from_the_start(name, pictures, tmp_path):
    path = clips.write_interlaced(tmp_path / name, pictures)
    assert seen(path, start=2.0) == [frame for frame in seen(path) if frame[1] >= 2.0]


def test_stamps_of_one_clock_are_told_from_those_that_restart_or_repeat():
    assert seeking._is_one_clock([0, 3, 1, 2, 6, 4, 5])
    assert not seeking._is_one_clock([0, 2, 2])
    assert not seeking._is_one_clock([*range(0, 200, 2), *range(1, 101, 2)])
    assert not seeking._is_one_clock([])
