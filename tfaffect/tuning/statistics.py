"""Statistics of the scores of a search: deviation between seeds, paired tests, and the importance of each knob."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tfaffect.tuning.settings import BOTH, COMBINATIONS, PLAIN, RATES, TECHNIQUES, UNFREEZING

CONTRASTS = {
    "gradual unfreezing, main effect": {UNFREEZING: 0.5, BOTH: 0.5, PLAIN: -0.5, RATES: -0.5},
    "discriminative rates, main effect": {RATES: 0.5, BOTH: 0.5, PLAIN: -0.5, UNFREEZING: -0.5},
    "gradual unfreezing against plain training": {UNFREEZING: 1.0, PLAIN: -1.0},
    "discriminative rates against plain training": {RATES: 1.0, PLAIN: -1.0},
    "both against plain training": {BOTH: 1.0, PLAIN: -1.0},
}
"""Differences between the combinations: the weights of their scores."""
TREES, PERMUTATIONS, SEED = 300, 10, 0


@dataclass(frozen=True)
class Effect:
    """A difference that was measured once per seed, and its paired t-test.

    `mean` and `deviation` (of the differences, n - 1) are in units of the score; `low` and `high` are the 95 %
    interval of the mean. A value that is undefined (too few seeds, or equal differences) is None.
    """

    mean: float | None
    seeds: int
    deviation: float | None = None
    t: float | None = None
    p: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Importance:
    """Permutation importance: how much R2 a random forest loses on unseen trials when one knob is shuffled.

    `drops` are in units of R2, by knob. `r2` is that of the forest on unseen trials: at most 1, and below 0 when the
    mean score would have been the better prediction.
    """

    drops: dict[str, float]
    r2: float


def best_so_far(scores: Sequence[float] | pd.Series) -> np.ndarray:
    """The highest score up to each trial, NaN before the first; `scores` are NaN for trials without a score."""
    return np.fmax.accumulate(np.asarray(scores, float))


def scores_by_seed(trials: pd.DataFrame) -> pd.DataFrame:
    """The scores of finished trials: a row per seed, and a column for each of the four combinations."""
    table = trials.groupby(["seed", *TECHNIQUES])["score"].last().unstack([1, 2])
    table.columns = table.columns.to_flat_index()
    return table.reindex(columns=pd.Index([*COMBINATIONS], tupleize_cols=False))


def paired_test(table: pd.DataFrame, weights: Mapping[tuple[str, str], float]) -> Effect:
    """Student's paired t-test of a contrast: whether the differences of the seeds have the mean 0.

    `table` is what `scores_by_seed` returns. Seeds that lack one of the combinations are left out.
    """
    cells = table[[*weights]].dropna()
    differences = cells.to_numpy() @ np.array([*weights.values()])
    count = len(differences)
    if count < 2:
        return Effect(float(differences[0]) if count else None, count)
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    if np.ptp(differences) < 1e-9:  # t would divide by rounding errors
        return Effect(mean, count, deviation)
    test = stats.ttest_1samp(differences, 0)
    low, high = test.confidence_interval(0.95)
    return Effect(mean, count, deviation, float(test.statistic), float(test.pvalue), float(low), float(high))


def half_width(seeds: int) -> float:
    """Half of the 95 % interval of a mean over 2 or more seeds, in standard deviations of the differences."""
    return float(stats.t.ppf(0.975, seeds - 1)) / sqrt(seeds)


def seed_deviation(groups: Iterable[Sequence[float] | pd.Series]) -> tuple[float, int] | None:
    """The standard deviation between seeds, and its degrees of freedom; None if each config ran with one seed.

    Each group holds the scores of one config. The variances are pooled, weighted with n - 1.
    """
    arrays = [np.asarray(group, float) for group in groups]
    freedom = sum(len(group) - 1 for group in arrays)
    squares = sum(np.square(group - group.mean()).sum() for group in arrays)
    return (sqrt(squares / freedom), freedom) if freedom else None


def chance_bound(deviation: float, freedom: int, runs: tuple[int, int], comparisons: int) -> float:
    """The difference of two means over `runs` that seeds alone exceed in at most 5 % of searches.

    Bonferroni's correction accounts for picking the best of `comparisons` configs.
    """
    return float(stats.t.ppf(1 - 0.025 / comparisons, freedom)) * deviation * sqrt(sum(1 / count for count in runs))


def importance(values: pd.DataFrame, scores: pd.Series) -> Importance:
    """Out-of-bag permutation importance of each column of `values` for the scores, by a random forest.

    Breiman 2001, "Random Forests", section 10: each tree predicts the trials that it was not grown on, once unchanged
    and then with the values of one knob shuffled among all trials. `values` has numbers or text. A missing value
    becomes the column's median or mode; otherwise a knob would be credited with the effect of the choice that
    switches it off.
    """
    one_hot = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False))
    encoder = make_column_transformer(
        (SimpleImputer(strategy="median", keep_empty_features=True), make_column_selector(dtype_include="number")),
        (one_hot, make_column_selector(dtype_exclude="number")),
    )
    model = make_pipeline(encoder, RandomForestRegressor(TREES, random_state=SEED)).fit(values, scores)
    unseen = np.ones((TREES, len(values)), bool)
    for row, bag in zip(unseen, model[1].estimators_samples_, strict=True):
        row[bag] = False

    def unseen_r2(model: Pipeline, values: pd.DataFrame, scores: pd.Series) -> float:
        encoded = model[0].transform(values).astype(np.float32)
        predictions = np.array([tree.tree_.predict(encoded)[:, 0] for tree in model[1]])
        return r2_score(scores, np.average(predictions, axis=0, weights=unseen))

    drops = permutation_importance(
        model, values, scores, scoring=unseen_r2, n_repeats=PERMUTATIONS, random_state=SEED
    ).importances_mean
    return Importance(dict(zip(values, drops.tolist(), strict=True)), unseen_r2(model, values, scores))
