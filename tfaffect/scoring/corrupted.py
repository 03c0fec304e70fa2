"""Scores on corrupted faces, as a text table and as a figure."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from tfaffect.records.corruptions import CORRUPTIONS
from tfaffect.scoring.palette import FAINT, HUE, INK, LINES, MUTED, style
from tfaffect.scoring.report import HEADLINES, align, format_score

TITLES = {title.lower().replace(" ", "_"): title for title in HEADLINES}
"""Column of a table of scores -> title, for example ccc_valence -> CCC valence."""


def summarise(table: pd.DataFrame) -> str:
    """Return a line per corruption and severity for the terminal; metrics without any value are left out."""
    known = [name for name in TITLES if table[name].notna().any()]
    rows = [["corruption", "", *(TITLES[name] for name in known)]]
    for _, row in table.iterrows():
        kind = CORRUPTIONS.get(row["corruption"])
        severity = f"{row['severity']:g} {kind.unit}" if kind else ""
        rows.append([row["corruption"], severity, *(format_score(name, row[name]) for name in known)])
    return align(rows, left=2)


def draw(table: pd.DataFrame, people: float | None = None) -> Figure:
    """Return a panel per corruption, with accuracy and macro F1 if there are classes, and the CCCs otherwise.

    `people` is an accuracy that is drawn as a line in every panel.
    """
    classes = table["accuracy"].notna().any()
    columns = ("accuracy", "macro_f1") if classes else ("ccc_valence", "ccc_arousal")
    uncorrupted = table[table["corruption"] == "none"].iloc[0]
    figure = Figure(figsize=(10.5, 6), layout="constrained")
    panels = figure.subplots(2, math.ceil(len(CORRUPTIONS) / 2), sharey=True)
    scale = 100 if classes else 1
    for axes, (name, kind) in zip(panels.flat, CORRUPTIONS.items(), strict=False):
        rows = table[table["corruption"] == name].set_index("severity")[[*columns]]
        rows.loc[0.0] = uncorrupted[[*columns]]
        rows = scale * rows.sort_index().astype(float)
        for column, colour in zip(columns, (HUE, LINES[1]), strict=True):
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
