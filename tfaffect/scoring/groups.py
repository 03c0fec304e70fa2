"""Figures of groups of people: how good a model is for each group, and whether a gap between groups may be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.calibration import THRESHOLDS
from tfaffect.scoring.group_faces import Faces, in_groups, with_equal_mix
from tfaffect.scoring.group_sums import COVERAGE, LOWER_IS_BETTER, SURE, Head, affect_head, class_counts, class_head
from tfaffect.scoring.group_tests import draw_sums, holm, p_value, permute_sums
from tfaffect.scoring.groupings import in_order
from tfaffect.scoring.scores import INTERVAL_PERCENTILES, group_codes, validate

PERMUTATIONS = 5
"""Permutations per bootstrap draw. Holm multiplies the smallest p by the number of tests, so it must be small."""


def score_groups(
    predictions: pd.DataFrame,
    groupings: Mapping[str, pd.Series],
    thresholds: Sequence[float] = THRESHOLDS,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, dict[str, Any]]:
    """Score the groups of every grouping: {"sex": {"values": {"female": ...}, "gap": ..., ...}, "age": ...}.

    `values` has for each group its `records` and `people`, and for each head None or `n` (labelled faces), `people`,
    `ranked` and figures {"value", "low", "high"}. The classes have accuracy, uar, macro_f1 and ece; accuracy and
    macro_f1 also with the same class shares in every group (`..._equal_mix`); `lacks`: the classes that only other
    groups have; and `abstain`: coverage and accuracy at each of `thresholds`. Valence and arousal have ccc and rmse.

    `gap` has for each head and figure the difference between the `best` and the `worst` ranked group, its interval, `p`
    of a permutation test, and `p_holm`, corrected for all such tests of all groupings. `class_shares` are those of
    `..._equal_mix`: of all faces, without the classes in `left_out`, which a ranked group lacks. `seed`, `resamples`,
    `permutations` and `tests` tell how it was made. A group is ranked with `group_faces.SMALLEST` or more faces, unless
    it is `groupings.NOT_GIVEN`.

    Intervals: 95 %, of a bootstrap over people. Those of the ECE are reversed percentiles, because drawn bins are
    noisier than the bins of the data (see `export.claims`). That of a gap is for this pair of groups, so it leaves out
    that the pair was chosen for its distance; the permutation test includes the choice.
    """
    validate(predictions)
    heads = [class_head(predictions, thresholds), *(affect_head(predictions, name) for name in AFFECT)]
    known = [head for head in heads if head is not None]
    scored = {
        name: _score_grouping(predictions, groups.to_numpy(str), known, seed, resamples)
        for name, groups in groupings.items()
    }
    gaps = [gap for grouping in scored.values() for figures in grouping["gap"].values() for gap in figures.values()]
    tested = [gap for gap in gaps if gap["p"] is not None]
    for gap, corrected in zip(tested, holm([gap["p"] for gap in tested]), strict=True):
        gap["p_holm"] = corrected
    for grouping in scored.values():
        grouping["tests"] = len(tested)
    return scored


def _score_grouping(
    predictions: pd.DataFrame, groups: np.ndarray, heads: list[Head], seed: int, resamples: int
) -> dict[str, Any]:
    people = group_codes(predictions)
    values: dict[str, dict[str, Any]] = {}
    for name in in_order(np.unique(groups)):
        own = groups == name
        empty = dict.fromkeys(("expression", *AFFECT))
        values[str(name)] = {"records": int(own.sum()), "people": len(np.unique(people[own])), **empty}
    result: dict[str, Any] = {"values": values, "gap": {}, "class_shares": None, "left_out": []}
    for head in heads:
        faces = in_groups(predictions, groups, head)
        if head.name == "expression":
            faces, result["left_out"] = with_equal_mix(faces)
            shares = faces.head.shares
            result["class_shares"] = None if shares is None else dict(zip(CLASSES, shares.tolist(), strict=True))
        figures, result["gap"][head.name] = _score_head(faces, seed, resamples)
        for name, own in figures.items():
            values[name][head.name] = own
    return {**result, "seed": seed, "resamples": resamples, "permutations": PERMUTATIONS * resamples}


def _score_head(faces: Faces, seed: int, resamples: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of every group by its name, and the gaps by the names of the figures."""
    sums, people, head = faces.sums(), faces.count_people(), faces.head
    observed = np.stack([group.sum(axis=0) for group in sums])
    figures, drawn = head.measure(observed), None
    if resamples:
        draws = draw_sums(sums, resamples, seed)
        parts = head.measure(draws.reshape(-1, draws.shape[-1]))
        drawn = {name: part.reshape(resamples, -1) for name, part in parts.items()}
    groups = {}
    for code, name in enumerate(faces.names):
        own = {
            figure: _with_interval(figure, float(column[code]), drawn[figure][:, code] if drawn else None, people[code])
            for figure, column in figures.items()
        }
        n = int((faces.codes == code).sum())
        start = {"n": n, "people": int(people[code]), "ranked": bool(faces.ranked[code])}
        groups[name] = {**start, **_arrange(own, head, observed, code)}
    return groups, _score_gaps(faces, figures, drawn, people, seed, resamples)


def _arrange(figures: dict[str, Any], head: Head, sums: np.ndarray, code: int) -> dict[str, Any]:
    """Return the figures of one group as the report has them: those of a threshold in a list."""
    plain = {name: value for name, value in figures.items() if not name.startswith((COVERAGE, SURE))}
    if head.name in AFFECT:
        return plain
    counts = class_counts(sums)
    lacks = [
        name for name, n, pooled in zip(CLASSES, counts[code], counts.sum(axis=0), strict=True) if pooled and not n
    ]
    abstain = [
        {"threshold": limit, "coverage": figures[f"{COVERAGE}{limit:g}"], "accuracy": figures[f"{SURE}{limit:g}"]}
        for limit in head.thresholds
    ]
    return {**plain, "lacks": lacks, "abstain": abstain}


def _score_gaps(
    faces: Faces,
    figures: dict[str, np.ndarray],
    drawn: dict[str, np.ndarray] | None,
    people: np.ndarray,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    codes = np.flatnonzero(faces.ranked)
    if len(codes) < 2:
        return {}
    permuted = _permuted_gaps(faces, PERMUTATIONS * resamples, seed) if resamples else {}
    gaps = {}
    for name in faces.head.compared:
        sign = -1 if name in LOWER_IS_BETTER else 1
        values = sign * figures[name][codes]
        best, worst = codes[values.argmax()], codes[values.argmin()]
        gap = float(values.max() - values.min())
        difference = sign * (drawn[name][:, best] - drawn[name][:, worst]) if drawn else None
        gaps[name] = {
            **_with_interval(name, gap, difference, min(people[best], people[worst]), lowest=-np.inf),
            "best": faces.names[best],
            "worst": faces.names[worst],
            "p": p_value(gap, permuted[name]) if name in permuted else None,
            "p_holm": None,
        }
    return gaps


def _permuted_gaps(faces: Faces, permutations: int, seed: int) -> dict[str, np.ndarray]:
    """Return for every figure the gaps between the ranked groups after each permutation, (permutations,)."""
    place = np.flatnonzero(faces.ranked[faces.codes])
    codes = np.unique(faces.codes[place], return_inverse=True)[1]
    people = np.unique(faces.people[place], return_inverse=True)[1]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in faces.head.compared}
    for sums in permute_sums(faces.head.terms[place], codes, people, faces.corpora[place], permutations, seed):
        figures = faces.head.measure(sums.reshape(-1, sums.shape[-1]))
        for name, gaps in parts.items():
            gaps.append(np.ptp(figures[name].reshape(len(sums), -1), axis=1))
    return {name: np.concatenate(gaps) for name, gaps in parts.items()}


def _with_interval(
    name: str, value: float, draws: np.ndarray | None, people: int, lowest: float = 0.0
) -> dict[str, float | None]:
    """Return a figure with its 95 % interval, which is None for a single person."""
    defined = np.empty(0) if draws is None else draws[np.isfinite(draws)]
    if not np.isfinite(value) or people < 2 or not len(defined):
        return {"value": value if np.isfinite(value) else None, "low": None, "high": None}
    low, high = np.percentile(defined, INTERVAL_PERCENTILES)
    if name == "ece":
        low, high = max(lowest, 2 * value - high), max(lowest, 2 * value - low)
    return {"value": value, "low": float(low), "high": float(high)}
