import numpy as np
import pytest

from tfaffect.media import augmentation
from tfaffect.media.augmentation import CHANGES, augment


@pytest.fixture
def picture():
    grid = np.mgrid[0:48, 0:48].sum(axis=0)
    return np.stack([grid * 2, 255 - grid * 2, grid // 2 + 90], axis=-1).astype(np.uint8)


def draw(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("change", [*CHANGES, augmentation.flip_vertically], ids=lambda change: change.__name__)
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


def test_nothing_drawn_returns_the_very_picture(picture):
    assert augment(picture, draw(), probability=0.0) is picture


def test_the_same_generator_gives_the_same_picture(picture):
    assert np.array_equal(augment(picture, draw(5), 0.5), augment(picture, draw(5), 0.5))
    assert not np.array_equal(augment(picture, draw(5), 0.5), augment(picture, draw(6), 0.5))


def test_each_change_comes_with_its_probability_independently(monkeypatch, picture):
    drawn = []
    fakes = [lambda picture, rng, number=number: drawn.append(number) or picture for number in range(11)]
    monkeypatch.setattr(augmentation, "CHANGES", tuple(fakes))
    rng = draw()
    for _ in range(4000):
        augment(picture, rng, probability=0.05)
    shares = np.bincount(drawn, minlength=11) / 4000
    # standard deviation of a share: sqrt(0.05 * 0.95 / 4000) = 0.0034
    assert np.abs(shares - 0.05).max() < 0.015


def test_vertical_flip_only_when_asked(monkeypatch, picture):
    monkeypatch.setattr(augmentation, "CHANGES", ())
    assert np.array_equal(augment(picture, draw(), 1.0, vertical_flip=True), picture[::-1])
    assert augment(picture, draw(), 1.0) is picture


def test_changes_that_can_be_said_by_hand(picture):
    assert np.array_equal(augmentation.flip(picture, draw()), picture[:, ::-1])
    assert np.array_equal(augmentation.posterise(picture, draw()), picture // 16 * 16)
    grey = augmentation.greyscale(picture, draw())
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_padding_shifts_by_an_eighth_at_most(picture):
    white = np.full_like(picture, 255)
    for seed in range(50):
        kept = augmentation.pad_and_crop(white, draw(seed)).any(axis=2)
        assert min(kept.any(axis=0).sum(), kept.any(axis=1).sum()) >= 48 - 48 // 8
