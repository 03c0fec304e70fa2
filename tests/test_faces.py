from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from tfaffect.media import faces


def test_letterbox_agrees_with_the_original(oracles):
    arrays = np.load(oracles / "preprocess.npz")
    names = [name for name in arrays.files if name.startswith("image_")]
    assert names
    for name in names:
        expected = arrays[name.replace("image", "letterbox")].astype(int)
        difference = np.abs(faces.letterbox(arrays[name], expected.shape[0]).astype(int) - expected)
        assert difference.mean() < 1.0
        assert (difference <= 6).mean() > 0.995


def test_letterbox_keeps_aspect_and_centres_between_black_bars():
    boxed = faces.letterbox(np.full((50, 100, 3), 200, np.uint8), 80)
    assert boxed.shape == (80, 80, 3)
    assert np.array_equal(np.flatnonzero(boxed.any(axis=(1, 2))), np.arange(20, 60))
    assert (boxed[20:60] == 200).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_letterbox_survives_the_thinnest_pictures(shape):
    assert faces.letterbox(np.full((*shape, 3), 255, np.uint8), 64).max() == 255


def test_letterbox_returns_a_picture_of_the_right_size_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert np.array_equal(faces.letterbox(picture, 48), picture)


def test_shrinking_averages_over_what_it_leaves_out():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    shrunk = faces.resize(stripes, 16, 16)
    assert np.abs(shrunk[:, 1:-1].astype(int) - 127).max() <= 1  # two-tap bilinear sampling gives 0 or 255


def test_crop_is_the_square_with_margin_by_hand():
    picture = np.arange(100 * 100 * 3).reshape(100, 100, 3)
    # box 20 x 40 about (50, 50): a side of 40 * 1.2 = 48
    cut = faces.crop(picture, (40, 30, 60, 70))
    assert np.array_equal(cut, picture[26:74, 26:74])


def test_crop_leaves_out_what_lies_outside():
    picture = np.zeros((100, 80, 3), np.uint8)
    assert faces.crop(picture, (-10, -10, 30, 30)).shape == (34, 34, 3)
    assert faces.crop(picture, (60, 80, 100, 120)).shape == (24, 24, 3)


@pytest.mark.parametrize("box", [(10, 10, 10, 20), (20, 10, 10, 20), (300, 300, 340, 340), (float("nan"), 0, 9, 9)])
def test_crop_refuses_boxes_that_hold_nothing(box):
    with pytest.raises(ValueError, match="box"):
        faces.crop(np.zeros((100, 100, 3), np.uint8), box)


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit"])
def test_decode_gives_rgb_whatever_the_file_holds(kind):
    colour = np.zeros((5, 7, 3), np.uint8)
    colour[..., 0] = 250  # red
    stored = {
        "grey": cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY),
        "alpha": cv2.cvtColor(colour, cv2.COLOR_RGB2BGRA),
        "16 bit": cv2.cvtColor(colour, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257,
    }[kind]
    decoded = faces.decode(cv2.imencode(".png", stored)[1].tobytes())
    expected = cv2.cvtColor(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) if kind == "grey" else colour
    assert np.array_equal(decoded, expected)


@pytest.mark.parametrize("encoded", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_decode_refuses_what_is_no_picture(encoded):
    with pytest.raises(faces.UnreadablePictureError, match=f"{len(encoded)} bytes"):
        faces.decode(encoded)


def saved(picture, **how):
    """The bytes of a file that Pillow writes."""
    file = BytesIO()
    picture.save(file, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("CMYK", {"format": "JPEG", "quality": 95}),
        ("L", {"format": "JPEG"}),
        ("P", {"format": "PNG"}),
        ("1", {"format": "BMP"}),
        ("P", {"format": "GIF"}),
        ("RGB", {"format": "TIFF"}),
        ("RGB", {"format": "WEBP", "lossless": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else value["format"],
)
def test_read_takes_what_people_have_under_any_name(tmp_path, mode, how):
    path = tmp_path / "face.jpg"
    path.write_bytes(saved(Image.new("RGB", (40, 30), "white").convert(mode), **how))
    picture = faces.read(path)
    assert (picture.shape, picture.dtype) == ((30, 40, 3), np.uint8)
    assert np.abs(picture.astype(int) - 255).max() <= 6


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_read_refuses_truncated_files(tmp_path, format):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    path = tmp_path / "face"
    whole = saved(noise, format=format)
    for length in (len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        with pytest.raises(faces.UnreadablePictureError):
            faces.read(path)


def test_read_refuses_decompression_bombs_before_it_makes_room(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(saved(Image.new("1", (12_000, 12_000)), format="PNG"))
    assert path.stat().st_size < 20_000
    with pytest.raises(faces.UnreadablePictureError, match="Too many pixels"):
        faces.read(path)


def test_encode_keeps_small_faces_exactly_and_large_ones_closely():
    small = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert np.array_equal(faces.decode(faces.encode(small)), small)
    large = cv2.resize(small[:8, :8], (240, 240), interpolation=cv2.INTER_CUBIC)
    assert np.abs(faces.decode(faces.encode(large)).astype(int) - large).mean() < 3
