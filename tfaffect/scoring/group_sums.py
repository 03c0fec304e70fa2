"""The sums from which all figures of a group of faces follow.

A bootstrap or a permutation only counts how often a face belongs to a group. So each face has a row of terms, and the
figures of a group are functions of the sums of these terms: no draw looks at a face again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, hstack

from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.scores import (
    CALIBRATION_BINS,
    PREDICTED,
    TOLERANCE,
    TRUE,
    affect_statistics,
    measure_affect,
    measure_expression,
)

CELLS = len(CLASSES) ** 2
LOWER_IS_BETTER = ("ece", "rmse")
EQUAL_MIX = "_equal_mix"
"""The end of the name of a figure for which every group has the same shares of the classes."""

COVERAGE, SURE = "coverage at ", "accuracy at "
"""How the figures of a threshold start: the share of faces that reach it, and the accuracy of these faces."""


@dataclass(frozen=True)
class Head:
    """The faces that have a label and a prediction of one head, with their terms.

    rows: their places in the table of predictions. terms: a row per face. compared: the figures that have a gap.
    shares: of the classes in `EQUAL_MIX` figures (8,), 0 for a class that is left out; None without such figures.
    """

    name: str
    rows: np.ndarray
    terms: csr_array
    compared: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    shares: np.ndarray | None = None

    def measure(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Return the figures of sums of terms (k, terms), each of shape (k,), NaN where a figure is not defined."""
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw may have no face of a group
            if self.name in AFFECT:
                return {name: np.where(sums[:, 0] > 0, measure_affect(sums)[name], np.nan) for name in self.compared}
            return self._measure_classes(sums)

    def _measure_classes(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        confusion, gaps, sure = np.split(sums, [CELLS, CELLS + CALIBRATION_BINS], axis=1)
        n = confusion.sum(axis=1)
        figures = {**measure_expression(confusion), "ece": np.abs(gaps).sum(axis=1) / n}
        if self.shares is not None:
            equal = measure_expression(with_class_shares(confusion, self.shares))
            figures |= {name + EQUAL_MIX: equal[name] for name in ("accuracy", "macro_f1")}
        for place, threshold in enumerate(self.thresholds):
            figures[f"{COVERAGE}{threshold:g}"] = sure[:, 2 * place] / n
            figures[f"{SURE}{threshold:g}"] = sure[:, 2 * place + 1] / sure[:, 2 * place]
        return {name: np.where(n > 0, values, np.nan) for name, values in figures.items()}


def class_counts(sums: np.ndarray) -> np.ndarray:
    """Return how many faces have each true class (k, 8), from sums of the terms of the classes (k, terms)."""
    return sums[:, :CELLS].reshape(-1, len(CLASSES), len(CLASSES)).sum(axis=2)


def with_class_shares(confusion: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return confusion counts (k, 64) in which the true classes have given shares (8,): direct standardisation.

    The shares of classes that a row lacks go to its other classes in proportion, so that the shares still sum to 1.
    """
    counts = confusion.reshape(-1, len(CLASSES), len(CLASSES))
    truth = counts.sum(axis=2)
    wanted = np.where(truth > 0, shares, 0.0)
    wanted = wanted / wanted.sum(axis=1, keepdims=True)
    return (counts * np.divide(wanted, truth, where=truth > 0, out=np.zeros_like(wanted))[:, :, None]).reshape(
        -1, CELLS
    )


def class_head(predictions: pd.DataFrame, thresholds: Sequence[float] = ()) -> Head | None:
    """Return the faces with a class, or None if there are none or the classes were never trained.

    Terms: the cell of the confusion matrix; correctness minus confidence in the bin of the confidence, for the ECE; for
    each threshold, whether the confidence reaches it, and whether it does and the class is right.
    """
    rows = np.flatnonzero(predictions[[*TRUE]].sum(axis=1) > TOLERANCE)
    probabilities = predictions[[*PREDICTED]].to_numpy(float)[rows]
    if not len(rows) or np.isnan(probabilities).any():
        return None
    truth, predicted = predictions[[*TRUE]].to_numpy(float)[rows].argmax(axis=1), probabilities.argmax(axis=1)
    confidence, right = probabilities.max(axis=1), truth == predicted
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges, np.clip(confidence, TOLERANCE, 1)) - 1
    faces = np.arange(len(rows))
    cells = csr_array((np.ones(len(rows)), (faces, truth * len(CLASSES) + predicted)), shape=(len(rows), CELLS))
    gaps = csr_array((right - confidence, (faces, bins)), shape=(len(rows), CALIBRATION_BINS))
    sure = [part for limit in thresholds for part in (confidence >= limit, (confidence >= limit) & right)]
    parts = [cells, gaps, *([csr_array(np.stack(sure, axis=1).astype(float))] if sure else [])]
    compared = ("accuracy", "uar", "macro_f1", "ece")
    return Head("expression", rows, hstack(parts, format="csr"), compared, tuple(thresholds))


def affect_head(predictions: pd.DataFrame, name: str) -> Head | None:
    """Return the faces with valence or arousal, or None if there are none or the dimension was never trained."""
    rows = np.flatnonzero(predictions[f"true_{name}"].notna())
    truth, predicted = (predictions[column].to_numpy(float)[rows] for column in (f"true_{name}", name))
    if not len(rows) or np.isnan(predicted).any():
        return None
    return Head(name, rows, csr_array(affect_statistics(truth, predicted).T), ("ccc", "rmse"))
