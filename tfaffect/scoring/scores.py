"""Scores of predictions, with bootstrap intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tfaffect.labels import AFFECT, CLASSES

POOLED = "pooled"
"""The name of the set of all records."""

TWIN = "twin"
"""The tag of a record whose picture is also in another split of the corpus."""

HUMAN = "human_agreement"
"""An optional column of a table of predictions: see `raters.agreement`."""

TRUE = tuple(f"true_{name}" for name in CLASSES)
PREDICTED = tuple(f"expression_{name}" for name in CLASSES)
TRUE_AFFECT = tuple(f"true_{name}" for name in AFFECT)
COLUMNS = ("corpus", "key", "group", "tags", *TRUE, *PREDICTED, *TRUE_AFFECT, *AFFECT)
"""The columns of a table of predictions with a row per record."""

CALIBRATION_BINS = 15  # Guo et al. 2017, table 1
INTERVAL_PERCENTILES = (2.5, 97.5)
TOLERANCE = 1e-3  # float32, or a CSV with four decimals
CONSTANT_VARIANCE = 1e-10  # a deviation of 1e-5 on [-1, 1]: float32 noise around one value
COUNTS_AT_ONCE = 2_000_000  # resamples x groups in memory at a time: 16 MB per array


def score_all(predictions: pd.DataFrame, seed: int = 0, resamples: int = 1000) -> dict[str, dict[str, Any]]:
    """Score all records ("pooled"), each corpus ("fer_plus") and each tag of a corpus ("fer_plus:strict").

    If a corpus has twins, the records without one are also a set ("fer_plus:no twin"). Each set has the result of
    `score`. A single corpus equals the pooled set, and is scored once.
    """
    validate(predictions)
    corpora = dict(list(predictions.groupby("corpus", sort=True)))
    scores = {POOLED: score(predictions, seed, resamples)}
    for name, records in corpora.items():
        scores[name] = score(records, seed, resamples) if len(corpora) > 1 else scores[POOLED]
    for name, records in corpora.items():
        tags = records["tags"].fillna("").map(lambda text: {tag.strip() for tag in text.split(",")} - {""})
        for tag in sorted(set().union(*tags)):
            has = np.array([tag in own for own in tags])
            scores[f"{name}:{tag}"] = score(records[has], seed, resamples)
            if tag == TWIN and not has.all():
                scores[f"{name}:no {TWIN}"] = score(records[~has], seed, resamples)
    return scores


def score(predictions: pd.DataFrame, seed: int = 0, resamples: int = 1000) -> dict[str, Any]:
    """Score one set of records: {"records": int, "expression": ..., "valence": ..., "arousal": ...}.

    A head is None if no record has its label, or if the model was not trained on it. Otherwise it has `n` (labelled
    records), `groups`, and scores {"value", "low", "high"}. The bounds are the 95 % percentile interval of a cluster
    bootstrap over `group` within `corpus`, because the frames of one subject are not independent. They are None for a
    single group and for `resamples=0`. A score that is not defined is None, and every number is finite.

    `expression` has accuracy, uar (unweighted average recall) and macro_f1 (both over the classes in the truth), the
    ece and its `reliability` table, `classes`, and the `confusion` counts (rows: truth). If labels are votes, it has
    human_agreement: the accuracy of another panel of raters. The class of a distribution is its largest entry, the
    first one on ties. `valence` and `arousal` have ccc, rmse, pcc and sagr.
    """
    validate(predictions)
    return {
        "records": len(predictions),
        "expression": _score_expression(predictions, seed, resamples),
        **{name: _score_affect(predictions, name, seed, resamples) for name in AFFECT},
    }


def _score_expression(predictions: pd.DataFrame, seed: int, resamples: int) -> dict[str, Any] | None:
    labelled = predictions[predictions[[*TRUE]].sum(axis=1) > TOLERANCE]
    probabilities = labelled[[*PREDICTED]].to_numpy(float)
    if not len(labelled) or np.isnan(probabilities).any():
        return None
    truth, predicted = labelled[[*TRUE]].to_numpy(float).argmax(axis=1), probabilities.argmax(axis=1)
    codes, size = group_codes(labelled), len(CLASSES) ** 2
    groups = codes.max() + 1
    cells = codes * size + truth * len(CLASSES) + predicted
    statistics = np.bincount(cells, minlength=groups * size).reshape(groups, size)
    confusion = statistics.sum(axis=0).reshape(len(CLASSES), len(CLASSES))
    reliability = _tabulate_reliability(probabilities.max(axis=1), truth == predicted)
    return {
        "n": len(labelled),
        "groups": int(groups),
        **estimate(statistics, measure_expression, seed, resamples),
        "ece": _mean_gap(reliability),
        HUMAN: _finite(labelled[HUMAN].mean(skipna=False)) if HUMAN in labelled else None,
        "classes": _tabulate_classes(confusion),
        "confusion": confusion.tolist(),
        "reliability": reliability,
    }


def _score_affect(predictions: pd.DataFrame, name: str, seed: int, resamples: int) -> dict[str, Any] | None:
    labelled = predictions[predictions[f"true_{name}"].notna()]
    truth, predicted = labelled[f"true_{name}"].to_numpy(float), labelled[name].to_numpy(float)
    if not len(labelled) or np.isnan(predicted).any():
        return None
    codes = group_codes(labelled)
    statistics = np.stack([np.bincount(codes, part) for part in affect_statistics(truth, predicted)], axis=1)
    figures = estimate(statistics, measure_affect, seed, resamples)
    return {"n": len(labelled), "groups": len(statistics), **figures}


def measure_expression(statistics: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, unweighted average recall and macro F1 of confusion counts (k, 64), each of shape (k,).

    Both means are over the classes in the truth. So a corpus without contempt gets no F1 of 0 for it; a wrong
    prediction of contempt already lowers the recall of the true class. This is scikit-learn's `f1_score` with
    `labels=unique(truth)`; its default adds the classes that were only predicted. The macro F1 is the mean of the
    classes' F1, not the F1 of the means (Opitz and Burst 2019, arXiv:1911.03347).
    """
    confusion = statistics.reshape(-1, len(CLASSES), len(CLASSES))
    hits, truth, predicted = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)
    present = (truth > 0).sum(axis=1)
    return {
        "accuracy": hits.sum(axis=1) / truth.sum(axis=1),
        "uar": np.nansum(_divide(hits, truth), axis=1) / present,
        "macro_f1": np.nansum(_divide(2 * hits, truth + predicted), axis=1) / present,  # an absent class adds 0
    }


def affect_statistics(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The terms whose sums `measure_affect` needs, for values (n,) without NaN: (8, n)."""
    agrees = np.sign(truth) == np.sign(predicted)
    parts = (truth, predicted, truth**2, predicted**2, truth * predicted, (truth - predicted) ** 2, agrees)
    return np.stack([np.ones(len(truth)), *parts])


def measure_affect(statistics: np.ndarray) -> dict[str, np.ndarray]:
    """CCC, RMSE, PCC and SAGR of sums (k, 8) over n, t, p, t^2, p^2, tp, (t - p)^2 and sign agreement; each (k,).

    CCC: Lin 1989, with population variances. If truth or prediction is constant, CCC is 0 and PCC not defined (NaN).
    SAGR: the share of equal signs (Nicolaou et al. 2011); a 0 agrees only with a 0.
    """
    truth, predicted, truth_square, predicted_square, product, error, agrees = (statistics[:, 1:] / statistics[:, :1]).T
    truth_variance, predicted_variance = truth_square - truth**2, predicted_square - predicted**2
    covariance = product - truth * predicted
    varies = np.minimum(truth_variance, predicted_variance) > CONSTANT_VARIANCE
    total = truth_variance + predicted_variance + (truth - predicted) ** 2
    return {
        "ccc": np.where(varies, np.clip(2 * covariance / np.where(varies, total, 1), -1, 1), 0.0),
        "rmse": np.sqrt(error),
        "pcc": np.clip(_divide(covariance, np.sqrt(np.where(varies, truth_variance * predicted_variance, 0))), -1, 1),
        "sagr": agrees,
    }


def estimate(statistics: np.ndarray, measure: Callable, seed: int, resamples: int) -> dict[str, dict]:
    """The scores {"value", "low", "high"} that `measure` returns for the sum of statistics (groups, statistics)."""
    values = measure(statistics.sum(axis=0, keepdims=True))
    possible = len(statistics) > 1 and resamples
    drawn = measure(_resample(statistics, seed, resamples)) if possible else {}
    figures = {}
    for name, value in values.items():
        defined = drawn[name][np.isfinite(drawn[name])] if possible and np.isfinite(value[0]) else np.empty(0)
        low, high = np.percentile(defined, INTERVAL_PERCENTILES) if len(defined) else (np.nan, np.nan)
        figures[name] = {"value": _finite(value[0]), "low": _finite(low), "high": _finite(high)}
    return figures


def _resample(statistics: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Bootstrap sums (resamples, statistics) over groups that are drawn with replacement.

    All scores depend on sums only, so a resample is a row of counts times the statistics, and no record is copied.
    """
    groups = len(statistics)
    generator = np.random.default_rng(seed)
    step = max(1, COUNTS_AT_ONCE // groups)
    sums = []
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        picks = generator.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        counts = np.bincount(picks.ravel(), minlength=rows * groups).reshape(rows, groups)
        sums.append(counts.astype(float) @ statistics.astype(float))
    return np.concatenate(sums)


def _tabulate_classes(confusion: np.ndarray) -> dict[str, dict[str, float | None]]:
    """Precision, recall, F1 and support of each class; None for a class without predictions or without truth."""
    hits, truth, predicted = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = np.where(truth > 0, _divide(2 * hits, truth + predicted), np.nan)
    columns = zip(CLASSES, _divide(hits, predicted), _divide(hits, truth), f1, truth, strict=True)
    return {
        name: {"precision": _finite(precision), "recall": _finite(recall), "f1": _finite(f1), "support": int(support)}
        for name, precision, recall, f1, support in columns
    }


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """The mean gap between confidence (n,) and the share of correct predictions (n,) over 15 equal bins."""
    return _mean_gap(_tabulate_reliability(confidence, correct))


def _mean_gap(reliability: list[dict[str, Any]]) -> float:
    """The mean gap between confidence and accuracy of the bins, weighted by their records."""
    filled = [row for row in reliability if row["n"]]
    return sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in filled) / sum(row["n"] for row in filled)


def _tabulate_reliability(confidence: np.ndarray, correct: np.ndarray) -> list[dict[str, Any]]:
    """The 15 bins ](m - 1) / 15, m / 15] of confidence: low, high, n, mean confidence and accuracy."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges, np.clip(confidence, TOLERANCE, 1)) - 1
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    means = [_divide(np.bincount(bins, part, CALIBRATION_BINS), counts) for part in (confidence, correct)]
    rows = zip(edges[:-1], edges[1:], counts, *means, strict=True)
    return [
        {"low": float(low), "high": float(high), "n": int(n), "confidence": _finite(top), "accuracy": _finite(share)}
        for low, high, n, top, share in rows
    ]


def validate(predictions: pd.DataFrame) -> None:
    """Raise a ValueError for the first column that is missing, out of range or not a distribution."""
    missing = [name for name in COLUMNS if name not in predictions]
    _require(not missing, f"the columns {', '.join(COLUMNS)}", f"a table without {missing}")
    _require(len(predictions) > 0, "at least one record: choose another split or tag", "0 rows")
    for name in ("corpus", "key", "group"):
        _require(predictions[name].notna().all(), f"a {name} in every row", f"{predictions[name].isna().sum()} empty")
    _require((predictions["corpus"] != POOLED).all(), "another corpus name: it means all records", f"corpus='{POOLED}'")
    for name in (*TRUE, *PREDICTED):
        _validate_range(predictions[name], 0)
    for name in TRUE_AFFECT:
        _validate_range(predictions[name], -1)
    for name in AFFECT:  # a linear head may leave [-1, 1]
        _validate_numbers(predictions[name])
        _require(not np.isinf(predictions[name]).any(), f"finite numbers in '{name}'", "an infinity")
    for names in (PREDICTED, AFFECT[:1], AFFECT[1:]):
        empty = predictions[[*names]].isna().to_numpy()
        received = f"NaN in {empty.any(axis=1).sum()} of {len(empty)} rows"
        _require(not empty.any() or empty.all(), f"{list(names)} in every row, or in none if never trained", received)
    _validate_sums(predictions[[*TRUE]], (0, 1), "a sum of 1, or of 0 if not annotated,")
    _validate_sums(predictions[[*PREDICTED]].dropna(), (1,), "a sum of 1")


def _validate_range(column: pd.Series, low: int) -> None:
    _validate_numbers(column)
    inside = column.dropna().between(low - TOLERANCE, 1 + TOLERANCE).all()
    _require(inside, f"'{column.name}' in [{low}, 1]", f"values from {column.min()} to {column.max()}")


def _validate_numbers(column: pd.Series) -> None:
    _require(pd.api.types.is_numeric_dtype(column), f"numbers in '{column.name}'", f"dtype={column.dtype}")


def _validate_sums(distributions: pd.DataFrame, sums: tuple[int, ...], expected: str) -> None:
    totals = distributions.to_numpy(float).sum(axis=1)
    wrong = totals[~np.isclose(totals[:, None], sums, rtol=0, atol=TOLERANCE).any(axis=1)]
    received = f"{len(wrong)} rows with another sum, for example {wrong[:1]}"
    _require(not len(wrong), f"{expected} over {list(distributions.columns)}", received)


def _require(condition: bool, expected: str, received: str) -> None:
    if not condition:
        raise ValueError(f"Predictions need {expected}. Received: {received}.")


def group_codes(predictions: pd.DataFrame) -> np.ndarray:
    """The number of each record's group, from 0. Groups of two corpora differ even if they have the same name."""
    return predictions.groupby(["corpus", "group"], sort=True).ngroup().to_numpy()


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient; NaN if the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
