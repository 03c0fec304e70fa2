"""A prepared corpus: what a builder left in `records/<name>/<version>/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfaffect.errors import UsageError
from tfaffect.files.storage import open_store
from tfaffect.labels import AFFECT, CLASSES, HEADS
from tfaffect.media.margin import MARGIN

LEARNED_FROM = {
    "image": tf.io.FixedLenFeature((), tf.string),
    "expression": tf.io.FixedLenFeature((len(CLASSES),), tf.float32),
    **{name: tf.io.FixedLenFeature((), tf.float32) for name in AFFECT},
    "key": tf.io.FixedLenFeature((), tf.string),
}
"""The fields of a record that training reads."""


@dataclass(frozen=True)
class Prepared:
    """One prepared corpus: `records/<name>/<version>/` and its build report.

    crop_margin: how its crops are framed, as a margin around the face detector's box.
    raters: people whose votes the distributions count; 0 where no label is a count of votes.
    taught: distributions (n, 8) of the training faces in the order of the records, and the share of them in what
    `parse` returns; None where no teacher was asked.
    """

    name: str
    version: str
    folder: Path
    report: dict
    crop_margin: float = MARGIN
    raters: int = 0
    taught: tuple[np.ndarray, float] | None = field(default=None, compare=False)

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

    def records(self, split: str) -> tf.data.Dataset:
        """Return the records of a split in their order, pictures still encoded, each with the name of its corpus.

        Raises UsageError for a split that is not there.
        """
        self._require(split)
        with _refusing_damage(self.folder):
            stored = tfds.builder_from_directory(self.folder).as_dataset(
                split=split,
                shuffle_files=False,
                decoders={"image": tfds.decode.SkipDecoding()},
                read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
            )
        return stored.map(lambda record: {**record, "corpus": self.name})

    def examples(self, split: str) -> tf.data.Dataset:
        """Return what `parse` makes records of, in their order: a fifth of the work of `records`, and less to shuffle.

        Raises UsageError for a split that is not there.
        """
        self._require(split)
        with _refusing_damage(self.folder):
            written = tfds.builder_from_directory(self.folder).info.splits[split]
            files = [str(path) for path in written.filepaths]
        stored = tf.data.TFRecordDataset(files).apply(tf.data.experimental.assert_cardinality(self.size(split)))
        named = stored.map(lambda example: {"example": example, "corpus": self.name})
        if self.taught is None or split != "train":
            return named
        answers, share = self.taught
        given = tf.data.Dataset.from_tensor_slices(answers.astype(np.float32))
        return tf.data.Dataset.zip(named, given).map(lambda own, answer: {**own, "answer": answer, "share": share})

    def _require(self, split: str) -> None:
        if not self.size(split):
            has = ", ".join(f"{name} ({self.size(name):,})" for name in self.report["splits"])
            raise UsageError(f"{self.name} {self.version} has no split {split!r}. It has: {has}.")


@contextmanager
def _refusing_damage(folder: Path) -> Iterator[None]:
    """Of damaged files beside the records TFDS raises whatever its parsers do; raise UsageError instead."""
    try:
        yield
    except Exception as error:
        raise _damaged(folder, error) from error


def parse(examples: dict) -> dict:
    """Return the records of a batch of `Prepared.examples`: what training reads, with the answers of teachers mixed in.

    {image: bytes, expression: float32 (batch, 8), valence, arousal: float32 (batch,), key: bytes, corpus: bytes}.
    """
    records = {**tf.io.parse_example(examples["example"], LEARNED_FROM), "corpus": examples["corpus"]}
    if "answer" in examples:
        own, share = records["expression"], examples["share"][:, None]
        mixed = (1 - share) * own + share * examples["answer"]
        records["expression"] = tf.where(tf.reduce_sum(own, axis=1, keepdims=True) > 0, mixed, own)
    return records


def with_split(corpora: list[Prepared], split: str) -> list[Prepared]:
    """Return the corpora that have a split; all of them when none has, so that reading it says what there is."""
    return [corpus for corpus in corpora if corpus.size(split)] or corpora


def open_corpus(records: Path, name: str) -> Prepared:
    """Open the newest version of a prepared corpus; `records` may be a bucket, see `files.storage.open_store`.

    Raises UsageError when it was never prepared, is not whole, or speaks another vocabulary.
    """
    store = open_store(records)
    versions = sorted((store / name).glob("[0-9]*"), key=_version_number)
    if not versions:
        there = sorted({path.parent.name for path in store.glob("[!.]*/[0-9]*")})
        raise UsageError(
            f"No records of {name!r} in {records}. Prepared there: {', '.join(there) or 'nothing'}. "
            f"Build them with: python -m tfrecords_builders {name} --raw DIR --records {records}"
        )
    folder = versions[-1]
    try:
        report = json.loads((folder / "build_report.json").read_text())
        metadata = json.loads((folder / "metadata.json").read_text())
        vocabulary = (tuple(metadata["classes"]), tuple(metadata["affect"]))
        _check_counts(report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(folder, error) from error
    if vocabulary != (CLASSES, AFFECT):
        raise UsageError(
            f"{folder} was written with another vocabulary. Received: {vocabulary}. Expected: {CLASSES}, {AFFECT}."
        )
    return Prepared(name, folder.name, folder, report, metadata.get("crop_margin", MARGIN), metadata.get("raters", 0))


def _damaged(folder: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{folder} does not hold whole records: {type(error).__name__}: {error}. Build them again with --overwrite."
    )


def _check_counts(report: dict) -> None:
    """Raise TypeError for a build report that does not count records by split."""
    for split, counts in report["splits"].items():
        if not isinstance(counts.get("records", 0), int):
            raise TypeError(f"records of {split} are {counts['records']!r}")


def labelled_heads(corpora: list[Prepared], split: str) -> tuple[str, ...]:
    """Return the heads for which a split of any of the corpora has a label, in vocabulary order."""
    return tuple(name for name in HEADS if any(np.sum(corpus.labels(split)[name]) > 0 for corpus in corpora))


def _version_number(folder: Path) -> tuple:
    return tuple(int(part) if part.isdigit() else -1 for part in folder.name.split("."))
