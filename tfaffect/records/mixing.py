"""Mixing of corpora: how many faces of each an epoch uses, and in which order."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.records import balancing
from tfaffect.records.prepared import Prepared, parse

SHUFFLE_BUFFER = 16_384
"""Encoded faces in the shuffle buffer, 5 to 25 kB each. The records are in random order already: TFDS sorts by hash."""


def corpus_weights(corpora: list[Prepared], config: Config) -> tuple[float, ...]:
    """Return how often an epoch uses each corpus. Raises UsageError when a weight is missing or one too many."""
    weights = config.corpus_weights or (1.0,) * len(corpora)
    if len(weights) != len(corpora):
        names = ", ".join(corpus.name for corpus in corpora)
        raise UsageError(f"--corpus-weights needs one weight for each of: {names}. Received: {weights}.")
    return weights


def faces_per_epoch(corpora: list[Prepared], config: Config) -> list[int]:
    """Return the number of training faces of each corpus in an epoch."""
    weighted = zip(corpus_weights(corpora, config), _sizes(corpora, config), strict=True)
    return [max(1, round(weight * size)) for weight, size in weighted]


def face_weights(corpora: list[Prepared], config: Config) -> list[np.ndarray]:
    """Return for each corpus how often (n,) class-balanced sampling uses each face, see `balancing.face_weights`."""
    labels = [corpus.distributions for corpus in corpora]
    return balancing.face_weights(labels, corpus_weights(corpora, config), config.class_balance)


def _sizes(corpora: list[Prepared], config: Config) -> list[int]:
    """Return the number of training faces of each corpus, as class-balanced sampling uses them."""
    if not config.class_balance:
        return [corpus.size("train") for corpus in corpora]
    return [max(1, round(weights.sum())) for weights in face_weights(corpora, config)]


def steps_per_epoch(corpora: list[Prepared], config: Config) -> int:
    """Return the number of batches in an epoch: complete ones that fill complete steps of gradient accumulation.

    Raises UsageError when there are too few faces for one step.
    """
    total, needed = sum(faces_per_epoch(corpora, config)), config.batch_size * config.gradient_accumulation_steps
    if total < needed:
        most = max(1, total // config.gradient_accumulation_steps)
        raise UsageError(
            f"An epoch has {total} training faces, less than one step of the optimizer needs. Use --batch-size {most} "
            f"or less. Received: {config.batch_size=}, {config.gradient_accumulation_steps=}."
        )
    return total // needed * config.gradient_accumulation_steps


def class_counts(corpora: list[Prepared], config: Config) -> np.ndarray:
    """Return the number of faces (8,) of each class in an epoch; votes count as fractions, sampling as its mean."""
    counts = [corpus.labels("train")["expression"] for corpus in corpora]
    if config.class_balance:
        drawn = zip(face_weights(corpora, config), corpora, strict=True)
        counts = [weights @ corpus.distributions for weights, corpus in drawn]
    return np.sum([w * part for w, part in zip(corpus_weights(corpora, config), counts, strict=True)], axis=0)


def epoch_examples(corpora: list[Prepared], config: Config, epoch: int | tf.Tensor) -> tf.data.Dataset:
    """Return the training faces of an epoch in training order, as examples for `prepared.parse`.

    A corpus of weight 0.2 provides a different fifth of its faces in each of five epochs, and then starts again; with
    weight 2 it provides every face twice. With `class_balance` faces of rare classes come more often. The faces and
    their order depend only on the seed and the epoch, from 0.
    """
    tf.compat.v1.set_random_seed(1)  # TF accepts a tensor as a seed only if the graph seed is not 0
    seed = config.seed + 1_000_003 * epoch
    counts, parts = faces_per_epoch(corpora, config), [corpus.examples("train") for corpus in corpora]
    if config.class_balance:
        drawn = zip(parts, face_weights(corpora, config), strict=True)
        parts = [balancing.repeated(part, weights, config.seed, epoch) for part, weights in drawn]
    sized = zip(parts, counts, _sizes(corpora, config), strict=True)
    parts = [part.repeat().skip(epoch * count % size).take(count) for part, count, size in sized]
    shares = [count / sum(counts) for count in counts]
    mixed = tf.data.Dataset.sample_from_datasets(parts, shares, seed=seed) if len(parts) > 1 else parts[0]
    return mixed.shuffle(SHUFFLE_BUFFER, seed, reshuffle_each_iteration=False)


class RecordVersions:
    """Stores in a checkpoint which records a run uses, and refuses to resume with others."""

    def __init__(self, corpora: list[Prepared]) -> None:
        self.records = {corpus.name: [corpus.version, corpus.size("train")] for corpus in corpora}

    def state(self) -> dict:
        """Return {corpus: [version, number of training faces]}."""
        return self.records

    def restore(self, state: dict) -> None:
        """Raise UsageError when the records have changed: the faces would come in a different order."""
        if state != self.records:
            raise UsageError(
                f"The records have changed since this run started, so it cannot resume. Received: {self.records}. "
                f"It started with: {state}."
            )


def faces_of_batch(corpora: list[Prepared], config: Config, epoch: int, batch: int) -> list[str]:
    """Return the names `corpus/key` of the faces in a batch; epoch and batch count from 0."""
    examples = epoch_examples(corpora, config, tf.constant(epoch, tf.int64)).batch(config.batch_size)
    records = parse(examples.skip(batch).take(1).get_single_element())
    return [name.decode() for name in tf.strings.join([records["corpus"], records["key"]], "/").numpy()]
