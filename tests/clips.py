"""Small video files as cameras, phones and broadcasters write them. They are made with PyAV."""

from fractions import Fraction

import av
import numpy as np

FIELDS = (1 << 18) | (1 << 29)  # FFmpeg's flags for interlaced coding: of the transform and of motion
INTERLACED = {
    "camera.mp4": {"codec": "libx264", "options": {"x264-params": "tff=1"}},
    "avchd.mts": {"codec": "libx264", "options": {"x264-params": "tff=1"}},
    "broadcast.ts": {"codec": "mpeg2video"},
    "program.mpg": {"codec": "mpeg2video"},
    "dvd.vob": {"codec": "mpeg2video"},
    "pal.dv": {"codec": "dvvideo"},
    "ntsc.dv": {"codec": "dvvideo", "format": "yuv411p", "rate": Fraction(30000, 1001)},
    "studio.mov": {"codec": "prores_ks", "format": "yuv422p10le"},
}
"""Name -> how an interlaced clip of this kind is written."""

SIZES = {"ntsc.dv": (720, 480)}
"""Name -> width and height that this kind requires; 720 x 576 for the others."""


def write(path, pictures, codec="libx264", format="yuv420p", rate=25, flags=0, options=None, ratio=None, stamps=None):
    """Write RGB pictures (height, width, 3) as a clip; `stamps` are milliseconds, `ratio` the shape of a pixel."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = format
        stream.codec_context.flags |= flags
        if ratio:
            stream.codec_context.sample_aspect_ratio = ratio
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if stamps is not None:
                frame.pts, frame.time_base = stamps[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def weave(pictures):
    """Make interlaced pictures of twice as many: even rows show one moment, odd rows the next."""
    woven = [first.copy() for first in pictures[::2]]
    for picture, second in zip(woven, pictures[1::2], strict=True):
        picture[1::2] = second[1::2]
    return woven


def write_interlaced(path, pictures, options=None):
    """Write pictures, two per frame, as the kind of interlaced clip that the name says; see INTERLACED."""
    how = dict(INTERLACED[path.name])
    return write(path, weave(pictures), flags=FIELDS, **(how if options is None else {**how, "options": options}))


def write_with_sound(path, video_from=0, sound_from=0, seconds=2, pictures=None):
    """Write a clip with a tone of 50 Hz; video and sound begin at their own times in milliseconds."""
    pictures = pictures or [np.full((48, 64, 3), 5 * number % 256, np.uint8) for number in range(25 * seconds)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = video_from + 40 * number, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        for number in range(46 * seconds):
            wave = np.sin(2 * np.pi * 50 / 48000 * np.arange(1024 * number, 1024 * (number + 1)))
            samples = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
            samples.sample_rate, samples.time_base = 48000, Fraction(1, 48000)
            samples.pts = sound_from * 48 + 1024 * number
            container.mux(sound.encode(samples))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path


def damage_frame(path, number):
    """Overwrite the data of one frame with zeros. All frames must be coded on their own."""
    with av.open(str(path)) as container:
        places = sorted((packet.pos, packet.size) for packet in container.demux(video=0) if packet.size)
    start, size = places[number]
    content = bytearray(path.read_bytes())
    content[start + 8 : start + size] = bytes(size - 8)
    path.write_bytes(content)
    return path


def write_hdr(path, pictures, codec, transfer):
    """Write pictures as a clip whose header says how its samples become light, by FFmpeg's number.

    It has 10 bits, but VP9 has 8, because PyAV's encoder makes no others.
    """
    format = "yuv420p" if codec == "libvpx-vp9" else "yuv420p10le"
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], format
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9  # 9: BT.2020
        stream.codec_context.colorspace = 9
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=format)
            frame.color_trc = transfer
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_streams(path, *streams, cover=None):
    """Write several video streams, each from pictures of its own, and a cover picture if there is one."""
    with av.open(str(path), "w") as container:
        made = []
        for pictures in streams:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
            made.append(stream)
        if cover is not None:
            attached = container.add_stream("mjpeg", rate=25)
            attached.height, attached.width, attached.pix_fmt = *cover.shape[:2], "yuvj420p"
            attached.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(cover, format="rgb24")
            container.mux([*attached.encode(frame), *attached.encode(None)])
        for stream, pictures in zip(made, streams, strict=True):
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    return path
