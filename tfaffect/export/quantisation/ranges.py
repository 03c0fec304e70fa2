"""Choose the range of values that int8 covers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LEVELS = 256
LOWEST, HIGHEST = -128, 127
BINS = 2048
CANDIDATES = 40
"""Bounds tried on each side, from the largest value to nearly zero."""

ROUNDS = 3
"""How often both sides are optimised in turn; for most tensors the third round changes nothing."""

Function = Callable[[np.ndarray], np.ndarray]


def swish(x: np.ndarray) -> np.ndarray:
    """Return x * sigmoid(x) (Ramachandran et al. 2017, arXiv:1710.05941)."""
    return x * 0.5 * (1 + np.tanh(0.5 * x))


def parameters(low: float, high: float) -> tuple[float, int]:
    """Return scale and zero point of int8 over a range that contains zero; zero is represented exactly."""
    scale = (high - low) / (LEVELS - 1)
    return scale, round(LOWEST - low / scale)


def choose_range(values: np.ndarray, function: Function | None = None) -> tuple[float, float]:
    """Return the range with the smallest squared error of `function` after quantisation; values beyond it are clipped.

    The function after the tensor decides which values matter: swish is nearly 0 below -6, so lower inputs can be
    clipped and the others gain resolution. The range is (0, 1) when all values are 0.
    """
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if low == high:
        return 0.0, 1.0
    counts, edges = np.histogram(values, BINS, (low, high))
    centres, counts = ((edges[1:] + edges[:-1]) / 2)[counts > 0], counts[counts > 0]
    shares = np.linspace(1, 0, CANDIDATES, endpoint=False)
    lows, highs = low * shares, high * shares
    for _ in range(ROUNDS):
        low = lows[np.argmin([_error(centres, counts, low, high, function) for low in lows])]
        high = highs[np.argmin([_error(centres, counts, low, high, function) for high in highs])]
    return float(low), float(high)


def _error(centres: np.ndarray, counts: np.ndarray, low: float, high: float, function: Function | None) -> float:
    scale, zero = parameters(low, high)
    rounded = (np.clip(np.round(centres / scale) + zero, LOWEST, HIGHEST) - zero) * scale
    loss = rounded - centres if function is None else function(rounded) - function(centres)
    return float(counts @ np.square(loss))
