"""Assign groups to splits, so that no group is in two."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from tfaffect.labels import SPLITS


def draw(groups: Sequence[str], shares: tuple[float, float, float], seed: int = 0) -> dict[str, str]:
    """Return a split for every distinct group.

    `groups` has the group of each record, `shares` the share of records for train, validation and test. Groups are
    sorted by a hash of their name, which is the same on every machine, and cut where the cumulative number of records
    passes the shares. With three groups or more, each split gets at least one. With two, test is empty. With one, only
    train has records.
    """
    sizes = Counter(groups)
    order = _by_hash(sizes, seed)
    share_before_middle = (np.cumsum([sizes[group] for group in order]) - [sizes[g] / 2 for g in order]) / len(groups)
    first, second = np.searchsorted(share_before_middle, np.cumsum(shares)[:2])
    first = min(max(first, 1), max(len(order) - 2, 1))
    second = min(max(second, first + 1), max(len(order) - 1, 2))
    cuts = {SPLITS[0]: order[:first], SPLITS[1]: order[first:second], SPLITS[2]: order[second:]}
    return {group: split for split, members in cuts.items() for group in members}


def draw_stratified(groups: Sequence[str], strata: Sequence[str], share: float, seed: int = 0) -> set[str]:
    """Return the groups that become a split of their own: a `share` of the groups of each stratum.

    `groups` and `strata` have the group and the stratum (for example the class) of each record; a group belongs to the
    stratum of its first record. Groups are sorted by a hash of their name, as in `draw`. With two groups or more, at
    least one is returned and at least one is not.
    """
    stratum_of = dict(zip(reversed(groups), reversed(strata), strict=True))
    ranks: Counter[str] = Counter()
    sizes = Counter(stratum_of.values())
    position = {}  # of a group within its stratum, from 0 to 1
    for group in _by_hash(stratum_of, seed):
        position[group] = (ranks[stratum_of[group]] + 0.5) / sizes[stratum_of[group]]
        ranks[stratum_of[group]] += 1
    first = sorted(position, key=position.__getitem__)
    drawn = sum(value < share for value in position.values())
    return set(first[: min(max(drawn, 1), len(first) - 1)])


def _by_hash(groups: Iterable[str], seed: int) -> list[str]:
    return sorted(groups, key=lambda group: blake2b(f"{seed}/{group}".encode()).digest())


def latest_split(groups: Sequence[str], splits: Sequence[str | None]) -> dict[str, str]:
    """Return for each group the latest split that holds one of its records; the order is train, validation, test."""
    latest: dict[str, int] = {}
    for group, split in zip(groups, splits, strict=True):
        latest[group] = max(latest.get(group, 0), SPLITS.index(split))
    return {group: SPLITS[place] for group, place in latest.items()}


def groups_in_several_splits(groups: Sequence[str], splits: Sequence[str | None]) -> set[str]:
    """Return the groups with records in more than one split."""
    pairs = set(zip(groups, splits, strict=True))
    return {group for group, times in Counter(group for group, _ in pairs).items() if times > 1}
