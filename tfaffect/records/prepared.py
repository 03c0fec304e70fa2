"""Prepared corpora, as `tfaffect build` writes them to `records/<name>/<version>/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfaffect.errors import UsageError
from tfaffect.files.storage import open_store
from tfaffect.labels import AFFECT, CLASSES, HEADS
from tfaffect.media.margin import MARGIN

TRAINING_FIELDS = {
    "image": tf.io.FixedLenFeature((), tf.string),
    "expression": tf.io.FixedLenFeature((len(CLASSES),), tf.float32),
    **{name: tf.io.FixedLenFeature((), tf.float32) for name in AFFECT},
    "key": tf.io.FixedLenFeature((), tf.string),
}
"""The fields of a record that training reads, for `tf.io.parse_example`."""


@dataclass(frozen=True)
class Prepared:
    """One version of a prepared corpus, and its build report.

    crop_margin: margin of its face crops around the face detector's bounding box.
    raters: number of people whose votes the class distributions count; 0 if the labels are not votes.
    soft_labels: teachers' class distributions (n, 8) of the training faces in record order, and the fraction of them
    that `parse` mixes into the labels; None without distillation.
    """

    name: str
    version: str
    folder: Path
    report: dict
    crop_margin: float = MARGIN
    raters: int = 0
    soft_labels: tuple[np.ndarray, float] | None = field(default=None, compare=False)

    def size(self, split: str) -> int:
        """Return the number of records in a split, 0 for a missing split."""
        return self.report["splits"].get(split, {}).get("records", 0)

    def labels(self, split: str) -> dict:
        """Return the labels in a split: {expression: sum of the distributions (8,), valence, arousal: counts}."""
        counts = self.report["splits"].get(split, {})
        sums = counts.get("expression", {})
        return {
            "expression": np.array([sums.get(name, 0.0) for name in CLASSES]),
            **{name: counts.get(name, 0) for name in AFFECT},
        }

    @cached_property
    def distributions(self) -> np.ndarray:
        """The class distributions (n, 8) of the training faces in their order, without the teachers' part."""
        field = {"expression": TRAINING_FIELDS["expression"]}
        batches = self.examples("train").batch(4096)
        return np.concatenate([tf.io.parse_example(batch["example"], field)["expression"].numpy() for batch in batches])

    @property
    def is_grey(self) -> bool:
        """Whether the build counted every face of every split as grey; False for a build that did not count them."""
        splits = self.report["splits"].values()
        return all(counts.get("grey") == counts.get("records", 0) for counts in splits)

    def records(self, split: str) -> tf.data.Dataset:
        """Return the records of a split in their order, with encoded pictures and the name of the corpus.

        Raises UsageError for a missing split.
        """
        self._require(split)
        with _report_damage(self.folder):
            stored = tfds.builder_from_directory(self.folder).as_dataset(
                split=split,
                shuffle_files=False,
                decoders={"image": tfds.decode.SkipDecoding()},
                read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
            )
        return stored.map(lambda record: {**record, "corpus": self.name})

    def examples(self, split: str) -> tf.data.Dataset:
        """Return the serialised records of a split in their order, for `parse`.

        They take a tenth of the time of `records`, and less memory to shuffle: `zip` adds a column without the call of
        a function for each record. Raises UsageError for a missing split.
        """
        self._require(split)
        with _report_damage(self.folder):
            paths = tfds.builder_from_directory(self.folder).info.splits[split].filepaths
            files = [str(path) for path in paths]
        stored = tf.data.TFRecordDataset(files).apply(tf.data.experimental.assert_cardinality(self.size(split)))
        columns = {"example": stored, "corpus": tf.data.Dataset.from_tensors(self.name).repeat()}
        if self.soft_labels is not None and split == "train":
            distributions, fraction = self.soft_labels
            columns["soft"] = tf.data.Dataset.from_tensor_slices(distributions.astype(np.float32))
            columns["fraction"] = tf.data.Dataset.from_tensors(fraction).repeat()
        return tf.data.Dataset.zip(columns)

    def _require(self, split: str) -> None:
        if not self.size(split):
            splits = ", ".join(f"{name} ({self.size(name):,})" for name in self.report["splits"])
            raise UsageError(f"{self.name} {self.version} has no split {split!r}. It has: {splits}.")


@contextmanager
def _report_damage(folder: Path) -> Iterator[None]:
    """Turn any exception into a UsageError: on damaged metadata files TFDS raises whatever its parsers raise."""
    try:
        yield
    except Exception as error:
        raise _damaged(folder, error) from error


def parse(examples: dict) -> dict:
    """Return the records of a batch of `Prepared.examples`, with the teachers' distributions mixed into the labels.

    {image: bytes, expression: float32 (batch, 8), valence, arousal: float32 (batch,), key: bytes, corpus: bytes}.
    """
    records = {**tf.io.parse_example(examples["example"], TRAINING_FIELDS), "corpus": examples["corpus"]}
    if "soft" in examples:
        own, fraction = records["expression"], examples["fraction"][:, None]
        mixed = (1 - fraction) * own + fraction * examples["soft"]
        records["expression"] = tf.where(tf.reduce_sum(own, axis=1, keepdims=True) > 0, mixed, own)
    return records


def with_split(corpora: list[Prepared], split: str) -> list[Prepared]:
    """Return the corpora that have a split. If none has it, return all, so that reading it raises the error."""
    return [corpus for corpus in corpora if corpus.size(split)] or corpora


def open_corpus(records: Path, name: str) -> Prepared:
    """Open the newest version of a prepared corpus; `records` may be a bucket, see `files.storage.open_store`.

    Raises UsageError when the corpus is missing or damaged, or has another label vocabulary.
    """
    store = open_store(records)
    versions = sorted((store / name).glob("[0-9]*"), key=_version_number)
    if not versions:
        raise UsageError(_not_prepared(records, name, store))
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
            f"{folder} has another vocabulary of labels. Received: {vocabulary}. Expected: {CLASSES}, {AFFECT}."
        )
    return Prepared(name, folder.name, folder, report, metadata.get("crop_margin", MARGIN), metadata.get("raters", 0))


def _not_prepared(records: Path, name: str, store: Path) -> str:
    """Return the error for a corpus that is not in a folder of records."""
    for above, version in ((store.parent, "[0-9]*/metadata.json"), (store.parent.parent, "metadata.json")):
        if any(store.glob(version)):
            return f"--records is the folder that holds the corpora: {above}. Received: {records}."
    prepared = sorted({path.parent.name for path in store.glob("[!.]*/[0-9]*")})
    guess = "".join(f" Did you mean {near}?" for near in get_close_matches(name, prepared, n=1))
    raw = "" if name == "synthetic" else " --raw DIR"
    return (
        f"No records of {name!r} in {records}.{guess} Prepared there: "
        f"{', '.join(prepared) or 'nothing'}. Build them with: tfaffect build {name}{raw} --records {records} "
        "(`tfaffect build` lists the corpora)."
    )


def _damaged(folder: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{folder} does not hold complete records: {type(error).__name__}: {error}. Build them again with --overwrite."
    )


def _check_counts(report: dict) -> None:
    """Raise TypeError when a build report has no record counts by split."""
    for split, counts in report["splits"].items():
        if not isinstance(counts.get("records", 0), int):
            raise TypeError(f"records of {split} are {counts['records']!r}")


def labelled_heads(corpora: list[Prepared], split: str) -> tuple[str, ...]:
    """Return the heads for which a split has labels in any of the corpora, in vocabulary order."""
    return tuple(name for name in HEADS if any(np.sum(corpus.labels(split)[name]) > 0 for corpus in corpora))


def _version_number(folder: Path) -> tuple:
    return tuple(int(part) if part.isdigit() else -1 for part in folder.name.split("."))
