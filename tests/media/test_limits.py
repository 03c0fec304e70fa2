"""Large pictures are read with half their sides, and those that are too large are refused with their size."""

import struct
import subprocess
import sys
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from tests import ROOT
from tfaffect.media import faces, limits
from tfaffect.media.animation import animation_frames, is_animated
from tfaffect.media.decoding import UnreadableVideoError


def saved(picture, **how):
    """The bytes of a file that Pillow writes."""
    file = BytesIO()
    picture.save(file, **how)
    return file.getvalue()


def scene(height=300, width=200):
    """A smooth scene whose corners differ: red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([x * 255 // width, y * 255 // height, np.full_like(x, 90)]).astype(np.uint8)


@pytest.fixture
def small_limits(monkeypatch):
    """Limits at which a test need not write pictures of 100 million pixels."""
    monkeypatch.setattr(limits, "FULL_PIXELS", 50_000)


FORMATS = [
    *[("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("TIFF", "RGB"), ("TIFF", "RGBA")],
    *[("WEBP", "RGB"), ("AVIF", "RGB"), ("BMP", "RGB"), ("PPM", "RGB"), ("JPEG2000", "RGB")],
]


@pytest.mark.parametrize(("format", "mode"), FORMATS)
@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("size", [(300, 200), (301, 201)])
def test_a_large_picture_has_half_its_sides_and_is_at_the_same_place(
    tmp_path, small_limits, format, mode, upright, size
):
    how = {"quality": 95} if format in ("JPEG", "WEBP", "AVIF") else {}
    picture = Image.fromarray(scene(*size)).convert(mode)
    (tmp_path / "photo").write_bytes(saved(picture, format=format, **how))
    reduced, reduction = faces.read_reduced(tmp_path / "photo", upright)
    full = faces.read(tmp_path / "photo", upright)
    assert full.shape == (*size, 3)
    assert reduction == 2
    assert reduced.shape[:2] in ((size[0] // 2, size[1] // 2), (-(-size[0] // 2), -(-size[1] // 2)))
    for y, x in ((10, 10), (10, 180), (280, 10), (280, 180), (150, 100)):
        expected = full[y : y + 2, x : x + 2].mean(axis=(0, 1))
        assert np.abs(reduced[y // 2, x // 2] - expected).max() < 6


@pytest.mark.parametrize("format", ["JPEG", "PNG", "transparent PNG"])
def test_a_large_picture_is_turned_as_its_exif_says(tmp_path, small_limits, format):
    note = Image.Exif()
    note[0x0112] = 6
    picture = Image.fromarray(scene()).convert("RGBA" if format == "transparent PNG" else "RGB")
    (tmp_path / "photo").write_bytes(saved(picture, format=format.split()[-1], exif=note))
    reduced, reduction = faces.read_reduced(tmp_path / "photo", upright=True)
    assert reduction == 2
    expected = np.rot90(scene(), -1).reshape(100, 2, 150, 2, 3).mean(axis=(1, 3))
    assert np.abs(reduced - expected).max() < 8


def test_transparent_pixels_of_a_large_picture_are_black(tmp_path, small_limits):
    picture = np.dstack([scene(1100, 60), np.full((1100, 60), 255, np.uint8)])  # more than two strips
    picture[500:, :, 3] = 0
    (tmp_path / "photo.png").write_bytes(saved(Image.fromarray(picture), format="PNG"))
    reduced, _ = faces.read_reduced(tmp_path / "photo.png", upright=True)
    assert not reduced[250:].any()
    assert np.abs(reduced[:250] - scene(1100, 60)[:500].reshape(250, 2, 30, 2, 3).mean(axis=(1, 3))).max() < 2


def test_a_picture_within_the_limit_is_read_in_full(tmp_path):
    (tmp_path / "photo.png").write_bytes(saved(Image.fromarray(scene()), format="PNG"))
    picture, reduction = faces.read_reduced(tmp_path / "photo.png")
    assert reduction == 1
    np.testing.assert_array_equal(picture, scene())


def test_a_photo_of_a_hundred_million_pixels_takes_little_memory(tmp_path):
    """In a process of its own: 10,000 x 10,000 pixels are 300 MB in full, and 75 MB with half the sides."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    large = cv2.resize(noise, (10_000, 10_000), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "photo.jpg"), large)
    program = """
import resource, sys
from tfaffect.media import faces
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture, reduction = faces.read_reduced(sys.argv[1], upright=True)
print(*picture.shape, reduction, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    command = [sys.executable, "-c", program, tmp_path / "photo.jpg"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *shape, reduction, megabytes = map(int, done.stdout.split())
    assert (shape, reduction) == ([5000, 5000, 3], 2)
    assert megabytes < 200


def png_header(width, height, depth=8, colour=2):
    """A PNG of a stated size without pixels, as a crafted file."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("read", [faces.read, faces.read_reduced])
@pytest.mark.parametrize(
    ("name", "size"), [("one colour", "12000 x 12000"), ("empty", "15000 x 15000"), ("huge", "40000 x 40000")]
)
def test_what_is_too_large_is_refused_with_its_size_before_memory_is_allocated(tmp_path, read, name, size):
    path = tmp_path / "photo.png"
    path.write_bytes(
        {
            "one colour": lambda: saved(Image.new("1", (12_000, 12_000)), format="PNG"),
            "empty": lambda: png_header(15_000, 15_000),
            "huge": lambda: png_header(40_000, 40_000) + bytes(3_000_000),
        }[name]()
    )
    with pytest.raises(faces.UnreadablePictureError, match=f"too large: {size} pixels") as refusal:
        read(path)
    assert not any(word in str(refusal.value).lower() for word in ("attack", "bomb"))


@pytest.mark.parametrize("how", [{"format": "JPEG"}, {"format": "JPEG", "optimize": True}, {"format": "PNG"}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_blank_page_of_a_scanner_is_read(how, mode):
    """16 million pixels have as few bytes each as 100 million, and at most 1 in 1,000 of them is a header."""
    encoded = saved(Image.new(mode, (4000, 4000), "white"), **how)
    assert len(encoded) > limits.LEAST_BYTES * 4000 * 4000


def test_pillows_own_limit_neither_warns_nor_changes(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "photo.png"
    path.write_bytes(saved(Image.new("L", (10_000, 9_500), 200), format="PNG"))
    assert not is_animated(path)
    picture, reduction = faces.read_reduced(path)
    assert (picture.shape, reduction) == ((4750, 5000, 3), 2)
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_frame_of_an_animation_that_is_too_large_is_refused_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr("tfaffect.media.animation.FULL_PIXELS", 50_000)
    pages = [Image.fromarray(scene()), Image.fromarray(scene())]
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableVideoError, match="too large: 200 x 300 pixels"):
        list(animation_frames(tmp_path / "pages.tiff"))
