"""Prepared corpora to batches of (pictures, targets, weights)."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES, HEADS
from tfaffect.media import faces
from tfaffect.records import mixing
from tfaffect.records.augmentation import Change, augment, change_probabilities, choose
from tfaffect.records.prepared import Prepared, parse

ALL = (0, 1)
"""The share of a process that reads every face of a batch: part 0 of 1."""

CORES = os.cpu_count() or 1
"""Batches that are decoded at once. tf.data's own tuning begins with one, and anew in every epoch."""


def training_batches(
    corpora: list[Prepared], config: Config, first_epoch: int = 0, first_step: int = 0, share: tuple[int, int] = ALL
) -> tf.data.Dataset:
    """Return the batches from a step of an epoch on to the last epoch, `steps_per_epoch` each.

    Pictures uint8 (batch, size, size, 3), augmented; targets and weights as `targets` gives them. Order and changes
    follow from the seed and the epoch alone, so that a run can go on anywhere. `share` (i, n) keeps the i-th of n equal
    parts of every batch, for a process that trains together with others.
    """
    steps = mixing.steps_per_epoch(corpora, config)

    @tf.autograph.experimental.do_not_convert
    def epoch_batches(epoch):
        done = tf.where(epoch == first_epoch, first_step, 0) * config.batch_size
        placed = mixing.epoch_examples(corpora, config, epoch).enumerate().take(steps * config.batch_size)
        drawn = _part(placed.skip(tf.cast(done, tf.int64)), config.batch_size, share)
        batches = drawn.batch(config.batch_size // share[1], drop_remainder=True).map(
            lambda places, examples: _training_batch(parse(examples), epoch, places, config), num_parallel_calls=CORES
        )
        if not config.mixup:
            return batches
        first = tf.cast(done // config.batch_size, tf.int64)
        return batches.enumerate(first).map(
            lambda step, batch: _mixed(*batch, epoch, step, config), num_parallel_calls=CORES
        )

    epochs = tf.data.Dataset.range(first_epoch, config.epochs)
    return epochs.flat_map(epoch_batches).prefetch(tf.data.AUTOTUNE)


def validation_batches(
    corpora: list[Prepared], config: Config, split: str = "validation", share: tuple[int, int] = ALL
) -> tf.data.Dataset:
    """Return the batches of a split in the order of the records, unchanged: (pictures, targets, weights).

    Black pictures without weight fill the last batch: of one size, batches are compiled once and can be shared out.
    """
    parts = [corpus.records(split) for corpus in corpora if corpus.size(split)]
    if not parts:
        raise UsageError(f"No corpus has a split {split!r}. Received: {', '.join(corpus.name for corpus in corpora)}.")
    records = parts[0]
    for part in parts[1:]:
        records = records.concatenate(part)
    labelled = records.map(lambda record: {name: record[name] for name in ("image", *HEADS)})
    filled = labelled.concatenate(_blanks(sum(corpus.size(split) for corpus in corpora), config))
    batches = _part(filled.enumerate(), config.batch_size, share).batch(
        config.batch_size // share[1], drop_remainder=True
    )
    return batches.map(
        lambda places, records: (_letterboxed(records["image"], config.image_size), *targets(records)),
        num_parallel_calls=CORES,
    ).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(corpus: Prepared, split: str, image_size: int, batch_size: int) -> tf.data.Dataset:
    """Return batches of (pictures, records without their pictures), in the order of the records."""
    batches = corpus.records(split).batch(batch_size)
    return batches.map(
        lambda records: (_letterboxed(records.pop("image"), image_size), records), num_parallel_calls=CORES
    ).prefetch(tf.data.AUTOTUNE)


def targets(record: dict) -> tuple[dict, dict]:
    """Return finite targets of a batch of records and their weights, 1 where a label exists and 0 where it does not.

    Targets: {expression: float32 (batch, 8), valence: float32 (batch,), arousal: float32 (batch,)}; weights: the same
    keys, float32 (batch,). One record alone, without the batch, gives one of each.
    """
    values = {"expression": record["expression"]}
    weights = {"expression": tf.cast(tf.reduce_sum(record["expression"], axis=-1) > 0, tf.float32)}
    for name in AFFECT:
        known = tf.math.is_finite(record[name])
        values[name] = tf.where(known, record[name], 0.0)
        weights[name] = tf.cast(known, tf.float32)
    return values, weights


def _part(placed: tf.data.Dataset, batch_size: int, share: tuple[int, int]) -> tf.data.Dataset:
    """Keep of (place, record) those in this process's part of their batch, before anything is decoded."""
    index, count = share
    if count == 1:
        return placed
    return placed.filter(lambda place, record: place % batch_size // (batch_size // count) == index)


def _blanks(total: int, config: Config) -> tf.data.Dataset:
    """Black pictures without a label that fill the last of the batches of `total` faces."""
    black = faces.encode(np.zeros((config.image_size, config.image_size, 3), np.uint8))
    unlabelled = {"expression": np.zeros(len(CLASSES), np.float32), **dict.fromkeys(AFFECT, np.float32("nan"))}
    return tf.data.Dataset.from_tensors({"image": black, **unlabelled}).repeat(-total % config.batch_size)


def _training_batch(records: dict, epoch, places, config: Config) -> tuple:
    """One call of Python for a batch: at 48 pixels, one for each face halved the faces a second."""
    given = [records["image"], epoch, places]
    pictures = tf.numpy_function(lambda *given: _drawn(*given, config), given, tf.uint8, stateful=False)
    values, weights = targets(records)
    values["expression"] = _smoothed(values["expression"], weights["expression"], config.label_smoothing)
    return _shaped(pictures, records["image"], config.image_size), values, weights


def _drawn(encoded: np.ndarray, epoch: int, places: np.ndarray, config: Config) -> np.ndarray:
    """Faces of a batch, or of a part of it, as an epoch shows them.

    What is drawn follows from the seed, the epoch and the place in it: which changes for the batch, how for the face.
    """
    step, rows = places[0] // config.batch_size, places % config.batch_size
    of_batch, of_face = 0, 1
    rng = np.random.default_rng((config.seed, epoch, step, of_batch))
    chosen = choose(_change_probabilities(config), rng, config.batch_size)
    pictures = np.empty((len(encoded), config.image_size, config.image_size, 3), np.uint8)
    for number, (face, place, row) in enumerate(zip(encoded, places, rows, strict=True)):
        picture = faces.letterbox(faces.decode(face), config.image_size)
        if changes := chosen[row]:
            picture = augment(picture, changes, np.random.default_rng((config.seed, epoch, place, of_face)))
        pictures[number] = picture
    return pictures


def _change_probabilities(config: Config) -> list[tuple[Change, float]]:
    return change_probabilities(
        config.augmentation_probability,
        config.vertical_flip,
        config.affine_strength,
        config.erasing_probability,
        config.degradation_probability,
    )


def _smoothed(distribution, known, share: float):
    """Spread a share of a distribution evenly over the classes; Szegedy et al., CVPR 2016."""
    return distribution * (1 - share) + known[:, None] * share / len(CLASSES)


def _mixed(pictures, values: dict, weights: dict, epoch, step, config: Config) -> tuple:
    """Mix each face of a batch with another one that is labelled alike; Zhang et al., mixup, ICLR 2018."""
    labelled = tf.stack([weights[head] for head in HEADS], axis=1)
    order, share = tf.numpy_function(
        lambda *given: _pairs(*given, config.seed, config.mixup), [labelled, epoch, step], (tf.int64, tf.float32)
    )
    share = tf.ensure_shape(share, pictures.shape[:1])

    def mix(own, dtype):
        part = tf.reshape(share, [-1] + [1] * (len(own.shape) - 1))
        own = tf.cast(own, tf.float32)
        mixed = part * own + (1 - part) * tf.gather(own, order)
        return tf.cast(tf.round(mixed) if dtype.is_integer else mixed, dtype)

    mixed = {name: tf.ensure_shape(mix(own, own.dtype), own.shape) for name, own in values.items()}
    return tf.ensure_shape(mix(pictures, pictures.dtype), pictures.shape), mixed, weights


def _pairs(labelled: np.ndarray, epoch: int, step: int, seed: int, mixup: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw each face's partner among those with labels of the same kinds, and how much of itself it keeps."""
    rng = np.random.default_rng((seed, epoch, step, len(labelled)))
    order = np.arange(len(labelled))
    for kinds in np.unique(labelled, axis=0):
        alike = np.flatnonzero((labelled == kinds).all(axis=1))
        order[alike] = rng.permutation(alike)
    return order, rng.beta(mixup, mixup, len(labelled)).astype(np.float32)


def _letterboxed(encoded, image_size: int):
    def scale(encoded: np.ndarray) -> np.ndarray:
        return np.stack([faces.letterbox(faces.decode(face), image_size) for face in encoded])

    return _shaped(tf.numpy_function(scale, [encoded], tf.uint8, stateful=False), encoded, image_size)


def _shaped(pictures, encoded, size: int):
    return tf.ensure_shape(pictures, (encoded.shape[0], size, size, 3))
