"""Scores as text for a person."""

import math
from typing import Any

from tfaffect.labels import AFFECT

HEADLINES = {
    "accuracy": ("expression", "accuracy"),
    "UAR": ("expression", "uar"),
    "macro F1": ("expression", "macro_f1"),
    **{f"CCC {name}": (name, "ccc") for name in AFFECT},
}
"""The main scores of a report: title -> head and name of the score."""

DECIMALS = ("ccc", "rmse", "pcc")  # the names of all other scores, which are percentages, start differently


def format_score(name: str, value: float | None) -> str:
    """A score as text: CCC, RMSE and PCC with three decimals, other scores as percentages; "-" if it is not defined."""
    if value is None or math.isnan(value):
        return "-"
    if name == "support":
        return f"{value:,}"
    return f"{value:.3f}" if name.startswith(DECIMALS) else f"{100 * value:.1f} %"


def format_interval(score: dict[str, Any], head: str, name: str) -> str:
    """A score of a set, with its interval on a second line if there is one."""
    figure = score[head][name] if score[head] else {}
    value, low, high = (format_score(name, figure.get(key)) for key in ("value", "low", "high"))
    return value if low == "-" else f"{value}\n[{low.removesuffix(' %')}, {high.removesuffix(' %')}]"
