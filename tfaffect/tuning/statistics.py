"""What the scores of a search say, and how sure it is: seeds, paired tests, and the importance of each knob."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestRegressor

PLAIN, UNFREEZING, RATES, BOTH = ("off", "off"), ("on", "off"), ("off", "on"), ("on", "on")
COMBINATIONS = {
    PLAIN: "plain training",
    UNFREEZING: "gradual unfreezing",
    RATES: "discriminative rates",
    BOTH: "both",
}
"""The four settings of (gradual_unfreezing, discriminative_rates), and what people call them."""
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
    """A difference that was measured once with every seed, and its paired t-test.

    `mean` and `deviation` (of the differences, n - 1) are in units of the score; `low` and `high` are the 95 %
    interval of the mean. What is not defined, of too few seeds or of differences that are all equal, is None.
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
    """How much of the scores' variance a forest loses on trials it has not seen when it may not know a knob.

    `drops` are in units of R2, by knob; `r2` is that of the whole forest on such trials, at most 1, below 0 when the
    mean of all scores would have been the better guess.
    """

    drops: dict[str, float]
    r2: float


def best_so_far(scores: Sequence[float]) -> np.ndarray:
    """The highest score up to each trial, NaN before the first; trials without a score are NaN in `scores`."""
    return np.fmax.accumulate(np.asarray(scores, float))


def by_seed(trials: pd.DataFrame) -> pd.DataFrame:
    """The scores of finished trials as a row a seed and a column for each of the four combinations."""
    cells = trials.set_index(["seed", "gradual_unfreezing", "discriminative_rates"])["score"]
    table = cells.groupby(level=[0, 1, 2]).last().unstack([1, 2])
    table.columns = table.columns.to_flat_index()
    return table.reindex(columns=pd.Index([*COMBINATIONS], tupleize_cols=False))


def paired(table: pd.DataFrame, weights: Mapping[tuple[str, str], float]) -> Effect:
    """The paired t-test of a contrast: `table` as of `by_seed`; seeds that lack one of its combinations are left out.

    Student's test of the seeds' own differences against 0, with one degree of freedom less than there are seeds.
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
    """Half of the 95 % interval of a mean over so many seeds (2 or more), in deviations of its differences."""
    return float(stats.t.ppf(0.975, seeds - 1)) / sqrt(seeds)


def seed_deviation(groups: Iterable[Sequence[float]]) -> tuple[float, int] | None:
    """The deviation of scores that differ in their seeds alone, and its degrees of freedom; None without any.

    Each group holds the scores of one config; their variances are pooled, weighted with n - 1.
    """
    groups = [np.asarray(group, float) for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    return sqrt(sum(np.square(group - group.mean()).sum() for group in groups) / freedom), freedom


def chance_bound(deviation: float, freedom: int, runs: tuple[int, int], comparisons: int) -> float:
    """The difference of two means over so many runs that seeds alone exceed in 5 % of searches at most.

    The best is picked among `comparisons` others, which Bonferroni's correction pays for.
    """
    return float(stats.t.ppf(1 - 0.025 / comparisons, freedom)) * deviation * sqrt(sum(1 / count for count in runs))


def importance(values: pd.DataFrame, scores: Sequence[float], seed: int = 0) -> Importance:
    """Permutation importance of each column of `values` for the scores, out of the bags of a random forest.

    Breiman 2001, "Random Forests", section 10: each tree is asked about the trials that it was not grown on, once as
    they are and then with one knob's values shuffled among all trials. `values` has numbers or texts, the latter coded
    one against the rest; a missing value becomes the column's most usual one, so that a knob is not credited with what
    the choice that switches it off does.
    """
    matrix, owners = _encode(values)
    scores = np.asarray(scores, float)
    forest = RandomForestRegressor(TREES, random_state=seed).fit(matrix, scores)
    generator = np.random.default_rng(seed)
    versions = [matrix]
    for name in values:
        for _ in range(PERMUTATIONS):
            versions.append(matrix.copy())
            versions[-1][:, owners == name] = matrix[generator.permutation(len(matrix))][:, owners == name]
    guesses = _out_of_bag(forest, np.stack(versions))
    unexplained = np.square(guesses - scores).mean(axis=1) / scores.var()
    shuffled = unexplained[1:].reshape(len(values.columns), PERMUTATIONS).mean(axis=1)
    drops = dict(zip(values, (shuffled - unexplained[0]).tolist(), strict=True))
    return Importance(drops, float(1 - unexplained[0]))


def _encode(values: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The knobs as (trials, columns), and which knob each column belongs to. Trees need no logarithms."""
    parts, owners = [], []
    for name, column in values.items():
        if pd.api.types.is_numeric_dtype(column):
            coded = column.fillna(column.median()).fillna(0).to_numpy(float)[:, None]
        else:
            filled = column.fillna(column.mode().get(0, ""))
            coded = np.stack([filled == choice for choice in sorted(filled.unique())], axis=1).astype(float)
        parts.append(coded)
        owners += [name] * coded.shape[1]
    return np.concatenate(parts, axis=1), np.array(owners)


def _out_of_bag(forest: RandomForestRegressor, versions: np.ndarray) -> np.ndarray:
    """The forest's guesses (versions, trials), each by the trees that were grown without the trial."""
    count, trials, width = versions.shape
    total, trees = np.zeros((count, trials)), np.zeros(trials)
    for tree, bag in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        outside = np.setdiff1d(np.arange(trials), bag)
        total[:, outside] += tree.predict(versions[:, outside].reshape(-1, width)).reshape(count, -1)
        trees[outside] += 1
    return total / trees
