"""Statistics of the scores of a search: deviation between seeds, paired tests, and the importance of each knob."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestRegressor

from tfaffect.tuning.settings import BOTH, COMBINATIONS, PLAIN, RATES, TECHNIQUES, UNFREEZING

CONTRASTS = {
    "gradual unfreezing, main effect": {UNFREEZING: 0.5, BOTH: 0.5, PLAIN: -0.5, RATES: -0.5},
    "discriminative rates, main effect": {RATES: 0.5, BOTH: 0.5, PLAIN: -0.5, UNFREEZING: -0.5},
    "gradual unfreezing against plain training": {UNFREEZING: 1.0, PLAIN: -1.0},
    "discriminative rates against plain training": {RATES: 1.0, PLAIN: -1.0},
    "both against plain training": {BOTH: 1.0, PLAIN: -1.0},
}
"""Differences between the combinations: the weights of their scores."""
TREES, PERMUTATIONS = 300, 10


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


def importance(values: pd.DataFrame, scores: Sequence[float] | pd.Series, seed: int = 0) -> Importance:
    """Out-of-bag permutation importance of each column of `values` for the scores, by a random forest.

    Breiman 2001, "Random Forests", section 10: each tree predicts the trials that it was not grown on, once unchanged
    and then with the values of one knob shuffled among all trials. `values` has numbers or text. A missing value
    becomes the column's median or mode; otherwise a knob would be credited with the effect of the choice that
    switches it off.
    """
    encoded = pd.concat([_encode(values[name]) for name in values], axis=1, keys=values.columns)
    matrix, owners = encoded.to_numpy(float), encoded.columns.get_level_values(0)
    truth = np.asarray(scores, float)
    forest = RandomForestRegressor(TREES, random_state=seed).fit(matrix, truth)
    generator = np.random.default_rng(seed)
    versions = [matrix]
    for name in values:
        for _ in range(PERMUTATIONS):
            versions.append(matrix.copy())
            versions[-1][:, owners == name] = matrix[generator.permutation(len(matrix))][:, owners == name]
    predictions = _predict_out_of_bag(forest, np.stack(versions))
    unexplained = np.square(predictions - truth).mean(axis=1) / truth.var()
    shuffled = unexplained[1:].reshape(len(values.columns), PERMUTATIONS).mean(axis=1)
    drops = dict(zip(values, (shuffled - unexplained[0]).tolist(), strict=True))
    return Importance(drops, float(1 - unexplained[0]))


def _encode(column: pd.Series) -> pd.DataFrame:
    """Numbers as they are, because trees need no logarithms; text one-hot."""
    if pd.api.types.is_numeric_dtype(column):
        return column.fillna(column.median()).fillna(0).to_frame()
    return pd.get_dummies(column.fillna(column.mode().get(0, "")))


def _predict_out_of_bag(forest: RandomForestRegressor, versions: np.ndarray) -> np.ndarray:
    """Predict versions (k, trials, columns) by the trees that were grown without the trial; returns (k, trials)."""
    count, trials, width = versions.shape
    total, trees = np.zeros((count, trials)), np.zeros(trials)
    for tree, bag in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        outside = np.setdiff1d(np.arange(trials), bag)
        total[:, outside] += tree.predict(versions[:, outside].reshape(-1, width)).reshape(count, -1)
        trees[outside] += 1
    return total / trees
