"""Groups to splits without leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from tfaffect.labels import SPLITS


def draw(groups: Sequence[str], shares: tuple[float, float, float], seed: int = 0) -> dict[str, str]:
    """Return a split for every distinct group.

    `groups` names the group of each record, `shares` the share of records for train, validation and test. Groups are
    ordered by a hash of their name, which is the same on every machine, and cut where the cumulative number of records
    passes the shares. With three groups or more each split gets at least one; with two, test gets none; with one, only
    train is filled.
    """
    sizes = Counter(groups)
    order = sorted(sizes, key=lambda group: blake2b(f"{seed}/{group}".encode()).digest())
    share_before_middle = (np.cumsum([sizes[group] for group in order]) - [sizes[g] / 2 for g in order]) / len(groups)
    first, second = np.searchsorted(share_before_middle, np.cumsum(shares)[:2])
    first = min(max(first, 1), max(len(order) - 2, 1))
    second = min(max(second, first + 1), max(len(order) - 1, 2))
    cuts = {SPLITS[0]: order[:first], SPLITS[1]: order[first:second], SPLITS[2]: order[second:]}
    return {group: split for split, members in cuts.items() for group in members}


def carve(groups: Sequence[str], strata: Sequence[str], share: float, seed: int = 0) -> set[str]:
    """Return the groups, `share` of those of every stratum, that become a split of their own.

    `groups` and `strata` name the group and the stratum (such as the class) of each record; a group counts in the
    stratum of its first record. Groups are ordered by a hash of their name, as in `draw`. With two groups or more at
    least one is returned and at least one is not.
    """
    stratum_of = dict(zip(reversed(groups), reversed(strata), strict=True))
    order = sorted(stratum_of, key=lambda group: blake2b(f"{seed}/{group}".encode()).digest())
    ranks: Counter[str] = Counter()
    sizes = Counter(stratum_of.values())
    position = {}  # of a group within its stratum, from 0 to 1
    for group in order:
        position[group] = (ranks[stratum_of[group]] + 0.5) / sizes[stratum_of[group]]
        ranks[stratum_of[group]] += 1
    first = sorted(order, key=position.__getitem__)
    carved = sum(value < share for value in position.values())
    return set(first[: min(max(carved, 1), len(first) - 1)])


def latest(groups: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    """Return for every group the latest split that holds one of its records."""
    found: dict[str, int] = {}
    for group, split in zip(groups, splits, strict=True):
        found[group] = max(found.get(group, 0), SPLITS.index(split))
    return {group: SPLITS[place] for group, place in found.items()}


def straddling(groups: Sequence[str], splits: Sequence[str]) -> set[str]:
    """Return the groups with records in more than one split."""
    pairs = set(zip(groups, splits, strict=True))
    return {group for group, times in Counter(group for group, _ in pairs).items() if times > 1}
