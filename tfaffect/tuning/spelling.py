"""Knobs, flags and times as people read them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pandas as pd

from tfaffect.tuning.findings import Knob


def spell(value: object) -> str:
    """A value of a knob: numbers with four digits, "-" where it does not apply."""
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
    return str(value)


def spell_range(knob: Knob) -> str:
    """Where the search looked."""
    if not knob.numeric:
        return ", ".join(knob.choices)
    return f"{spell(knob.low)} to {spell(knob.high)}{', log' if knob.log else ''}"


def spell_seconds(seconds: float) -> str:
    """A time in its largest sensible unit, "-" where it is not known."""
    if pd.isna(seconds):
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def spell_flags(values: Mapping[str, object]) -> str:
    """Fields of a config as flags of train.py."""
    words = []
    for name, value in values.items():
        several = value if isinstance(value, list | tuple) else [value]
        words += [f"--{name.replace('_', '-')}", *(shlex.quote(spell(part)) for part in several)]
    return " ".join(words)
