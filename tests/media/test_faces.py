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


def test_grey_is_the_luma_of_bt_601_and_grey_pictures_stay_as_they_are():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 100, 50]]], np.uint8)
    luma = [76, 150, 29, 124]  # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert faces.to_grey(colours).tolist() == [[[value] * 3 for value in luma]]
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1), 3, axis=-1)  # two pictures
    assert np.array_equal(faces.to_grey(levels), levels)
    assert faces.to_grey(levels[:0]).shape == (0, 8, 16, 3)
    assert faces.is_grey(levels[0])
    assert not faces.is_grey(levels[0] + np.array([0, 0, 1], np.uint8))
    assert not faces.is_grey(levels[0] + np.array([0, 1, 0], np.uint8))


@pytest.mark.parametrize("side", [48, 100])
def test_grey_faces_are_grey_when_they_are_read_from_records(side):
    levels = np.random.default_rng(0).integers(0, 256, (side, side, 1), np.uint8)
    assert faces.is_grey(faces.decode(faces.encode(np.repeat(levels, 3, axis=-1))))


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


SCENE = np.zeros((24, 40, 3), np.uint8)
SCENE[:12, :20], SCENE[:12, 20:], SCENE[12:, :20] = (
    (240, 20, 20),
    (20, 240, 20),
    (20, 20, 240),
)  # and black
TURNS = {  # what a viewer does about each EXIF orientation
    1: lambda picture: picture,
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: picture.transpose(1, 0, 2),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.rot90(picture, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "transparent PNG"])
def test_upright_turns_a_picture_as_its_exif_says(format, orientation):
    note = Image.Exif()
    note[0x0112] = orientation
    scene = Image.fromarray(SCENE).convert("RGBA" if format == "transparent PNG" else "RGB")
    encoded = saved(scene, format=format.split()[-1], exif=note, quality=95)
    shown = faces.decode(encoded, upright=True)
    expected = TURNS[orientation](SCENE)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 12
    if format in ("JPEG", "PNG", "WEBP"):
        assert np.abs(faces.decode(encoded).astype(int) - SCENE).mean() < 12  # as it is stored


def test_read_turns_a_picture_only_when_asked(tmp_path):
    note = Image.Exif()
    note[0x0112] = 6
    (tmp_path / "face.jpg").write_bytes(saved(Image.fromarray(SCENE), format="JPEG", exif=note))
    assert faces.read(tmp_path / "face.jpg").shape == (24, 40, 3)
    assert faces.read(tmp_path / "face.jpg", upright=True).shape == (40, 24, 3)


@pytest.mark.parametrize("upright", [False, True])
def test_ordinary_pictures_are_the_same_upright(upright):
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    for format in ("PNG", "BMP", "TIFF"):
        assert np.array_equal(faces.decode(saved(Image.fromarray(noise), format=format), upright), noise)
    encoded = saved(Image.fromarray(noise), format="JPEG")
    assert np.array_equal(faces.decode(encoded, upright), np.array(Image.open(BytesIO(encoded))))


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_are_black_upright_by_hand(format):
    picture = np.full((2, 3, 4), (200, 100, 50, 255), np.uint8)
    picture[:, 1, 3], picture[:, 2, 3] = 0, 51
    how = {"lossless": True, "exact": True} if format == "WEBP" else {}
    encoded = saved(Image.fromarray(picture), format=format, **how)
    # a fifth of 200, 100 and 50 is left where 51 of 255 are opaque
    assert faces.decode(encoded, upright=True)[0].tolist() == [[200, 100, 50], [0, 0, 0], [40, 20, 10]]


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_black_upright(format):
    picture = Image.new("P", (4, 2), 1)
    picture.putpalette([0, 0, 255, 250, 240, 230])
    picture.putpixel((0, 0), 0)
    shown = faces.decode(saved(picture, format=format, transparency=0), upright=True)
    assert shown[0, :2].tolist() == [[0, 0, 0], [250, 240, 230]]


def test_grey_with_transparency_is_black_where_nothing_shows():
    picture = np.full((2, 2, 2), (180, 255), np.uint8)
    picture[0, 0, 1] = 0
    shown = faces.decode(saved(Image.fromarray(picture), format="PNG"), upright=True)
    assert shown[0].tolist() == [[0, 0, 0], [180, 180, 180]]


@pytest.mark.parametrize("marked", [True, False])
def test_cmyk_is_no_negative(marked):
    flat = Image.new("RGB", (16, 16), (200, 60, 30))
    encoded = saved(flat.convert("CMYK"), format="JPEG", quality=95)  # inverted, with Adobe's mark, as from Photoshop
    at = encoded.index(b"\xff\xee")
    assert encoded[at + 4 : at + 9] == b"Adobe"
    if not marked:
        encoded = encoded[:at] + encoded[at + 2 + int.from_bytes(encoded[at + 2 : at + 4]) :]
    for upright in (False, True):
        assert np.abs(faces.decode(encoded, upright).astype(int) - (200, 60, 30)).max() <= 4


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", ["grey", "colour", "alpha"])
def test_16_bits_are_scaled_to_8(channels, suffix, upright):
    steps = np.array([[0, 255, 256, 32768, 65279, 65280, 65535]], np.uint16)
    stored = {"grey": steps, "colour": np.dstack([steps] * 3), "alpha": np.dstack([steps] * 3 + [0 * steps + 65535])}
    encoded = cv2.imencode(suffix, stored[channels])[1].tobytes()
    shown = faces.decode(encoded, upright)[0, :, 0].astype(int)
    assert np.abs(shown - [0, 1, 1, 127, 254, 254, 255]).max() <= 1  # divided by 257, or by 256 and rounded down


def test_of_an_animation_the_first_picture_is_read():
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("white", "black"))
    for format in ("GIF", "WEBP", "PNG"):
        encoded = saved(first, format=format, save_all=True, append_images=[second])
        assert faces.decode(encoded, upright=True).min() == 255


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("how", [{}, {"progressive": True}])
def test_a_jpeg_without_its_end_is_refused_wherever_it_breaks_off(how, upright):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    whole = saved(noise, format="JPEG", **how)
    for length in range(2, len(whole) - 1, 97):
        with pytest.raises(faces.UnreadablePictureError):
            faces.decode(whole[:length], upright)


@pytest.mark.parametrize("how", [{"format": "PNG"}, {"format": "WEBP"}, {"format": "TIFF"}], ids=str)
def test_a_transparent_picture_without_its_end_is_refused(how):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 4), dtype=np.uint8))
    whole = saved(noise, **how)
    for length in (20, len(whole) // 2, len(whole) - 60):
        with pytest.raises(faces.UnreadablePictureError):
            faces.decode(whole[:length], upright=True)


def test_what_to_do_about_heic_is_said():
    with pytest.raises(faces.UnreadablePictureError, match="convert it to JPEG"):
        faces.decode(b"\0\0\0\x18ftypheic" + bytes(100))


def test_broken_exif_is_no_reason_to_refuse_or_to_warn(tmp_path):
    note = Image.Exif()
    note[0x0112] = 6
    encoded = saved(Image.fromarray(SCENE), format="JPEG", exif=note)
    at = encoded.index(b"Exif")
    (tmp_path / "face.jpg").write_bytes(encoded[: at + 14] + b"\xff" * 8 + encoded[at + 22 :])
    assert faces.read(tmp_path / "face.jpg", upright=True).size == SCENE.size


def test_encode_keeps_small_faces_exactly_and_large_ones_closely():
    small = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert np.array_equal(faces.decode(faces.encode(small)), small)
    large = cv2.resize(small[:8, :8], (240, 240), interpolation=cv2.INTER_CUBIC)
    assert np.abs(faces.decode(faces.encode(large)).astype(int) - large).mean() < 3
