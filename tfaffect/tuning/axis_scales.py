"""Positions and tick labels of the values of a knob on an axis."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import LogLocator, MaxNLocator

from tfaffect.tuning.findings import Knob

UNUSED = -0.12
"""The height, below all axes, of a line at a knob that its trial does not use."""
LOG_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9))
"""Ticks within a decade, from few to many."""


def find_range(knob: Knob, values: pd.Series) -> tuple[float, float]:
    """The lowest and the highest number that is allowed or was tried; above 0 on a logarithmic axis."""
    tried = values[values > 0] if knob.log else values
    ends = [end for end in (knob.low, knob.high, tried.min(), tried.max()) if end is not None and np.isfinite(end)]
    return (min(ends), max(ends)) if ends else (1.0, 1.0)


def find_ticks(knob: Knob, values: pd.Series) -> np.ndarray:
    """Two to about six round numbers on the axis of a numeric knob; the ends of its range if there are none."""
    low, high = find_range(knob, values)
    locators = [LogLocator(subs=steps, numticks=99) for steps in LOG_STEPS]
    for locator in locators if knob.log else [MaxNLocator(4, integer=knob.kind == "int")]:
        ticks, tolerance = np.asarray(locator.tick_values(low, high)), 1e-9 * (low if knob.log else 1)
        found = ticks[(ticks >= low - tolerance) & (ticks <= high + tolerance)]
        if len(found) > 1 or not knob.log:
            return found
    return np.unique([low, high])


def format_tick(number: float) -> str:
    """A number with at most three digits, without an exponent if that is shorter."""
    return f"{float(f'{number:.3g}'):g}"


def scale(knob: Knob, values: pd.Series, numbers: np.ndarray) -> np.ndarray:
    """Numbers as heights from 0 to 1 on the axis of a knob with these values; 0.5 if it has only one value."""
    low, high = find_range(knob, values)
    if low == high:
        return np.where(np.isnan(numbers), np.nan, 0.5)
    norm = LogNorm(low, high, clip=True) if knob.log else Normalize(low, high)
    return np.ma.filled(norm(numbers), np.nan)


def scale_choices(knob: Knob) -> dict[str, float]:
    """The height of each choice on an axis from 0 to 1."""
    return {choice: (place + 0.5) / len(knob.choices) for place, choice in enumerate(knob.choices)}


def jitter(values: pd.Series) -> np.ndarray:
    """Deterministic shifts from -1 to 1, so that equal values do not overlap."""
    return (values.index.to_numpy() * 5 % 9 - 4) / 4
