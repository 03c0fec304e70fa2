"""The figure of the groups of people: the score of every group with its interval."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfaffect.labels import AFFECT
from tfaffect.scoring.figures import WIDTH
from tfaffect.scoring.group_sums import EQUAL_MIX
from tfaffect.scoring.palette import HUE, MUTED, PEOPLE, style

PANELS = {"expression": ("accuracy", "accuracy, %", 100), **{head: ("ccc", f"CCC {head}", 1) for head in AFFECT}}
"""Head -> the figure that is drawn, the title of its axis, and what it is multiplied by."""

NAME = 20
"""Letters of a group's name in one line, so that there is room for the dots."""


def picture_name(grouping: str) -> str:
    """Return the name of the picture of a grouping, for its file too."""
    return "groups-" + re.sub(r"\W+", "-", grouping)


def draw_groups(groups: dict[str, dict[str, Any]]) -> dict[str, Figure]:
    """A figure for every grouping of `groups.score_groups` that has a score, by the name of its picture."""
    return {picture_name(name): draw_grouping(grouping) for name, grouping in groups.items() if drawn_heads(grouping)}


def drawn_heads(grouping: dict[str, Any]) -> list[str]:
    """Return the heads that a group has scores of."""
    return [head for head in PANELS if any(value[head] for value in grouping["values"].values())]


def draw_grouping(grouping: dict[str, Any]) -> Figure:
    """A panel per head, a row per group: blue dots for ranked groups, hollow grey ones for the others."""
    heads = drawn_heads(grouping)
    rows = len(grouping["values"])
    heights = [1 + rows * (0.42 if head == "expression" else 0.32) for head in heads]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    panels = figure.subplots(len(heads), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, head in zip(panels, heads, strict=True):
        _draw_head(axes, grouping["values"], head)
    return figure


def _draw_head(axes: Axes, values: dict[str, Any], head: str) -> None:
    name, title, factor = PANELS[head]
    for place, group in enumerate(values.values()):
        own = group[head]
        if own:
            color = HUE if own["ranked"] else MUTED
            equal = own.get(name + EQUAL_MIX)
            high = place - (0.15 if equal else 0)
            _draw_mark(axes, own[name], factor, high, marker="o", color=color, filled=own["ranked"])
            if equal:
                _draw_mark(axes, equal, factor, place + 0.2, marker="D", color=PEOPLE, filled=own["ranked"])
    counts = [group[head]["n"] if group[head] else 0 for group in values.values()]
    names = [textwrap.fill(group, NAME) for group in values]
    axes.set_yticks(range(len(values)), [f"{group}  ({n:,})" for group, n in zip(names, counts, strict=True)])
    axes.set(xlabel=title, ylim=(len(values) - 0.4, -0.6))
    axes.locator_params(axis="x", nbins=5)
    _add_legend(axes, [group[head] for group in values.values() if group[head]], name)
    style(axes)


def _draw_mark(
    axes: Axes, figure: dict[str, float | None], factor: int, place: float, marker: str, color: str, filled: bool
) -> None:
    low, value, high = (figure[key] for key in ("low", "value", "high"))
    if low is not None and high is not None:
        axes.plot([factor * low, factor * high], [place, place], color=color, linewidth=2)
    if value is not None:
        face = color if filled else "white"
        axes.plot(factor * value, place, marker, color=color, markerfacecolor=face, markersize=5.5)


def _add_legend(axes: Axes, groups: list[dict[str, Any]], name: str) -> None:
    looks: dict[str, Any] = {"linestyle": "none", "markersize": 5.5}
    equal = any(name + EQUAL_MIX in own for own in groups)
    if any(own["ranked"] for own in groups):
        axes.plot([], [], marker="o", color=HUE, label="as it is" if equal else "ranked", **looks)
    if equal:
        axes.plot([], [], marker="D", color=PEOPLE, label="equal mix", **looks)
    if not all(own["ranked"] for own in groups):
        axes.plot([], [], marker="o", color=MUTED, markerfacecolor="white", label="not ranked", **looks)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1, handletextpad=0.2)
