"""Several corpora as one: how many faces each gives to an epoch, and the order in which they come."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.records.prepared import Prepared, parse

SHUFFLE_BUFFER = 16_384
"""Encoded faces held for shuffling, at 5 to 25 kB each. Records lie in random order already (TFDS sorts by a hash)."""


def weights(corpora: list[Prepared], config: Config) -> list[float]:
    """Return how often each corpus is drawn in an epoch, 1 where the config says nothing.

    Raises UsageError when there is not one weight for each corpus.
    """
    given = config.corpus_weights or (1.0,) * len(corpora)
    if len(given) != len(corpora):
        names = ", ".join(corpus.name for corpus in corpora)
        raise UsageError(f"--corpus-weights needs one weight for each of: {names}. Received: {given}.")
    return list(given)


def faces_per_epoch(corpora: list[Prepared], config: Config) -> list[int]:
    """Return the number of training faces that each corpus gives to an epoch."""
    drawn = zip(corpora, weights(corpora, config), strict=True)
    return [max(1, round(weight * corpus.size("train"))) for corpus, weight in drawn]


def steps_per_epoch(corpora: list[Prepared], config: Config) -> int:
    """Return the number of batches in an epoch: whole ones, and whole rounds of gradient accumulation.

    Raises UsageError when there is none.
    """
    total, needed = sum(faces_per_epoch(corpora, config)), config.batch_size * config.gradient_accumulation_steps
    if total < needed:
        raise UsageError(
            f"The training splits give {total} faces to an epoch, less than one step of the optimizer. "
            f"Received: {config.batch_size=}, {config.gradient_accumulation_steps=}."
        )
    return total // needed * config.gradient_accumulation_steps


def class_masses(corpora: list[Prepared], config: Config) -> np.ndarray:
    """Return how often each class is drawn in an epoch, votes as fractions; (8,)."""
    drawn = zip(corpora, weights(corpora, config), strict=True)
    return np.sum([weight * corpus.labels("train")["expression"] for corpus, weight in drawn], axis=0)


def epoch_examples(corpora: list[Prepared], config: Config, epoch) -> tf.data.Dataset:
    """Return the training faces of an epoch in the order in which they are drawn, as examples for `prepared.parse`.

    A corpus of weight 0.2 gives another fifth of its faces to each epoch and begins anew after five; one of weight 2
    gives each face twice. Which faces, and their order, follow from the seed and the epoch alone. `epoch`, counted from
    0, may be a tensor.
    """
    tf.compat.v1.set_random_seed(1)  # TF takes a tensor for a seed only beside a graph seed that is not 0
    seed = config.seed + 1_000_003 * epoch
    counts = faces_per_epoch(corpora, config)
    parts = [_drawn(corpus, count, epoch) for corpus, count in zip(corpora, counts, strict=True)]
    shares = [count / sum(counts) for count in counts]
    mixed = tf.data.Dataset.sample_from_datasets(parts, shares, seed=seed) if len(parts) > 1 else parts[0]
    return mixed.shuffle(SHUFFLE_BUFFER, seed, reshuffle_each_iteration=False)


class Unchanged:
    """Keeps with a checkpoint which records a run draws from, and refuses others when it goes on."""

    def __init__(self, corpora: list[Prepared]) -> None:
        self.records = {corpus.name: [corpus.version, corpus.size("train")] for corpus in corpora}

    def state(self) -> dict:
        """Return version and number of training faces by corpus."""
        return self.records

    def restore(self, state: dict) -> None:
        """Raise UsageError when the records are not those of before: the order of the faces would be another."""
        if state != self.records:
            raise UsageError(
                f"The records have changed since this run began, so it cannot go on. Received: {self.records}. "
                f"It began with: {state}."
            )


def faces_of_batch(corpora: list[Prepared], config: Config, epoch: int, batch: int) -> list[str]:
    """Return the names `corpus/key` of the faces in a batch; epoch and batch are counted from 0."""
    drawn = epoch_examples(corpora, config, tf.constant(epoch, tf.int64)).skip(batch * config.batch_size)
    records = parse(drawn.take(config.batch_size).batch(config.batch_size).get_single_element())
    pairs = zip(records["corpus"].numpy(), records["key"].numpy(), strict=True)
    return [f"{corpus.decode()}/{key.decode()}" for corpus, key in pairs]


def _drawn(corpus: Prepared, count: int, epoch) -> tf.data.Dataset:
    examples, size = corpus.examples("train"), corpus.size("train")
    return examples if count == size else examples.repeat().skip(epoch * count % size).take(count)
