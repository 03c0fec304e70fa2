"""Predictions for all records of a split as a table: one row per record, with labels and predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.records import batches
from tfaffect.records.prepared import Prepared, open_corpus
from tfaffect.scoring import raters, scores
from tfaffect.scoring.groupings import ATTRIBUTES

if TYPE_CHECKING:
    from tfaffect.config import Config
    from tfaffect.runtimes.runtime import Runtime

TEXTS = ("key", "group", "tags", *ATTRIBUTES)
"""The text fields of a record that a table of predictions has."""


def predict_validation(
    network: Runtime, config: Config, records: Path | None = None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return `predict` for the validation splits of a run's corpora, and the versions of these corpora by name.

    `records` overrides the records folder of the run. Raises UsageError when no corpus has a validation split.
    """
    corpora = [open_corpus(records or config.records, name) for name in config.corpora]
    scored = [corpus for corpus in corpora if corpus.size("validation")]
    if not scored:
        raise UsageError(f"No corpus of the run has a validation split. Received: {', '.join(config.corpora)}.")
    tables = [predict(network, corpus, "validation", config.batch_size) for corpus in scored]
    return pd.concat(tables), {corpus.name: corpus.version for corpus in scored}


def predict(network: Runtime, corpus: Prepared, split: str, batch_size: int = 64) -> pd.DataFrame:
    """Return one row per record: labels in columns `true_...`, predictions in the columns that `report.write` reads."""
    size = network.contract.input_size
    return tabulate(lambda pictures: network(pictures)._asdict(), corpus, split, size, batch_size)


def tabulate(
    network: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    corpus: Prepared,
    split: str,
    image_size: int,
    batch_size: int = 64,
) -> pd.DataFrame:
    """Return the table of `predict` for any function from uint8 RGB pictures (n, size, size, 3) to outputs by name."""
    rows = []
    for pictures, records in batches.evaluation_batches(corpus, split, image_size, batch_size):
        outputs = {name: np.asarray(values) for name, values in network(pictures.numpy()).items()}
        labels = {name: values.numpy() for name, values in records.items()}
        table: dict[str, Any] = {name: [text.decode() for text in labels[name]] for name in TEXTS}
        for index, name in enumerate(CLASSES):
            table[f"true_{name}"] = labels["expression"][:, index]
            table[f"expression_{name}"] = outputs["expression"][:, index]
        for name in AFFECT:
            table |= {f"true_{name}": labels[name], name: outputs[name]}
        rows.append(pd.DataFrame(table))
    predictions = pd.concat(rows, ignore_index=True)
    predictions.insert(0, "corpus", corpus.name)
    return predictions


def with_rater_agreement(predictions: pd.DataFrame, corpus: Prepared) -> pd.DataFrame:
    """Return predictions with the score of a second panel of raters, if the labels of the corpus are votes."""
    if not corpus.raters:
        return predictions
    return predictions.assign(**{scores.HUMAN: raters.agreement(predictions[[*scores.TRUE]].to_numpy(), corpus.raters)})


def with_tag(predictions: pd.DataFrame, tag: str) -> pd.DataFrame:
    """Return the rows with a tag, or all rows for "". Raises UsageError when no row has it."""
    if not tag:
        return predictions
    tags = predictions["tags"].str.split(",")
    kept = predictions[tags.map(lambda names: tag in names)]
    if kept.empty:
        known = sorted({name for names in tags for name in names if name})
        raise UsageError(f"No record has the tag {tag!r}. Known tags: {', '.join(known) or 'none'}.")
    return kept
