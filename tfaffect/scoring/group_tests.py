"""Bootstrap over people, permutation of people, and Holm's correction, for many figures at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array

NUMBERS_AT_ONCE = 1_000_000  # draws x people in memory at a time: 2 MB stay in the processor's cache
SAME = 1e-9  # gaps that differ by less are the same: sums in another order


def draw_sums(sums: Sequence[csr_array], resamples: int, seed: int) -> np.ndarray:
    """Return the sums of terms of every group in every bootstrap draw: (resamples, groups, terms).

    sums: for each group, the sums over the faces of each person (people, terms). People are drawn with replacement. A
    person who is in several groups is drawn into all of them at once, with all faces.
    """
    people = sums[0].shape[0]
    generator = np.random.default_rng(seed)
    drawn = []
    for rows in _chunks(resamples, people):
        picks = generator.integers(people, size=(rows, people)) + people * np.arange(rows)[:, None]
        times = np.bincount(picks.ravel(), minlength=rows * people).reshape(rows, people).astype(float)
        drawn.append(_weighted(sums, [times] * len(sums)))
    return np.concatenate(drawn)


def permute_sums(
    terms: csr_array, labels: np.ndarray, people: np.ndarray, blocks: np.ndarray, permutations: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield the sums of terms of every group after permuting the labels, in parts: (some permutations, groups, terms).

    terms: (faces, terms). labels: group of each face, from 0. people: the person of each face. blocks: the corpus of
    each face; a label never moves to another corpus. A person whose faces all have one label is permuted whole, among
    such people. The faces of another person keep that person's labels, and change them among themselves.
    """
    units, blocks = _units(labels, people, blocks)
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    own, blocks = labels[first].astype(np.int16), blocks[first]
    sums = csr_array((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(len(own), len(unit))) @ terms
    places = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    places = [place for place in places if len(np.unique(own[place])) > 1]
    generator = np.random.default_rng(seed)
    for rows in _chunks(permutations, len(own)):
        changed = np.tile(own, (rows, 1))
        for place in places:
            changed[:, place] = generator.permuted(changed[:, place], axis=1)
        groups = [changed == group for group in range(labels.max())]
        others = _weighted([sums] * len(groups), groups)
        yield np.concatenate([others, sums.sum(axis=0) - others.sum(axis=1, keepdims=True)], axis=1)


def _units(labels: np.ndarray, people: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each face what is permuted as one, and among which units it is permuted."""
    low, high = np.full(people.max() + 1, labels.max()), np.zeros(people.max() + 1, labels.dtype)
    np.minimum.at(low, people, labels)
    np.maximum.at(high, people, labels)
    varies = (low != high)[people]
    faces = people.max() + 1 + np.arange(len(people))
    return np.where(varies, faces, people), np.where(varies, blocks.max() + 1 + people, blocks)


def _weighted(sums: Sequence[csr_array], weights: Sequence[np.ndarray]) -> np.ndarray:
    """Return for each group its sums (units, terms) times weights (draws, units), together (draws, groups, terms)."""
    pairs = zip(sums, weights, strict=True)
    # Compressed rows times rows in memory order: other orders take ten times as long.
    return np.stack([(csr_array(own.T) @ np.ascontiguousarray(some.T, dtype=float)).T for own, some in pairs], axis=1)


def p_value(observed: float, permuted: np.ndarray) -> float:
    """Return how often chance gives a gap as large as the observed one; the observed order counts as one draw."""
    return float((1 + (permuted >= observed - SAME).sum()) / (1 + len(permuted)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that hold for all tests together: Holm, Scandinavian Journal of Statistics 6, 1979.

    The smallest of m is multiplied by m, the next one by m - 1 and so on; none is smaller than the one before it.
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.minimum(1, np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1))
    result = np.empty(len(order))
    result[order] = np.maximum.accumulate(corrected)
    return [float(p) for p in result]


def _chunks(draws: int, people: int) -> Iterator[int]:
    step = max(1, NUMBERS_AT_ONCE // people)
    for start in range(0, draws, step):
        yield min(step, draws - start)
