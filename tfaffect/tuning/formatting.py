"""Values, durations and flags as text for a person."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pandas as pd


def format_value(value: object) -> str:
    """A value of a knob: numbers with four digits, "-" if it does not apply."""
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
    return str(value)


def format_duration(seconds: float) -> str:
    """A duration in its largest sensible unit."""
    for unit, size, decimals in (("days", 86_400, 1), ("h", 3_600, 1), ("min", 60, 0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{decimals}f} {unit}"
    return "-" if pd.isna(seconds) else f"{seconds:.0f} s"


def format_flags(values: Mapping[str, object]) -> str:
    """Fields of a config as flags of `tfaffect train`."""
    words = []
    for name, value in values.items():
        parts = value if isinstance(value, list | tuple) else [value]
        words += [f"--{name.replace('_', '-')}", *(shlex.quote(format_value(part)) for part in parts)]
    return " ".join(words)
