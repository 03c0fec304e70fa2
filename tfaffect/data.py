"""Prepared corpora to batches of (pictures, targets, weights)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfaffect import faces
from tfaffect.augmentation import augment
from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES, HEADS

SHUFFLE_BUFFER = 16_384
"""Encoded faces held for shuffling, at 5 to 25 kB each. Records lie in random order already (TFDS sorts by a hash)."""


@dataclass(frozen=True)
class Prepared:
    """One prepared corpus: `records/<name>/<version>/` and its build report."""

    name: str
    version: str
    folder: Path
    report: dict

    def size(self, split: str) -> int:
        """Return the number of records in a split, 0 for a split that is not there."""
        return self.report["splits"].get(split, {}).get("records", 0)

    def labels(self, split: str) -> dict:
        """Return what the records of a split are labelled with: {expression: masses (8,), valence, arousal: counts}."""
        counts = self.report["splits"].get(split, {})
        masses = counts.get("expression", {})
        return {
            "expression": np.array([masses.get(name, 0.0) for name in CLASSES]),
            **{name: counts.get(name, 0) for name in AFFECT},
        }


def open_corpus(records: Path, name: str) -> Prepared:
    """Open the newest version of a prepared corpus.

    Raises UsageError when it was never prepared, is not whole, or speaks another vocabulary.
    """
    versions = sorted(Path(records, name).glob("[0-9]*"), key=_version_number)
    if not versions:
        there = sorted(path.name for path in Path(records).glob("[!.]*/") if any(path.glob("[0-9]*")))
        raise UsageError(
            f"No records of {name!r} in {records}. Prepared there: {', '.join(there) or 'nothing'}. "
            f"Build them with: python -m tfrecords_builders {name} --raw DIR --records {records}"
        )
    folder = versions[-1]
    try:
        report = json.loads((folder / "build_report.json").read_text())
        metadata = json.loads((folder / "metadata.json").read_text())
        vocabulary = (tuple(metadata["classes"]), tuple(metadata["affect"]))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{folder} does not hold whole records: {error}. Build them again with --overwrite."
        ) from error
    if vocabulary != (CLASSES, AFFECT):
        raise UsageError(
            f"{folder} was written with another vocabulary. Received: {vocabulary}. Expected: {CLASSES}, {AFFECT}."
        )
    return Prepared(name, folder.name, folder, report)


def training_batches(corpora: list[Prepared], config: Config, first_epoch: int = 0) -> tf.data.Dataset:
    """Return the batches of all epochs from `first_epoch` on, `steps_per_epoch` each.

    Pictures uint8 (batch, size, size, 3), augmented; targets and weights as `targets` gives them. Every record is drawn
    once per epoch; order and changes follow from the seed and the epoch alone, so that a run can go on anywhere.
    """
    sizes = [corpus.size("train") for corpus in corpora]
    total = sum(sizes)

    @tf.autograph.experimental.do_not_convert
    def epoch_batches(epoch):
        tf.compat.v1.set_random_seed(1)  # TF takes a tensor for a seed only beside a graph seed that is not 0
        seed = config.seed + 1_000_003 * epoch
        parts = [_records(corpus, "train") for corpus in corpora]
        shares = [size / total for size in sizes]
        mixed = tf.data.Dataset.sample_from_datasets(parts, shares, seed=seed) if len(parts) > 1 else parts[0]
        shuffled = mixed.shuffle(SHUFFLE_BUFFER, seed, reshuffle_each_iteration=False).enumerate()
        drawn = shuffled.map(
            lambda place, record: _training_example(record, epoch, place, config), num_parallel_calls=tf.data.AUTOTUNE
        )
        return drawn.batch(config.batch_size, drop_remainder=True)

    epochs = tf.data.Dataset.range(first_epoch, config.epochs)
    return epochs.flat_map(epoch_batches).prefetch(tf.data.AUTOTUNE)


def steps_per_epoch(corpora: list[Prepared], config: Config) -> int:
    """Return the number of whole batches in the training splits. Raises UsageError when there is none."""
    total = sum(corpus.size("train") for corpus in corpora)
    if total < config.batch_size:
        raise UsageError(
            f"The training splits hold {total} faces, less than one batch. Received: {config.batch_size=}."
        )
    return total // config.batch_size


def validation_batches(corpora: list[Prepared], config: Config, split: str = "validation") -> tf.data.Dataset:
    """Return the batches of a split in the order of the records, unchanged: (pictures, targets, weights)."""
    records = _all_records(corpora, split)
    examples = records.map(
        lambda record: (_letterboxed(record["image"], config.image_size), *targets(record)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return examples.batch(config.batch_size).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(corpus: Prepared, split: str, image_size: int, batch_size: int) -> tf.data.Dataset:
    """Return batches of (pictures, record without its picture), in the order of the records."""
    examples = _records(corpus, split).map(
        lambda record: (_letterboxed(record.pop("image"), image_size), record), num_parallel_calls=tf.data.AUTOTUNE
    )
    return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def targets(record: dict) -> tuple[dict, dict]:
    """Return finite targets of one record and their weights, 1 where a label exists and 0 where it does not.

    Targets: {expression: float32 (8,), valence: float32, arousal: float32}; weights: the same keys, float32 scalars.
    """
    values = {"expression": record["expression"]}
    weights = {"expression": tf.cast(tf.reduce_sum(record["expression"]) > 0, tf.float32)}
    for name in AFFECT:
        known = tf.math.is_finite(record[name])
        values[name] = tf.where(known, record[name], 0.0)
        weights[name] = tf.cast(known, tf.float32)
    return values, weights


def labelled_heads(corpora: list[Prepared], split: str) -> tuple[str, ...]:
    """Return the heads for which a split of any of the corpora has a label, in vocabulary order."""
    return tuple(name for name in HEADS if any(np.sum(corpus.labels(split)[name]) > 0 for corpus in corpora))


def class_masses(corpora: list[Prepared]) -> np.ndarray:
    """Return how often each class is annotated in the training splits, votes as fractions; (8,)."""
    return np.sum([corpus.labels("train")["expression"] for corpus in corpora], axis=0)


def _records(corpus: Prepared, split: str) -> tf.data.Dataset:
    if not corpus.size(split):
        has = ", ".join(f"{name} ({corpus.size(name):,})" for name in corpus.report["splits"])
        raise UsageError(f"{corpus.name} {corpus.version} has no split {split!r}. It has: {has}.")
    return tfds.builder_from_directory(corpus.folder).as_dataset(
        split=split,
        shuffle_files=False,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    )


def _all_records(corpora: list[Prepared], split: str) -> tf.data.Dataset:
    parts = [_records(corpus, split) for corpus in corpora if corpus.size(split)]
    if not parts:
        raise UsageError(f"No corpus has a split {split!r}. Received: {', '.join(corpus.name for corpus in corpora)}.")
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.concatenate(part)
    return whole


def _training_example(record: dict, epoch, place, config: Config) -> tuple:
    def draw(encoded: bytes, epoch: int, place: int) -> np.ndarray:
        picture = faces.letterbox(faces.decode(encoded), config.image_size)
        rng = np.random.default_rng((config.seed, epoch, place))
        return augment(picture, rng, config.augmentation_probability, config.vertical_flip)

    picture = tf.numpy_function(draw, [record["image"], epoch, place], tf.uint8, stateful=False)
    return (_shaped(picture, config.image_size), *targets(record))


def _letterboxed(encoded, image_size: int):
    def scale(encoded: bytes) -> np.ndarray:
        return faces.letterbox(faces.decode(encoded), image_size)

    return _shaped(tf.numpy_function(scale, [encoded], tf.uint8, stateful=False), image_size)


def _shaped(picture, size: int):
    return tf.ensure_shape(picture, (size, size, 3))


def _version_number(folder: Path) -> tuple:
    return tuple(int(part) if part.isdigit() else -1 for part in folder.name.split("."))
