"""Samples of 10, 12 and 16 bits become bytes by what the file says."""

import struct
import zlib
from fractions import Fraction
from io import BytesIO

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tfaffect.media import faces, video
from tfaffect.media.animation import animation_frames
from tfaffect.media.decoding import UnreadableVideoError

RAMP = np.linspace(0, 1, 64)[None].repeat(16, 0)
"""From black on the left to white on the right, (16, 64)."""

EXPECTED = RAMP[0] * 255


def stored(most, channels=1):
    """The ramp in samples of 16 bits whose largest is `most`."""
    samples = (RAMP * most).round().astype(np.uint16)
    return samples if channels == 1 else np.dstack([samples] * channels)


def with_largest_sample(most, channels, stated):
    """A TIFF of 16 bits whose samples reach `most`, and whose tag MaxSampleValue says `stated`."""
    plain = Image.fromarray(stored(most))
    file = BytesIO()
    if channels == 1:
        plain.save(file, format="TIFF", tiffinfo={281: stated})
        return file.getvalue()
    return tiff_of_colours(stored(most, 3), stated)


def tiff_of_colours(samples, stated):
    """Pillow writes no colours of 16 bits, so the few tags are written here."""
    height, width, _ = samples.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, None), (259, 3, 1), (262, 3, 2), (273, 4, None), (277, 3, 3)]
    tags += [(278, 3, height), (279, 4, samples.nbytes), (281, 3, stated)]
    three = 8 + 2 + 12 * len(tags) + 4  # where the three values of tags 258 and 281 stand
    body = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, kind, value in tags:
        if tag in (258, 281):
            body += struct.pack("<HHII", tag, kind, 3, three + (6 if tag == 281 else 0))
        else:
            body += struct.pack("<HHII", tag, kind, 1, three + 12 if value is None else value)
    return body + bytes(4) + struct.pack("<6H", *[16] * 3, *[stated] * 3) + samples.astype("<u2").tobytes()


def worst(picture, expected=EXPECTED):
    """The largest difference from the expected ramp in any channel and row."""
    return np.abs(picture.astype(int) - np.asarray(expected)[None, :, None]).max()


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("most", [1023, 4095, 16383])
def test_a_tiff_that_states_fewer_bits_is_scaled_by_them(most, channels, upright):
    assert worst(faces.decode(with_largest_sample(most, channels, most), upright)) <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stated", [40_000, 65_535, 1000])
def test_the_largest_sample_of_one_picture_does_not_change_it(stated, channels):
    """40,000 is no depth: the tag then only says what was measured. The samples stay those of 16 bits."""
    assert worst(faces.decode(with_largest_sample(65_535, channels, stated))) <= 1


def test_a_dark_picture_without_such_a_statement_stays_dark():
    encoded = cv2.imencode(".png", stored(1023))[1].tobytes()
    assert faces.decode(encoded).max() <= 4
    encoded = cv2.imencode(".tiff", stored(4095))[1].tobytes()
    assert faces.decode(encoded).max() <= 16


def test_significant_bits_of_a_png_do_not_scale_its_samples():
    """The PNG specification: samples use all 16 bits, and sBIT tells how many of them were measured."""
    encoded = cv2.imencode(".png", stored(65_535))[1].tobytes()
    chunk = b"sBIT" + bytes([10])
    at = encoded.index(b"IDAT") - 4
    encoded = encoded[:at] + struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk)) + encoded[at:]
    for upright in (False, True):
        assert worst(faces.decode(encoded, upright)) <= 1


@pytest.mark.parametrize("kind", [2, 3, 5, 6])
@pytest.mark.parametrize("most", [100, 255, 1023, 4095, 65_535])
def test_a_pnm_is_scaled_by_its_largest_sample(kind, most):
    samples = stored(most, 3 if kind in (3, 6) else 1)
    binary = samples.astype(">u2" if most > 255 else "u1").tobytes()
    text = b" ".join(b"%d" % sample for sample in samples.ravel())
    encoded = b"P%d\n64 16\n%d\n" % (kind, most) + (binary if kind > 4 else text)
    assert worst(faces.decode(encoded)) <= (1 if most > 255 else 0.5 * 255 / most + 1)


@pytest.mark.parametrize("suffix", [".hdr", ".pfm"])
def test_numbers_with_a_fraction_are_refused(suffix):
    encoded = cv2.imencode(suffix, np.dstack([RAMP * 4] * 3).astype(np.float32))[1].tobytes()
    for upright in (False, True):
        with pytest.raises(faces.UnreadablePictureError, match="floating-point"):
            faces.decode(encoded, upright)


def test_a_pam_of_another_largest_sample_is_refused():
    encoded = b"P7\nWIDTH 64\nHEIGHT 16\nDEPTH 1\nMAXVAL 1023\nTUPLTYPE GRAYSCALE\nENDHDR\n"
    with pytest.raises(faces.UnreadablePictureError, match="Received: 1023"):
        faces.decode(encoded + stored(1023).astype(">u2").tobytes())


def test_pages_of_16_bits_are_scaled_and_not_clipped(tmp_path):
    """Pillow clips them at 255, so that all but black became white."""
    page = Image.fromarray(stored(65_535))
    page.save(tmp_path / "pages.tiff", save_all=True, append_images=[page])
    shown = list(animation_frames(tmp_path / "pages.tiff"))
    assert len(shown) == 2
    assert all(worst(frame.picture()) <= 1 for frame in shown)


def test_pages_of_fractions_are_refused(tmp_path):
    page = Image.fromarray(RAMP.astype(np.float32))
    page.save(tmp_path / "pages.tiff", save_all=True, append_images=[page])
    with pytest.raises(UnreadableVideoError, match="not supported: F"):
        list(animation_frames(tmp_path / "pages.tiff"))


@pytest.mark.parametrize(
    "format", ["gray10le", "gray12le", "gray16le", "gbrp10le", "gbrp12le", "gbrp16le", "yuv420p10le"]
)
def test_frames_of_more_than_8_bits_are_scaled_by_their_format(tmp_path, format):
    samples = np.ascontiguousarray(stored(65_535, 3))
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 64, format
        frame = av.VideoFrame.from_ndarray(samples, format="rgb48le").reformat(format=format)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (shown,) = video.sample_frames(tmp_path / "clip.mkv")
    assert worst(shown.picture) <= 3


@pytest.mark.parametrize("format", ["gray10le", "gray12le", "rgb48le"])
def test_jpeg_2000_is_scaled_by_its_own_precision(format):
    samples = np.ascontiguousarray(np.kron(stored(65_535, 3), np.ones((4, 1, 1), np.uint16)))
    encoder = av.CodecContext.create("jpeg2000", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 64, format, Fraction(1, 25)
    encoder.options = {"format": "jp2"}
    frame = av.VideoFrame.from_ndarray(samples, format="rgb48le").reformat(format=format)
    encoded = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    assert worst(faces.decode(encoded)) <= 3
