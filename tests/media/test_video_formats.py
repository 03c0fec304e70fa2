"""Videos as cameras, phones and broadcasters write them: interlaced, with other pixels, joined, with late streams."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests import clips
from tfaffect.features.sources import kind
from tfaffect.media import video


def moving(count, size=(720, 576)):
    """A bright square on grey. It moves to the right by 8 pixels per picture."""
    width, height = size
    pictures = []
    for number in range(count):
        picture = np.full((height, width, 3), 60, np.uint8)
        left = 100 + 8 * number
        picture[height // 4 : 3 * height // 4, left : left + 120] = 220
        pictures.append(picture)
    return pictures


def combing(picture):
    """How much rows differ from the mean of their neighbours: 0.2 for the square, 0.8 where two fields are woven."""
    rows = picture.astype(int)
    return np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()


def left_edge(picture):
    """Where the square begins in the middle row, as a share of the width."""
    return (picture[picture.shape[0] // 2, :, 0] > 140).argmax() / picture.shape[1]


@pytest.mark.parametrize("name", clips.INTERLACED)
def test_interlaced_frames_are_deinterlaced_and_keep_their_times(tmp_path, name):
    pictures = moving(20, clips.SIZES.get(name, (720, 576)))
    path = clips.write_interlaced(tmp_path / name, pictures)
    shown = list(video.sample_frames(path))
    rate = float(clips.INTERLACED[name].get("rate", 25))
    assert [frame.seconds for frame in shown] == pytest.approx(np.arange(10) / rate, abs=1e-3)
    assert [frame.number for frame in shown] == list(range(10))
    assert combing(clips.weave(pictures)[5]) > 0.6
    for frame, first, second in zip(shown, pictures[::2], pictures[1::2], strict=True):
        assert combing(frame.picture) < 0.3
        assert frame.picture.shape[0] == first.shape[0]
        assert min(abs(left_edge(frame.picture) - left_edge(one)) for one in (first, second)) < 0.01


@pytest.mark.parametrize("name", ["camera.mp4", "pal.dv", "program.mpg"])
def test_frames_at_annotated_times_are_deinterlaced_too(tmp_path, name):
    path = clips.write_interlaced(tmp_path / name, moving(20))
    found = list(video.frames(path, [0, 0.2, 0.36]))
    assert [time for time, _ in found] == [0, 0.2, 0.36]
    assert all(combing(picture) < 0.3 for _, picture in found)


def test_progressive_frames_keep_their_rows(tmp_path):
    pictures = clips.weave(moving(12))  # a pattern that a deinterlacer would change
    clip = clips.write(tmp_path / "clip.mp4", pictures, options={"qp": "1"})
    for frame, expected in zip(video.sample_frames(clip), pictures, strict=True):
        assert np.abs(frame.picture.astype(int) - expected).mean() < 2


@pytest.mark.parametrize(("ratio", "width"), [(Fraction(64, 45), 1024), (Fraction(16, 15), 768), (Fraction(8, 9), 640)])
def test_pixels_that_are_not_square_become_square(tmp_path, ratio, width):
    clip = clips.write(tmp_path / "clip.mp4", moving(2), ratio=ratio)
    assert {frame.picture.shape for frame in video.sample_frames(clip)} == {(576, width, 3)}


def join(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_frames_keep_their_own_size_when_it_changes(tmp_path):
    """Two .ts files joined, as from a phone that is turned during a call. The clock restarts."""
    parts = [clips.write(tmp_path / f"{size[0]}.ts", moving(20, size)) for size in ((320, 240), (240, 320))]
    shown = list(video.sample_frames(join(tmp_path / "joined.ts", *parts)))
    assert [frame.picture.shape for frame in shown] == [(240, 320, 3)] * 20 + [(320, 240, 3)] * 20
    seconds = [frame.seconds for frame in shown]
    assert seconds == pytest.approx(np.arange(40) / 25, abs=0.03), "the clock of the second part goes on"
    assert all(np.diff(seconds) > 0)


STARTS = [(0, 0, 0), (2000, 0, 2), (1400, 1400, 0), (0, 500, 0)]
"""Milliseconds at which video and sound begin, and the second of the first frame."""


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
@pytest.mark.parametrize(("video_from", "sound_from", "expected"), STARTS)
def test_seconds_count_from_the_start_of_the_container(tmp_path, suffix, video_from, sound_from, expected):
    clip = clips.write_with_sound(tmp_path / f"clip.{suffix}", video_from, sound_from)
    seconds = [frame.seconds for frame in video.sample_frames(clip)]
    assert seconds == pytest.approx(expected + np.arange(50) / 25, abs=0.03)
    assert np.diff(seconds) == pytest.approx(0.04, abs=0.002)
    first = next(video.sample_frames(clip, 5)).seconds
    assert expected <= first <= expected + 0.2 + 1e-6, "the first of the regular times at which there is a frame"


def numbered(count, size=(64, 48)):
    """Grey pictures of value 4 k."""
    return [np.full((size[1], size[0], 3), 4 * number, np.uint8) for number in range(count)]


GROUPS = [(suffix, "libx264", {"x264-params": "scenecut=0", "bf": bf}) for suffix in ("mp4", "ts") for bf in ("0", "2")]
GROUPS += [("mkv", "libx264", {"bf": "2", "x264-params": "scenecut=0:open-gop=1"})]
GROUPS += [("ts", "mpeg2video", {"bf": "2", "sc_threshold": "1000000000"})]


@pytest.mark.parametrize(("suffix", "codec", "options"), GROUPS)
def test_key_frames_have_their_own_numbers_times_and_pictures(tmp_path, suffix, codec, options):
    clip = clips.write(tmp_path / f"clip.{suffix}", numbered(60), codec, options={"g": "12", **options})
    every = {frame.number: frame for frame in video.sample_frames(clip)}
    shown = list(video.sample_frames(clip, key_frames=True))
    assert 4 <= len(shown) <= 8
    assert [frame.number for frame in shown] == sorted({frame.number for frame in shown})
    for frame in shown:
        assert frame.seconds == pytest.approx(every[frame.number].seconds)
        assert np.abs(frame.picture.astype(int) - every[frame.number].picture).max() <= 3


def test_key_frames_can_be_taken_at_a_rate_and_are_deinterlaced(tmp_path):
    clip = clips.write_interlaced(tmp_path / "camera.mp4", moving(120), {"g": "25", "x264-params": "tff=1:scenecut=0"})
    shown = list(video.sample_frames(clip, 1, key_frames=True))
    assert [frame.seconds for frame in shown] == [0, 1, 2]
    assert all(combing(frame.picture) < 0.3 for frame in shown)


def test_only_the_times_from_start_to_before_end_are_read(tmp_path):
    clip = clips.write(tmp_path / "clip.mp4", numbered(50))
    part = list(video.sample_frames(clip, start=0.4, end=0.8))
    assert [frame.number for frame in part] == list(range(10, 20))
    assert [frame.seconds for frame in part] == pytest.approx(np.arange(10, 20) / 25)
    assert [frame.seconds for frame in video.sample_frames(clip, 5, start=0.5, end=1)] == [0.6, 0.8]
    assert list(video.sample_frames(clip, start=7)) == []


@pytest.mark.parametrize("times", [{"start": -1}, {"start": 2, "end": 1}, {"start": 1, "end": 1}])
def test_impossible_times_are_refused_at_once(tmp_path, times):
    with pytest.raises(ValueError, match="start must be at least 0 and before end"):
        video.sample_frames(tmp_path / "clip.mp4", **times)


CONTAINERS = [
    ("clip.ts", "libx264", "yuv420p"),
    ("clip.m2ts", "libx264", "yuv420p"),
    ("clip.asf", "wmv2", "yuv420p"),
    ("clip.wmv", "wmv2", "yuv420p"),
    ("clip.m2v", "mpeg2video", "yuv420p"),
    ("clip.mxf", "mpeg2video", "yuv422p"),
    ("clip.flv", "flv", "yuv420p"),
    ("clip.3gp", "libx264", "yuv420p"),
    ("clip.h264", "libx264", "yuv420p"),
    ("clip.mjpeg", "mjpeg", "yuvj420p"),
    ("av1.mp4", "libsvtav1", "yuv420p"),
    ("av1.webm", "libsvtav1", "yuv420p"),
    ("alpha.webm", "libvpx-vp9", "yuva420p"),
    ("hevc.mp4", "libx265", "yuv420p10le"),
    ("dnxhr.mov", "dnxhd", "yuv422p"),
    ("prores.mov", "prores_ks", "yuv422p10le"),
    ("ffv1.mkv", "ffv1", "yuv420p16le"),
]
"""Name, codec, pixel format. Theora (.ogv) is missing: FFmpeg decodes it, but PyAV has no encoder to write a test."""


@pytest.mark.parametrize(("name", "codec", "format"), CONTAINERS, ids=[name for name, *_ in CONTAINERS])
@pytest.mark.parametrize("named", [True, False])
def test_containers_and_codecs_are_read_by_their_content(tmp_path, name, codec, format, named):
    options = {"dnxhd": {"profile": "dnxhr_hq"}, "libx265": {"x265-params": "log-level=none"}}.get(codec, {})
    clip = clips.write(tmp_path / name, numbered(20, (320, 256)), codec, format, options=options)
    if not named and clip.suffix != ".mjpeg":  # which begins as a JPEG picture does
        clip = clip.rename(tmp_path / "clip.bin")
    assert kind(clip) == "video"
    shown = list(video.sample_frames(clip))
    assert [frame.number for frame in shown] == list(range(20))
    assert [frame.seconds for frame in shown] == pytest.approx(np.arange(20) / 25, abs=2e-3)
    assert [frame.picture.mean() for frame in shown] == pytest.approx(4 * np.arange(20), abs=3)


def test_a_time_stamp_that_repeats_counts_half_a_frame_later(tmp_path):
    clip = clips.write(tmp_path / "clip.mkv", numbered(5), "mpeg4")
    with av.open(str(clip)) as source, av.open(str(tmp_path / "repeats.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        for packet, stamp in zip(packets, [0, 40, 40, 80, 120], strict=True):
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = stamp
            target.mux(packet)
    seconds = [frame.seconds for frame in video.sample_frames(tmp_path / "repeats.mkv")]
    assert seconds == pytest.approx([0, 0.04, 0.06, 0.08, 0.12], abs=1e-3)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 48000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(video.UnreadableVideoError, match=r"clip\.mp4 has no video stream. It has: audio\."):
        list(video.sample_frames(tmp_path / "clip.mp4"))


def test_one_of_several_streams_is_read(tmp_path):
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            for value, stream in zip((50, 200), streams, strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    for number, value in enumerate((50, 200)):
        shown = list(video.sample_frames(tmp_path / "clip.mkv", stream=number))
        assert [round(frame.picture.mean()) for frame in shown] == pytest.approx([value] * 5, abs=3)
    with pytest.raises(video.UnreadableVideoError, match=r"has 2 video streams\. Received: stream 2"):
        list(video.sample_frames(tmp_path / "clip.mkv", stream=2))
