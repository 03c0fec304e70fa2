import cv2
import numpy as np
import pytest

from tests import ROOT
from tfaffect.config import Config
from tfaffect.media import faces
from tfaffect.records import augmentation
from tfaffect.records.augmentation import CHANGES, augment, change_probabilities, draw_changes


@pytest.fixture
def picture():
    grid = np.mgrid[0:48, 0:48].sum(axis=0)
    return np.stack([grid * 2, 255 - grid * 2, grid // 2 + 90], axis=-1).astype(np.uint8)


def draw(seed=0):
    return np.random.default_rng(seed)


def draws(seed):
    return draw(seed).uniform(-1, 1, augmentation.AFFINE_DRAWS)


@pytest.mark.parametrize(
    "change", [*CHANGES, augmentation.flip_vertically, augmentation.degrade], ids=lambda change: change.__name__
)
@pytest.mark.parametrize("side", [32, 240])
def test_every_change_keeps_shape_and_type_and_changes_something(change, side):
    picture = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    before = picture.copy()
    changed = change(picture, draw())
    assert (changed.shape, changed.dtype) == (picture.shape, np.uint8)
    assert not np.array_equal(changed, picture)
    assert np.array_equal(picture, before), "the change wrote into its input"


def test_there_are_eleven_and_the_vertical_flip_is_an_option():
    assert len(CHANGES) == 11
    assert augmentation.flip_vertically not in CHANGES


def test_no_change_returns_the_very_picture(picture):
    assert augment(picture, [], draw()) is picture
    assert change_probabilities(Config(augmentation_probability=0.0)) == []


def test_changes_come_in_their_order(picture):
    changed = augment(picture, [augmentation.flip, augmentation.posterise], draw())
    assert np.array_equal(changed, picture[:, ::-1] // 16 * 16)


def test_the_same_generator_gives_the_same_picture(picture):
    def changed(seed):
        return augment(picture, CHANGES, draw(seed))

    assert np.array_equal(changed(5), changed(5))
    assert not np.array_equal(changed(5), changed(6))


def test_each_change_comes_with_its_probability_independently():
    config = Config(augmentation_probability=0.05, erasing_probability=0.3)
    chosen = draw_changes(change_probabilities(config), draw(), 4000)
    shares = [np.mean([change in changes for changes in chosen]) for change in (*CHANGES, augmentation.erase)]
    # standard deviation of a share: sqrt(0.05 * 0.95 / 4000) = 0.0034, of 0.3 0.0072
    assert np.abs(np.subtract(shares[:-1], 0.05)).max() < 0.015
    assert abs(shares[-1] - 0.3) < 0.03
    pairs = np.mean([{augmentation.flip, augmentation.erase} <= set(changes) for changes in chosen])
    assert abs(pairs - 0.05 * 0.3) < 0.006  # standard deviation 0.0019


def test_vertical_flip_only_when_asked():
    assert [change for change, _ in change_probabilities(Config(augmentation_probability=1.0))] == [*CHANGES]
    flipping = Config(augmentation_probability=0.1, vertical_flip=True)
    assert change_probabilities(flipping)[-1] == (augmentation.flip_vertically, 0.1)


def test_changes_that_can_be_said_by_hand(picture):
    assert np.array_equal(augmentation.flip(picture, draw()), picture[:, ::-1])
    assert np.array_equal(augmentation.posterise(picture, draw()), picture // 16 * 16)
    grey = augmentation.greyscale(picture, draw())
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_moved_faces_are_mirrored_half_of_the_time(picture):
    moved = [augmentation.affine(picture, draws(seed), 0.0, 48) for seed in range(400)]
    kept = [np.array_equal(face, picture) for face in moved]
    mirrored = [np.array_equal(face, picture[:, ::-1]) for face in moved]
    assert np.logical_xor(kept, mirrored).all()
    assert 0.4 < np.mean(mirrored) < 0.6  # standard deviation 0.025


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("side", [48, 60])
def test_a_point_moves_as_far_as_the_strength_says(strength, side):
    """The centre can be shifted by 6 of 48 pixels each way at a strength of 1, turning and scaling leave it."""
    dot = np.zeros((side, side, 3), np.uint8)
    dot[side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2] = 255
    moved = []
    for seed in range(200):
        rows, columns = np.nonzero(augmentation.affine(dot, draws(seed), strength, 48)[..., 0] > 64)
        moved.append(max(abs(rows.mean() - 23.5), abs(columns.mean() - 23.5)))
    assert 6.0 * strength - 1 < max(moved) <= 6.0 * strength + 0.5


def test_nothing_black_comes_in_from_outside():
    white = np.full((48, 48, 3), 255, np.uint8)
    for seed in range(50):
        assert np.array_equal(augmentation.affine(white, draws(seed), 1.0, 40), np.full((40, 40, 3), 255))


@pytest.mark.parametrize("side", [32, 240])
def test_a_rectangle_of_2_to_20_percent_is_erased(side):
    black = np.zeros((side, side, 3), np.uint8)
    for seed in range(100):
        erased = augmentation.erase(black, draw(seed)).any(axis=2)
        rows, columns = np.nonzero(erased)
        box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert 0.01 < box / side**2 < 0.22
        assert erased.sum() == pytest.approx(box, rel=0.02)  # noise is 0 in all three channels at 1 of 16.8 million
    assert not black.any()


def test_focus_or_light_is_taken_as_often():
    white = np.full((48, 48, 3), 200, np.uint8)
    white[:, 24:] = 100
    light, widths = [], []
    for seed in range(400):
        changed = augmentation.degrade(white, draw(seed)).astype(float)
        if changed.mean() > 149:  # an edge between 200 and 100 rises by 100 / (deviation * sqrt(2 pi)) a pixel
            rise = np.diff(changed[24, :, 0])[23]
            widths.append(-100 / rise / np.sqrt(2 * np.pi) / 48)
        else:
            light.append(changed[:, :24].mean() / 200)
    assert 160 < len(light) < 240  # standard deviation 10
    assert 0.045 < min(light) < 0.07
    assert 0.55 < max(light) < 0.61
    assert np.median(light) == pytest.approx(np.sqrt(0.05 * 0.6), rel=0.2)  # as many stops of light above as below
    assert 0.045 < max(widths) < 0.053
    assert min(widths) < 0.012  # a narrower edge is less than a pixel


def test_padding_shifts_by_an_eighth_at_most(picture):
    white = np.full_like(picture, 255)
    for seed in range(50):
        kept = augmentation.pad_and_crop(white, draw(seed)).any(axis=2)
        assert min(kept.any(axis=0).sum(), kept.any(axis=1).sum()) >= 48 - 48 // 8


@pytest.fixture(scope="module")
def photo():
    """The face of a photo, 240 pixels a side."""
    return faces.letterbox(faces.read(ROOT / "docs" / "annotated.jpg")[20:290, 90:360], 240)


@pytest.mark.parametrize(
    ("change", "levels"),
    [
        (augmentation.pad_and_crop, 59.66),
        (augmentation.greyscale, 14.19),
        (augmentation.jitter_colour, 25.63),
        (augmentation.blur, 6.77),
        (augmentation.perspective, 65.99),
        (augmentation.rotate, 38.11),
        (augmentation.crop_and_resize, 53.75),
        (augmentation.posterise, 7.13),
        (augmentation.sharpen, 4.31),
        (augmentation.equalise, 12.00),
        (augmentation.flip, 64.40),
        (augmentation.erase, 10.93),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_is_as_strong_as_when_the_recipe_was_made(photo, change, levels):
    """The mean difference in grey levels, over 20 draws, is that of commit b3b4698."""
    differences = [np.abs(change(photo, draw(seed)).astype(int) - photo).mean() for seed in range(20)]
    assert np.mean(differences) == pytest.approx(levels, rel=0.01)


@pytest.mark.parametrize("change", [augmentation.rotate, augmentation.perspective])
def test_a_warp_over_four_channels_is_that_over_three(photo, change, monkeypatch):
    fast = change(photo, draw())

    def over_three(picture, matrix, size):
        warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
        return warp(picture, matrix, (size, size))

    monkeypatch.setattr(augmentation, "_warp", over_three)
    assert np.abs(fast.astype(int) - change(photo, draw())).mean() < 0.1


@pytest.mark.parametrize(("side", "size"), [(240, 240), (288, 240), (270, 240), (60, 48), (48, 240)])
def test_one_interpolation_moves_as_letterbox_and_opencv_do(side, size):
    """Both put every part of a face at the same place.

    Where a face shrinks, one interpolation keeps detail that two lose. It must not be further from the detail of the
    letterbox alone, which the network sees in use.
    """
    stored = faces.resize(faces.read(ROOT / "docs" / "annotated.jpg")[20:290, 90:360], side, side)
    served, detail = faces.letterbox(stored, size), []
    for seed in range(8):
        angle, zoom, right, down, mirror = draws(seed)
        middle = ((size - 1) / 2, (size - 1) / 2)
        matrix = cv2.getRotationMatrix2D(middle, 0.6 * 15 * angle, 1 + 0.6 * 0.15 * zoom)
        matrix[:, 2] += 0.6 * size / 8 * np.array([right, down])
        start = served[:, ::-1] if mirror < 0 else served
        expected = cv2.warpAffine(start, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        moved = augmentation.affine(stored, draws(seed), 0.6, size)
        assert np.abs(moved.astype(int) - expected).mean() < (2 if side <= size else 5)
        both = [cv2.GaussianBlur(face, (0, 0), 2).astype(int) for face in (moved, expected)]
        assert np.abs(both[0] - both[1]).mean() < 1
        detail.append([cv2.Laplacian(face, cv2.CV_32F).std() for face in (served, moved, expected)])
    in_use, one, two = np.mean(detail, axis=0)
    assert side <= size or abs(np.log(one / in_use)) <= abs(np.log(two / in_use))


@pytest.mark.parametrize("side", [48, 240])
@pytest.mark.parametrize("percent", [0.5, 1.4, 1.7, 2.6, 3.4, 5])
def test_a_wide_blur_is_opencvs(photo, side, percent):
    face = faces.resize(photo, side, side)
    expected = cv2.GaussianBlur(face, (0, 0), side * percent / 100, borderType=cv2.BORDER_REPLICATE)
    difference = np.abs(augmentation._blur_widely(face, side * percent / 100).astype(int) - expected)
    assert difference.mean() < 0.5
    assert difference.max() <= 8


def test_the_dark_has_the_light_and_the_noise_that_are_drawn(photo):
    """Without its noise a dark face is that of exact arithmetic; an even one has the mean and the deviation."""
    drawn, even, measured = np.random.default_rng(0), np.full((240, 240, 3), 200, np.uint8), []
    for seed in range(60):
        rng = draw(seed)
        if rng.random() < 0.5:
            continue
        light, deviation = np.exp(rng.uniform(np.log(0.05), np.log(0.6))), rng.uniform(0, 3)
        noise = drawn.standard_normal(even.shape) * deviation
        changed = augmentation.degrade(even, draw(seed)).astype(float)
        expected = np.clip(np.round(200 * light + noise), 0, 255)
        measured.append((changed.mean() - expected.mean(), changed.std() - expected.std()))
        dark = np.clip(np.round(photo * light + noise), 0, 255)
        assert np.abs(augmentation.degrade(photo, draw(seed)) - dark).mean() < 0.1 + 2 * deviation / np.sqrt(np.pi)
    assert len(measured) > 20
    assert np.abs(measured).max() < 0.03  # standard error of a mean 3 / sqrt(172,800) = 0.007


def test_dark_faces_have_different_noise():
    """They take it from one store: at different places."""
    even = np.full((240, 240, 3), 200, np.uint8)
    changed = [augmentation.degrade(even, draw(seed)).ravel() for seed in range(40)]
    noisy = [face for face in changed if face.std() > 1]
    assert len(noisy) > 5
    assert np.abs(np.corrcoef(noisy) - np.eye(len(noisy))).max() < 0.02  # standard deviation 0.0024
