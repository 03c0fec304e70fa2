"""Where the values of a knob stand on an axis, and what is written there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from tfaffect.tuning.findings import Knob

ABSENT = -0.12
"""The height, below all axes, at which a line passes a knob that does not apply to its trial."""
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9))
"""Ticks within a decade, from few to many."""


def plain(text: str) -> str:
    """The text as matplotlib shows it letter by letter: a dollar would begin a formula."""
    return text.replace("$", r"\$")


def find_range(knob: Knob, values: pd.Series) -> tuple[float, float]:
    """The lowest and the highest number allowed or tried; on a logarithmic axis above 0."""
    tried = values[values > 0] if knob.log else values
    ends = [end for end in (knob.low, knob.high, tried.min(), tried.max()) if end is not None and np.isfinite(end)]
    return (min(ends), max(ends)) if ends else (1.0, 1.0)


def find_ticks(knob: Knob, values: pd.Series) -> np.ndarray:
    """Two to about six round numbers on the axis of a numeric knob; its ends where no round ones lie between."""
    low, high = find_range(knob, values)
    if not knob.log:
        found = MaxNLocator(4, integer=knob.kind == "int").tick_values(low, high)
        return found[(found >= low - 1e-9) & (found <= high + 1e-9)]
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in STEPS:
        found = np.outer(decades, steps).ravel()
        found = found[(found >= low * (1 - 1e-9)) & (found <= high * (1 + 1e-9))]
        if len(found) > 1:
            return found
    return np.unique([low, high])


def spell_tick(number: float) -> str:
    """A number of three digits at most, without an exponent where that is shorter."""
    return f"{float(f'{number:.3g}'):g}"


def scale(knob: Knob, values: pd.Series, numbers: np.ndarray) -> np.ndarray:
    """Numbers as heights from 0 to 1 on the axis of a knob with these values; 0.5 where it has one value only."""
    ends = np.array(find_range(knob, values))
    if knob.log:
        numbers, ends = np.log10(np.maximum(numbers, ends[0])), np.log10(ends)
    low, high = ends
    return (numbers - low) / (high - low) if high > low else np.where(np.isnan(numbers), np.nan, 0.5)


def scale_choices(knob: Knob) -> dict[str, float]:
    """The height of each choice."""
    return {choice: (place + 0.5) / len(knob.choices) for place, choice in enumerate(knob.choices)}


def set_aside(values: pd.Series) -> np.ndarray:
    """Shifts from -1 to 1 that lay equal values side by side, the same every time."""
    return (values.index.to_numpy() * 5 % 9 - 4) / 4
