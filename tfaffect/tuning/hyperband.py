"""Hyperband's schedule: many configs train for few epochs, and the best of them for more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FACTOR = 3
"""One trial in so many is promoted, to so many times the epochs. Li et al. used 3 or 4."""


@dataclass(frozen=True)
class Bracket:
    """Trials that compete: the `sizes[0]` trials from number `first` on; `sizes[r]` of them train to `epochs[r]`."""

    first: int
    sizes: tuple[int, ...]
    epochs: tuple[int, ...]

    @property
    def total_epochs(self) -> int:
        """The epochs of all its trials together; a promoted trial trains only the missing ones."""
        return int(np.dot(self.sizes, np.diff(self.epochs, prepend=0)))


@dataclass(frozen=True)
class State:
    """The state of a trial: its epochs, whether it has finished them, and its score (None if it failed)."""

    until: int
    ended: bool
    score: float | None = None


def make_brackets(trials: int, epochs: int) -> list[Bracket]:
    """Distribute `trials` configs, numbered from 1, over the brackets of Hyperband; the most rungs come first.

    Li et al., Hyperband, JMLR 18, 2018. In the paper the brackets decide the number of configs. Here the user decides
    it, and each bracket gets its share.
    """
    promotions = [s for s in reversed(range(epochs.bit_length())) if FACTOR**s <= epochs]
    brackets, first = list[Bracket](), 1
    for s, size in zip(promotions, _apportion(trials, [FACTOR**s / (s + 1) for s in promotions]), strict=True):
        if size:
            sizes = tuple(max(1, size // FACTOR**rung) for rung in range(s + 1))
            until = tuple(-(-epochs // FACTOR ** (s - rung)) for rung in range(s + 1))
            brackets.append(Bracket(first, sizes, until))
            first += size
    return brackets


def next_promotion(bracket: Bracket, states: Mapping[int, State]) -> tuple[int, int] | None:
    """Return the number of the trial to promote now and its new epochs; None while other trials must end first.

    A rung is judged when all of its trials have ended. If failures leave fewer trials than places, all are promoted.
    """
    alive = [*range(bracket.first, bracket.first + bracket.sizes[0])]
    for rung, until in enumerate(bracket.epochs[:-1]):
        if not all(number in states and (states[number].ended or states[number].until > until) for number in alive):
            return None
        promoted = [number for number in alive if states[number].until > until]
        scores = {number: states[number].score for number in alive if number not in promoted}
        left = {number: score for number, score in scores.items() if score is not None}
        if left and len(promoted) < bracket.sizes[rung + 1]:
            return max(left, key=left.__getitem__), bracket.epochs[rung + 1]  # the first on ties
        alive = promoted
    return None


def _apportion(total: int, shares: list[float]) -> list[int]:
    """Whole numbers in proportion to the shares, by the largest remainder method."""
    exact = total * np.array(shares) / sum(shares)
    whole = exact.astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: total - whole.sum()]] += 1
    return whole.tolist()
