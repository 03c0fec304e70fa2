"""Scores on corrupted faces, as a text table and as a figure."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfaffect.records.corruptions import CORRUPTIONS, Corruption
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

    `people` is an accuracy that is drawn as a line in every panel. A vertical line marks the severity below which a
    study found that people recognise expressions less often.
    """
    classes = table["accuracy"].notna().any()
    columns = ("accuracy", "macro_f1") if classes else ("ccc_valence", "ccc_arousal")
    uncorrupted = table[table["corruption"] == "none"].iloc[0]
    figure = Figure(figsize=(13, 6), layout="constrained")
    panels = figure.subplots(2, math.ceil(len(CORRUPTIONS) / 2), sharey=True)
    scale = 100 if classes else 1
    for axes, (name, kind) in zip(panels.flat, CORRUPTIONS.items(), strict=False):
        rows = table[table["corruption"] == name].set_index("severity")[[*columns]]
        _draw_panel(axes, kind, scale * rows.astype(float), scale * uncorrupted[[*columns]].astype(float))
        if people is not None and classes:
            axes.axhline(100 * people, color=MUTED, linewidth=1, linestyle="--", label="people")
        axes.set(title=name, xlabel=kind.unit)
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
        style(axes)
    panels[0, 0].legend(frameon=False, loc="lower left", labelcolor=INK)
    figure.supylabel("%" if classes else "CCC", color=INK)
    return figure


def _draw_panel(axes: Axes, kind: Corruption, rows: pd.DataFrame, uncorrupted: pd.Series) -> None:
    """Draw scores by severity; without a clean severity on a logarithmic axis, with clean scores as dotted lines."""
    if kind.clean is None:
        axes.set_xscale("log")
        axes.set_xticks(kind.severities, [f"{severity:g}" for severity in kind.severities])
        axes.minorticks_off()
    else:
        rows.loc[float(kind.clean)] = uncorrupted
    rows = rows.sort_index()
    for column, colour in zip(rows.columns, (HUE, LINES[1]), strict=True):
        axes.plot(rows.index, rows[column], ".-", color=colour, label=TITLES[column])
        if kind.clean is None:
            axes.axhline(uncorrupted[column], color=colour, linewidth=1, linestyle=":")
    if kind.people:
        severity, study = kind.people
        axes.axvline(severity, color=MUTED, linewidth=1, linestyle="--")
        axes.annotate(
            f"people: worse\nto the left\n({study})",
            (severity, 0.03),
            (5, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=MUTED,
            fontsize="small",
        )
