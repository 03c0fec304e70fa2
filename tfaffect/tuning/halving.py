"""Hyperband: many configs for few epochs, the best of them for more; who goes on, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FACTOR = 3
"""One in so many goes on, for so many times the epochs. Li et al. took 3 or 4."""


@dataclass(frozen=True)
class Bracket:
    """Trials that are halved together: from `first` on, `sizes[r]` of them train until `epochs[r]`."""

    first: int
    sizes: tuple[int, ...]
    epochs: tuple[int, ...]

    @property
    def total_epochs(self) -> int:
        """Epochs of all its trials together; one that goes on trains only those that it lacks."""
        more = [later - before for later, before in zip(self.epochs, (0, *self.epochs), strict=False)]
        return sum(size * epochs for size, epochs in zip(self.sizes, more, strict=True))


@dataclass(frozen=True)
class State:
    """Where a trial is: the epochs it was given, whether it has ended there, and its score; None if it failed."""

    until: int
    ended: bool
    score: float | None = None


def brackets(trials: int, epochs: int, first: int = 1, factor: int = FACTOR) -> list[Bracket]:
    """Share `trials` configs, numbered from `first`, among the brackets of Hyperband; the most halved comes first.

    Li et al., Hyperband, JMLR 18, 2018. Theirs asks for as many configs as its brackets hold; here the number is asked
    for, and each bracket gets its share of it.
    """
    halvings = 0
    while factor ** (halvings + 1) <= epochs:
        halvings += 1
    shares = [factor**s / (s + 1) for s in range(halvings, -1, -1)]
    found = []
    for s, size in zip(range(halvings, -1, -1), _share_out(trials, shares), strict=True):
        if size:
            sizes = tuple(max(1, size // factor**rung) for rung in range(s + 1))
            found.append(Bracket(first, sizes, tuple(-(-epochs // factor ** (s - rung)) for rung in range(s + 1))))
            first += size
    return found


def promotion(bracket: Bracket, states: Mapping[int, State]) -> tuple[int, int] | None:
    """Return which trial of a bracket goes on now, and until which epoch; None while others must end first.

    A rung is judged when all of its trials have ended. One that failed is not waited for: with fewer left than places,
    all of them go on.
    """
    alive = [*range(bracket.first, bracket.first + bracket.sizes[0])]
    for rung, until in enumerate(bracket.epochs[:-1]):
        if not all(number in states and (states[number].ended or states[number].until > until) for number in alive):
            return None
        gone_on = [number for number in alive if states[number].until > until]
        left = [number for number in alive if number not in gone_on and states[number].score is not None]
        if left and len(gone_on) < bracket.sizes[rung + 1]:
            return max(left, key=lambda number: (states[number].score, -number)), bracket.epochs[rung + 1]
        alive = gone_on
    return None


def _share_out(total: int, shares: list[float]) -> list[int]:
    """Whole numbers in proportion to the shares: the largest remainders are rounded up."""
    exact = [total * share / sum(shares) for share in shares]
    whole = [int(part) for part in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in by_remainder[: total - sum(whole)]:
        whole[place] += 1
    return whole
