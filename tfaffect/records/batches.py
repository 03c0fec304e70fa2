"""Batches of (pictures, targets, weights) from prepared corpora."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.files import processors
from tfaffect.labels import AFFECT, CLASSES, HEADS
from tfaffect.media import faces
from tfaffect.records import mixing, pictures
from tfaffect.records.prepared import Prepared, parse

ALL = (0, 1)
"""The share of a process that reads complete batches: part 0 of 1."""

CORES = processors.count()
"""Batches that are decoded in parallel. AUTOTUNE would start with one."""

READ_AHEAD = 64
"""Batches of encoded faces, 1 MB each: decoding goes on while the shuffle buffer of the next epoch is filled."""


def training_batches(
    corpora: list[Prepared], config: Config, first_epoch: int = 0, first_step: int = 0, share: tuple[int, int] = ALL
) -> tf.data.Dataset:
    """Return the batches from a step of an epoch to the end of the last epoch, `steps_per_epoch` in each epoch.

    Pictures: uint8 (batch, size, size, 3), augmented; targets and weights: see `targets`. Order and changes depend only
    on the seed and the epoch, so a run can resume at any step. `share` (i, n) keeps the i-th of n equal parts of every
    batch, when n processes train together.
    """
    steps = mixing.steps_per_epoch(corpora, config)

    @tf.autograph.experimental.do_not_convert
    def encoded_batches(epoch: Any) -> Any:
        done = tf.cast(tf.where(epoch == first_epoch, first_step, 0), tf.int64)
        indexed = _batches(mixing.epoch_examples(corpora, config, epoch).enumerate(), config, share)
        return indexed.take(steps).skip(done).map(lambda indices, examples: (epoch, indices, examples))

    encoded = tf.data.Dataset.range(first_epoch, config.epochs).flat_map(encoded_batches).prefetch(READ_AHEAD)
    return _decoded(encoded, partial(_training_batch, config=config))


def validation_batches(
    corpora: list[Prepared], config: Config, split: str = "validation", share: tuple[int, int] = ALL
) -> tf.data.Dataset:
    """Return the batches of a split in record order, without changes: (pictures, targets, weights).

    Black pictures of weight 0 fill the last batch: equal batches are compiled once, and processes can share them.
    """
    parts = [corpus.records(split) for corpus in corpora if corpus.size(split)]
    if not parts:
        raise UsageError(f"No corpus has a split {split!r}. Received: {', '.join(corpus.name for corpus in corpora)}.")
    labelled = reduce(tf.data.Dataset.concatenate, parts).map(
        lambda record: {name: record[name] for name in ("image", "corpus", "key", *HEADS)}
    )
    padded = labelled.concatenate(_padding(sum(corpus.size(split) for corpus in corpora), config))
    batches = _batches(padded, config, share)
    return _decoded(batches, lambda records: (_letterboxed(records, config.image_size), *targets(records)))


def evaluation_batches(corpus: Prepared, split: str, image_size: int, batch_size: int) -> tf.data.Dataset:
    """Return batches of (pictures, records without pictures), in record order."""

    def letterboxed(records: dict) -> tuple:
        return _letterboxed(records, image_size), {name: records[name] for name in records if name != "image"}

    return _decoded(corpus.records(split).batch(batch_size), letterboxed)


def targets(record: dict) -> tuple[dict, dict]:
    """Return finite targets of a batch of records, and weights: 1 where a label exists, otherwise 0.

    Targets: {expression: float32 (batch, 8), valence: float32 (batch,), arousal: float32 (batch,)}; weights: the same
    keys, float32 (batch,). A single record gives the same without the batch axis.
    """
    values = {"expression": record["expression"]}
    weights = {"expression": tf.cast(tf.reduce_sum(record["expression"], axis=-1) > 0, tf.float32)}
    for name in AFFECT:
        known = tf.math.is_finite(record[name])
        values[name] = tf.where(known, record[name], 0.0)
        weights[name] = tf.cast(known, tf.float32)
    return values, weights


def _batches(faces: tf.data.Dataset, config: Config, share: tuple[int, int]) -> tf.data.Dataset:
    """Return this process's part of every batch, before anything is decoded: one of each n batches of an n-th."""
    part, parts = share
    return faces.batch(config.batch_size // parts, drop_remainder=True).shard(parts, part)


def _decoded(batches: tf.data.Dataset, decode: Callable) -> tf.data.Dataset:
    """Decode batches in parallel, with more threads than decode: in TensorFlow's own pool, reading waits for them."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = 2 * CORES
    return batches.map(decode, num_parallel_calls=CORES).prefetch(tf.data.AUTOTUNE).with_options(options)


def _padding(total: int, config: Config) -> tf.data.Dataset:
    """Return black pictures without labels that fill the last batch of `total` faces."""
    black = faces.encode(np.zeros((config.image_size, config.image_size, 3), np.uint8))
    unlabelled = {"expression": np.zeros(len(CLASSES), np.float32), **dict.fromkeys(AFFECT, np.float32("nan"))}
    return tf.data.Dataset.from_tensors({"image": black, "corpus": "", "key": "", **unlabelled}).repeat(
        -total % config.batch_size
    )


def _training_batch(epoch: Any, indices: Any, examples: dict, config: Config) -> tuple:
    records = parse(examples)
    images = _pictures(partial(pictures.augmented, config=config), records, config.image_size, epoch, indices)
    values, weights = targets(records)
    smoothing = config.label_smoothing  # Szegedy et al., CVPR 2016
    even = weights["expression"][:, None] / len(CLASSES)
    values["expression"] = (1 - smoothing) * values["expression"] + smoothing * even
    batch = images, values, weights
    return _mix_up(batch, epoch, indices[0] // config.batch_size, config) if config.mixup else batch


def _mix_up(batch: tuple, epoch: Any, step: Any, config: Config) -> tuple:
    """Mix each face of a batch with another one that has the same kinds of labels; Zhang et al., mixup, ICLR 2018."""
    images, values, weights = batch
    labelled = tf.stack([weights[head] for head in HEADS], axis=1)
    draw = partial(_partners, seed=config.seed, mixup=config.mixup)
    drawn = tf.numpy_function(draw, [labelled, epoch, step], (tf.int64, tf.float32))
    partner, fraction = (tf.ensure_shape(values, images.shape[:1]) for values in drawn)

    def mix(own: Any) -> Any:
        part = tf.reshape(fraction, [-1] + [1] * (len(own.shape) - 1))
        values = tf.cast(own, tf.float32)
        mixed = part * values + (1 - part) * tf.gather(values, partner)
        return tf.cast(tf.round(mixed) if own.dtype.is_integer else mixed, own.dtype)

    return mix(images), {name: mix(own) for name, own in values.items()}, weights


def _partners(labelled: np.ndarray, epoch: int, step: int, seed: int, mixup: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw the partner of each face, among those with the same kinds of labels, and the fraction it keeps of itself."""
    rng = np.random.default_rng((seed, epoch, step, len(labelled)))
    partner = np.arange(len(labelled))
    for kinds in np.unique(labelled, axis=0):
        alike = np.flatnonzero((labelled == kinds).all(axis=1))
        partner[alike] = rng.permutation(alike)
    return partner, rng.beta(mixup, mixup, len(labelled)).astype(np.float32)


def _letterboxed(records: dict, size: int) -> Any:
    return _pictures(partial(pictures.letterboxed, size=size), records, size)


def _pictures(read: Callable[..., np.ndarray], records: dict, size: int, *arguments: Any) -> Any:
    """Return the pictures of a batch. Python is called once for it: one call per face halves the speed at 48 pixels."""
    names = tf.strings.join([records["corpus"], records["key"]], "/")
    images = tf.numpy_function(read, [records["image"], names, *arguments], tf.uint8, stateful=False)
    return tf.ensure_shape(images, (records["image"].shape[0], size, size, 3))
