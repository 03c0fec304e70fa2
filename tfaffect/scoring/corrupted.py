"""Scores on corrupted faces, as a table and as a picture."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from tfaffect.records.corruptions import CORRUPTIONS
from tfaffect.scoring.palette import FAINT, HUE, INK, LINES, MUTED, style

TITLES = {
    "accuracy": "accuracy",
    "uar": "UAR",
    "macro_f1": "macro F1",
    "ccc_valence": "CCC valence",
    "ccc_arousal": "CCC arousal",
}


def summarise(table: pd.DataFrame) -> str:
    """Return a line per corruption and severity for the terminal, without figures that are nowhere known."""
    known = [name for name in TITLES if table[name].notna().any()]
    rows = [["corruption", "", *(TITLES[name] for name in known)]]
    for _, row in table.iterrows():
        kind = CORRUPTIONS.get(row["corruption"])
        severity = f"{row['severity']:g} {kind.unit}" if kind else ""
        rows.append([row["corruption"], severity, *(_spell(name, row[name]) for name in known)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), *map(str.rjust, row[2:], widths[2:])])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def draw(table: pd.DataFrame, people: float | None = None) -> Figure:
    """Return a panel per corruption: accuracy and macro F1 where classes are known, the CCCs elsewhere.

    `people` is an accuracy that a line shows in every panel.
    """
    classes = table["accuracy"].notna().any()
    shown = ("accuracy", "macro_f1") if classes else ("ccc_valence", "ccc_arousal")
    undisturbed = table[table["corruption"] == "none"].iloc[0]
    figure = Figure(figsize=(10.5, 6), layout="constrained")
    panels = figure.subplots(2, math.ceil(len(CORRUPTIONS) / 2), sharey=True)
    scale = 100 if classes else 1
    for axes, (name, kind) in zip(panels.flat, CORRUPTIONS.items(), strict=False):
        rows = table[table["corruption"] == name].set_index("severity")[[*shown]]
        rows.loc[0.0] = undisturbed[[*shown]]
        rows = scale * rows.sort_index().astype(float)
        for column, colour in zip(shown, (HUE, LINES[1]), strict=True):
            axes.plot(rows.index, rows[column], ".-", color=colour, label=TITLES[column])
        if people is not None and classes:
            axes.axhline(100 * people, color=MUTED, linewidth=1, linestyle="--", label="people")
        axes.set(title=name, xlabel=kind.unit)
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
        style(axes)
    panels[0, 0].legend(frameon=False, loc="lower left", labelcolor=INK)
    figure.supylabel("%" if classes else "CCC", color=INK)
    return figure


def _spell(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if name.startswith("ccc") else f"{100 * value:.1f} %"
