import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tfaffect.errors import UsageError
from tfaffect.records import balancing, batches, mixing
from tfaffect.records.prepared import open_corpus, parse
from tfrecords_builders.base import Face
from tfrecords_builders.prepare import prepare
from tfrecords_builders.synthetic import Synthetic

DARK = 64
"""Training faces of the second corpus, all of them black and afraid."""


class Dark(Synthetic):
    name = "dark"

    def faces(self, root):
        for split, count in (("train", DARK), ("validation", 16)):
            for number in range(count):
                name = f"{split}{number}"
                yield Face(
                    key=name, group=name, split=split, expression="fear",
                    image=lambda: np.zeros((40, 40, 3), np.uint8),
                )  # fmt: skip


@pytest.fixture(scope="module")
def mixed_records(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(records / "synthetic", folder / "synthetic")
    prepare(Dark(), folder, folder, keep_twins=True)
    return folder


@pytest.fixture(scope="module")
def both(mixed_records):
    return [open_corpus(mixed_records, name) for name in ("synthetic", "dark")]


@pytest.fixture(scope="module")
def plain(config, mixed_records):
    return replace(
        config, records=mixed_records, corpora=("synthetic", "dark"), augmentation_probability=0.0, batch_size=16
    )


def drawn(both, config, epoch):
    """The names of the faces in every batch of an epoch."""
    steps = mixing.steps_per_epoch(both, config)
    return [mixing.faces_of_batch(both, config, epoch, batch) for batch in range(steps)]


def test_without_weights_every_face_of_every_corpus_comes_once(both, plain):
    assert mixing.faces_per_epoch(both, plain) == [both[0].size("train"), DARK]
    epoch = drawn(both, replace(plain, batch_size=68), 0)  # eight of them
    names = [name for batch in epoch for name in batch]
    assert len(names) == len(set(names)) == both[0].size("train") + DARK == 544
    dark = [sum(name.startswith("dark/") for name in batch) for batch in epoch]
    assert sum(count > 0 for count in dark) > len(dark) / 2, "the corpora come one after the other"


def test_a_corpus_of_weight_a_quarter_gives_another_quarter_to_each_epoch(both, plain):
    config = replace(plain, corpus_weights=(0.1, 0.25))
    synthetic = round(0.1 * both[0].size("train"))
    assert mixing.faces_per_epoch(both, config) == [synthetic, 16]
    seen = Counter()
    for epoch in range(4):
        names = [name for batch in drawn(both, config, epoch) for name in batch]
        assert len(names) == synthetic + 16
        seen.update(name for name in names if name.startswith("dark/"))
    assert len(seen) == DARK
    assert set(seen.values()) == {1}


def test_a_corpus_of_weight_two_comes_twice(both, plain):
    config = replace(plain, corpus_weights=(0.1, 2.0))
    seen = Counter(name for batch in drawn(both, config, 3) for name in batch if name.startswith("dark/"))
    assert len(seen) == DARK
    assert set(seen.values()) == {2}


def test_the_names_are_those_of_the_faces_that_are_trained_on(both, plain):
    config = replace(plain, corpus_weights=(0.2, 0.5), epochs=2)
    epoch = list(batches.training_batches(both, config, first_epoch=1))
    for number, (pictures, *_) in enumerate(epoch):
        dark = [not picture.any() for picture in pictures.numpy()]
        assert dark == [name.startswith("dark/") for name in mixing.faces_of_batch(both, config, 1, number)]


def test_an_epoch_can_be_entered_at_any_step(both, plain):
    config = replace(plain, augmentation_probability=0.5, affine_strength=0.5, degradation_probability=0.5, epochs=2)
    whole = [pictures.numpy() for pictures, *_ in batches.training_batches(both, config, first_epoch=1)]
    entered = [pictures.numpy() for pictures, *_ in batches.training_batches(both, config, first_epoch=1, first_step=3)]
    np.testing.assert_array_equal(whole[3:], entered)


@pytest.mark.parametrize("read", [batches.training_batches, batches.validation_batches])
def test_the_shares_of_two_processes_make_the_batches_of_one(both, plain, read):
    config = replace(plain, epochs=1, augmentation_probability=0.2, affine_strength=0.5, erasing_probability=0.5)
    whole = list(read(both, config))
    parts = [list(read(both, config, share=(number, 2))) for number in range(2)]
    assert len(whole) == len(parts[0]) == len(parts[1])
    for one, *halves in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(one[0], np.concatenate([pictures for pictures, *_ in halves]))
        for kind in (1, 2):
            for name, values in one[kind].items():
                np.testing.assert_array_equal(values, np.concatenate([half[kind][name] for half in halves]))


def test_the_last_batch_is_filled_with_faces_of_no_weight(both, plain):
    config = replace(plain, batch_size=50)
    faces = sum(corpus.size("validation") for corpus in both)
    *_, (pictures, targets, weights) = batches.validation_batches(both, config)
    blank = 50 - faces % 50
    assert pictures.shape == (50, 32, 32, 3)
    assert all(np.isfinite(values).all() for values in targets.values())
    for values in weights.values():
        assert not values.numpy()[-blank:].any()
    assert weights["expression"].numpy()[-blank - 16 : -blank].all()  # all of the second corpus is labelled


def test_classes_are_counted_as_they_are_drawn(both, plain):
    alone = mixing.class_counts(both[:1], plain)
    fear = np.eye(8)[4]
    np.testing.assert_allclose(mixing.class_counts(both, plain), alone + DARK * fear)
    weighted = replace(plain, corpus_weights=(0.5, 2.0))
    np.testing.assert_allclose(mixing.class_counts(both, weighted), alone / 2 + 2 * DARK * fear)


def test_an_epoch_holds_whole_rounds_of_accumulation(both, plain):
    faces = both[0].size("train") + DARK
    assert mixing.steps_per_epoch(both, plain) == faces // 16
    assert mixing.steps_per_epoch(both, replace(plain, gradient_accumulation_steps=4)) == faces // 64 * 4


def test_a_weight_is_needed_for_each_corpus(both, plain):
    with pytest.raises(UsageError, match=r"one weight for each of: synthetic, dark. Received: \(0.5,\)"):
        mixing.faces_per_epoch(both, replace(plain, corpus_weights=(0.5,)))


def test_face_weights_by_hand():
    """Shares 4/5 and 1/5, power 1: factors 5/4 and 5, divided by their mean of 2."""
    labels = np.zeros((6, 8))
    labels[:4, 0] = labels[4, 1] = 1  # the sixth has no class
    (weights,) = balancing.face_weights([labels], [1.0], power=1.0)
    np.testing.assert_allclose(weights, [0.625] * 4 + [2.5, 1.0])
    (roots,) = balancing.face_weights([labels], [1.0], power=0.5)
    np.testing.assert_allclose(roots[4] / roots[0], 2.0)  # the root of 4
    np.testing.assert_allclose(roots[:5].mean(), 1.0)


def test_class_balanced_sampling_draws_rare_classes_as_often_as_others(both, plain):
    """In the two corpora fear is the most frequent class: all 64 faces of one have it."""
    balanced = replace(plain, class_balance=1.0, batch_size=64)
    sums = np.zeros(8)
    for epoch in range(4):
        for example in mixing.epoch_examples(both, balanced, epoch).batch(10_000):
            sums += parse(example)["expression"].numpy().sum(axis=0)
    shares = sums / sums.sum()
    before = mixing.class_counts(both, plain) / mixing.class_counts(both, plain).sum()
    assert before.max() > 0.2
    np.testing.assert_allclose(shares, 1 / 8, atol=0.03)
    expected = mixing.class_counts(both, balanced)
    np.testing.assert_allclose(expected / expected.sum(), 1 / 8, atol=0.01)  # some faces have several classes
    first = mixing.faces_of_batch(both, balanced, 1, 0)
    assert first == mixing.faces_of_batch(both, balanced, 1, 0) != mixing.faces_of_batch(both, balanced, 2, 0)
    assert sum(mixing.faces_per_epoch(both, balanced)) == pytest.approx(sum(mixing.faces_per_epoch(both, plain)), abs=2)


def test_batches_are_class_balanced_from_the_first_step_on(mixed_records, plain):
    """Corpora that nobody has read yet: their labels are needed before TensorFlow traces the pipeline."""
    balanced = replace(plain, class_balance=1.0, batch_size=64)
    corpora = [open_corpus(mixed_records, name) for name in plain.corpora]
    ((_, targets, _),) = batches.training_batches(corpora, balanced).take(1)
    again = next(iter(mixing.epoch_examples(corpora, balanced, 0).batch(64)))
    np.testing.assert_allclose(targets["expression"], parse(again)["expression"], atol=1e-6)
