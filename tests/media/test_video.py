import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tfaffect.media import decoding, video
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


def encode(path, milliseconds, codec, rate=25):
    """Write a clip whose frame k is grey of value 10 k, up to 250, and has a stamp of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(milliseconds):
            grey = np.full((48, 64, 3), min(10 * number, 250), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sampled(path, *how, **named):
    """Number, seconds and grey value / 10 of every frame that is shown."""
    return [(s.number, s.seconds, round(s.picture.mean() / 10)) for s in video.sample_frames(path, *how, **named)]


IRREGULAR = [0, 40, 205, 233, 700, 740, 1500, 1540]
CODECS = [("mkv", "mpeg4"), ("webm", "libvpx"), ("webm", "libvpx-vp9"), ("mov", "libx264"), ("mp4", "libx264")]


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_without_a_rate_frames_have_the_containers_own_stamps(tmp_path, suffix, codec):
    clip = encode(tmp_path / f"clip.{suffix}", IRREGULAR, codec)
    assert sampled(clip) == [(k, pytest.approx(stamp / 1000), k) for k, stamp in enumerate(IRREGULAR)]
    assert sampled(clip, every=3) == [(k, pytest.approx(IRREGULAR[k] / 1000), k) for k in (0, 3, 6)]


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_with_a_rate_what_is_on_screen_is_shown_at_regular_times(tmp_path, suffix, codec):
    clip = encode(tmp_path / f"clip.{suffix}", IRREGULAR, codec)
    #           at 0   0.1  0.2  0.3  0.4  0.5  0.6  0.7  0.8  0.9  1.0  1.1  1.2  1.3  1.4  1.5
    expected = [0, 1, 1, 3, 3, 3, 3, 4, 5, 5, 5, 5, 5, 5, 5, 6]
    assert sampled(clip, 10)[:16] == [(number, k / 10, number) for k, number in enumerate(expected)]
    assert {number for number, _, _ in sampled(clip, 10)[16:]} <= {7}
    assert [number for number, _, _ in sampled(clip, 2)][:4] == [0, 3, 5, 6]  # 1.5 s: the frame of that very moment


@pytest.mark.parametrize(("suffix", "code"), [("avi", "MJPG"), ("mp4", "mp4v")])
def test_a_series_ends_with_the_last_frame(tmp_path, suffix, code):
    clip = write(tmp_path / f"clip.{suffix}", code=code)  # 25 frames of 0.1 s
    assert [number for number, _, _ in sampled(clip, 10)] == list(range(25))
    assert [number for number, _, _ in sampled(clip, 20)] == [k // 2 for k in range(50)]
    assert [(number, seconds) for number, seconds, _ in sampled(clip, 4)] == list(
        zip([0, 2, 5, 7, 10, 12, 15, 17, 20, 22], np.arange(10) / 4, strict=True)
    )


def test_stamps_rounded_to_milliseconds_show_every_frame_once_at_their_own_rate(tmp_path):
    clip = encode(tmp_path / "clip.mkv", [round(k / 0.03) for k in range(40)], "mpeg4", rate=30)
    assert [number for number, _, _ in sampled(clip, 30)] == list(range(40))


@pytest.mark.parametrize("late", [0, 5000])
def test_time_begins_with_the_first_frame(tmp_path, late):
    clip = encode(tmp_path / "clip.mkv", [late + 40 * k for k in range(5)], "mpeg4")
    assert sampled(clip)[:2] == [(0, 0, 0), (1, 0.04, 1)]
    assert sampled(clip, 5) == [(0, 0, 0)]


def test_only_what_is_wanted_is_converted(tmp_path, monkeypatch):
    converted = []
    picture = decoding._to_picture
    monkeypatch.setattr(decoding, "_to_picture", lambda *which: converted.append(1) or picture(*which))
    clip = write(tmp_path / "clip.avi", count=30)  # 3 s
    assert len(sampled(clip, 2)) == len(converted) == 6
    assert len(sampled(clip, every=7)) == len(converted) - 6 == 5


def test_frames_that_stay_longer_than_any_before_are_found_again(tmp_path):
    stamps = [*range(0, 400, 40), *range(1000, 1400, 40), *range(3000, 3400, 40)]
    clip = encode(tmp_path / "clip.mkv", stamps, "libx264")
    assert [number for number, _, _ in sampled(clip, 2)] == [0, 9, 10, 19, 19, 19, 20]


@pytest.mark.parametrize(("turned", "by"), [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))])
def test_the_turn_that_a_phone_notes_is_made(tmp_path, turned, by):
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stored = np.zeros((48, 64, 3), np.uint8)
        stored[:, :32] = 250  # bright on the left
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode(None))
    content = clip.read_bytes()
    plain, matrix = (
        struct.pack(">9i", *(v << 16 for v in (a, b, 0, c, d, 0, 0, 0)), 1 << 30) for a, b, c, d in ((1, 0, 0, 1), by)
    )
    at = content.index(plain, content.index(b"tkhd"))
    clip.write_bytes(content[:at] + matrix + content[at + 36 :])
    (shown,) = video.sample_frames(clip)
    # clockwise by 90 degrees the left side comes up
    expected = np.rot90(stored, -turned // 90)
    assert shown.picture.shape == expected.shape
    assert np.abs(shown.picture.astype(int) - expected).mean() < 8


def cut(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def noisy(path, codec, **options):
    """A clip of 4 seconds whose bytes are spread over its frames."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


FORMATS = [
    ("avi", "mjpeg", {}),
    ("mkv", "libx264", {}),
    ("webm", "libvpx", {}),
    ("mp4", "mpeg4", {"movflags": "faststart"}),
    ("mov", "libx264", {"movflags": "faststart"}),
]


@pytest.mark.parametrize(("suffix", "codec", "options"), FORMATS)
@pytest.mark.parametrize("how", [(), (25,)])
def test_a_missing_end_is_told_after_the_last_frame(tmp_path, suffix, codec, options, how):
    clip = noisy(tmp_path / f"clip.{suffix}", codec, **options)
    assert len(sampled(clip, *how)) == 100
    shown = video.sample_frames(cut(clip), *how)
    numbers = []
    with pytest.raises(video.TruncatedVideoError, match=rf"clip\.{suffix} ends after .* of 4\.00 s") as raised:
        numbers.extend(frame.number for frame in shown)
    assert 40 < len(numbers) < 75
    assert numbers == list(range(len(numbers)))
    assert raised.value.reached == pytest.approx(len(numbers) / 25)
    assert raised.value.claimed == pytest.approx(4)


def test_a_clip_that_breaks_off_before_its_first_frame_has_none(tmp_path):
    clip = noisy(tmp_path / "clip.mp4", "mpeg4", movflags="faststart")
    clip.write_bytes(clip.read_bytes()[: clip.read_bytes().index(b"mdat") + 10])
    with pytest.raises(
        UnreadableVideoError, match=r"clip\.mp4 has no frames that can be decoded\. Its codec is 'mpeg4'"
    ):
        sampled(clip, 10)


def test_an_end_of_zeros_is_a_missing_end(tmp_path):
    clip = noisy(tmp_path / "clip.mkv", "mpeg4")
    size = clip.stat().st_size
    cut(clip)
    clip.write_bytes(clip.read_bytes().ljust(size, b"\0"))
    with pytest.raises(video.TruncatedVideoError):
        sampled(clip)


def test_a_trimmed_clip_is_whole_though_it_has_frames_that_are_not_shown(tmp_path):
    whole, trimmed = noisy(tmp_path / "whole.mp4", "libx264"), tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(trimmed), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                shift = int(2 / packet.time_base)  # the first two seconds lie before the start, as after a phone's trim
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                target.mux(packet)
    assert video.duration(trimmed) == pytest.approx(2)
    assert [seconds for _, seconds, _ in sampled(trimmed)] == pytest.approx(np.arange(50) / 25)


def test_a_clip_is_whole_though_its_sound_is_longer(tmp_path):
    clip = tmp_path / "clip.mkv"
    with av.open(str(clip), "w") as container:
        stream, sound = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=8000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 24000), np.int16), format="s16", layout="mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    assert video.duration(clip) == pytest.approx(3)
    assert len(sampled(clip)) == 25
    content = clip.read_bytes()
    at = content.index(b"\x18\x53\x80\x67\x01") + 5  # the segment: its length in seven bytes, all bits set if not known
    clip.write_bytes(content[:at] + b"\xff" * 7 + content[at + 7 :])
    assert len(sampled(clip)) == 25


def test_a_streamed_clip_claims_no_length(tmp_path):
    clip = tmp_path / "clip.webm"
    with clip.open("wb") as file, av.open(file, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    assert len(sampled(clip)) == 50
    assert 0 < len(sampled(cut(clip), 25)) < 50


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_a_picture_is_no_video_whatever_its_name(tmp_path, format):
    Image.new("RGB", (64, 48), "white").save(tmp_path / "clip.mp4", format=format)
    with pytest.raises(UnreadableVideoError, match=r"clip\.mp4 is not a video"):
        sampled(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video" * 1000,
        b"\0" * 10_000,
        np.random.default_rng(0).bytes(10_000),
        b"RIFF\xff\xff\x00\x00AVI LIST" + np.random.default_rng(0).bytes(10_000),
        b"\x1a\x45\xdf\xa3" + np.random.default_rng(0).bytes(10_000),
        b"\x00\x00\x00\x18ftypmp42" + np.random.default_rng(0).bytes(10_000),
    ],
    ids=["empty", "text", "zeros", "noise", "avi", "mkv", "mp4"],
)
def test_garbage_is_refused(tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(UnreadableVideoError, match=r"clip\.mp4"):
        sampled(tmp_path / "clip.mp4", 10)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path, tmp_path / "missing.mp4"):
        with pytest.raises(UnreadableVideoError):
            sampled(path)


def test_time_stamps_that_leap_by_hours_are_refused(tmp_path):
    clip = encode(tmp_path / "clip.mkv", [0, 40, 80, 36_000_000], "mpeg4")
    with pytest.raises(UnreadableVideoError, match=r"jump from 0\.08 to 36000\.00 seconds"):
        sampled(clip, 10)


@pytest.mark.parametrize("how", [{"every": 0}, {"frames_per_second": 0}, {"frames_per_second": 5, "every": 2}])
def test_impossible_samples_are_refused_at_once(tmp_path, how):
    with pytest.raises(ValueError, match="Received"):
        video.sample_frames(tmp_path / "clip.mp4", **how)


@pytest.mark.parametrize(
    "name", ["Gesicht ü 顔 😀.avi", "a%03d.avi", "10:30.avi", os.fsdecode(b"caf\xe9.avi"), "v" * 251 + ".avi"]
)
def test_any_name_opens(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(Path("clip.avi"), count=3).rename(name)
    assert [number for number, _, _ in sampled(Path(name))] == [0, 1, 2]


def test_the_longest_path_opens(tmp_path):
    clip = write(tmp_path / "clip.avi", count=3)
    folder = tmp_path
    while len(str(folder)) < 3840 - 251:
        folder = folder / ("d" * 250)
        folder.mkdir()
    path = folder / ("v" * (4095 - len(str(folder)) - len("/.avi")) + ".avi")
    path = path.with_name(path.name[-255:])
    shutil.copy(clip, path)
    assert len(str(path)) > 3840
    assert len(sampled(path)) == 3


def test_errors_about_names_that_are_not_utf8_can_be_stored(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.write_bytes(b"")
    with pytest.raises(UnreadableVideoError, match=r"caf\\xe9\.mp4") as raised:
        sampled(path)
    assert str(raised.value).encode()


def test_after_silence_nothing_is_written_to_standard_error(tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"no video" * 1000)
    cut(noisy(tmp_path / "clip.avi", "mjpeg"))
    code = """
import sys
from tfaffect.media import decoding, video
video.silence()
for name in sys.argv[1:]:
    try:
        list(video.sample_frames(name))
    except video.UnreadableVideoError as error:
        print(error)
"""
    names = [str(tmp_path / name) for name in ("text.mp4", "clip.avi", "missing.mp4")]
    said = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert said.stdout.count("\n") == 3
    assert said.stderr == ""
