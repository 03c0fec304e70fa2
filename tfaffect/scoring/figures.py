"""Figures of scores and predictions by matplotlib, without pyplot and its global state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.palette import (
    DARK,
    DOTS_PER_INCH,
    FAINT,
    HALO,
    HUE,
    INK,
    LINES,
    MARKERS,
    MUTED,
    PEOPLE,
    SEQUENTIAL,
    label_integers,
    style,
)
from tfaffect.scoring.scores import HUMAN, POOLED

LOSSES = {"loss": "training", "val_loss": "validation"}
TICKS = (-1, -0.5, 0, 0.5, 1)
WIDTH = 4.6  # inches: on a phone of 390 pixels the letters are then 10 pixels high or more
PANEL = 3.6  # the width of a panel beside others


def draw_all(
    predictions: pd.DataFrame, sets: dict[str, dict], history: pd.DataFrame | None = None
) -> dict[str, Figure]:
    """All figures for which there are data, by name: sets, confusion, reliability, affect and curves.

    `sets` is what `scores.score_all` returns; all figures but the first are of all records.
    """
    figures, scores = {}, sets[POOLED]
    people = None
    if scores["expression"]:
        people = scores["expression"][HUMAN]
        if people is not None or len(distinct_sets(sets)) > 1:
            figures["sets"] = draw_sets(distinct_sets(sets))
        figures["confusion"] = draw_confusion(np.array(scores["expression"]["confusion"]))
        figures["reliability"] = draw_reliability(scores["expression"])
    if any(scores[name] for name in AFFECT):
        figures["affect"] = draw_affect(predictions, scores)
    if history is not None and len(history):
        figures["curves"] = draw_curves(history, people)
    return figures


def save_all(figures: Mapping[str, Figure], folder: Path) -> dict[str, bytes]:
    """Save figures as NAME.png in a folder, and return the contents of the files by name."""
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    return {name: (folder / f"{name}.png").read_bytes() for name in figures}


def one_panel(height: float) -> tuple[Figure, Axes]:
    """A figure of WIDTH and of this height in inches, and its only panel."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    style(axes)
    return figure, axes


def distinct_sets(sets: dict[str, dict]) -> dict[str, dict]:
    """The sets without a corpus that is alone, because its records are those of the pooled set."""
    return {name: score for name, score in sets.items() if name == POOLED or score is not sets[POOLED]}


def draw_sets(sets: dict[str, dict]) -> Figure:
    """The accuracy of every set of records with its interval, and that of another panel of raters."""
    scored = {name: score["expression"] for name, score in sets.items() if score["expression"]}
    figure, axes = one_panel(1.2 + 0.36 * len(scored))
    for place, expression in enumerate(scored.values()):
        accuracy, people = expression["accuracy"], expression[HUMAN]
        if accuracy["low"] is not None:
            axes.plot([100 * accuracy["low"], 100 * accuracy["high"]], [place, place], color=HUE, linewidth=2)
        axes.plot(100 * accuracy["value"], place, "o", color=HUE, label=None if place else "the model")
        if people is not None:
            axes.plot([100 * people] * 2, [place - 0.3, place + 0.3], color=PEOPLE, linewidth=2.5)
    if any(expression[HUMAN] is not None for expression in scored.values()):
        axes.plot([], [], "|", color=PEOPLE, markersize=12, markeredgewidth=2.5, label="another panel of raters")
    axes.set_yticks(range(len(scored)), [f"{name}  ({expression['n']:,})" for name, expression in scored.items()])
    axes.set(xlabel="accuracy, %", ylim=(len(scored) - 0.4, -0.6))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def draw_confusion(confusion: np.ndarray) -> Figure:
    """Counts (8, 8), rows are the truth, as percentages of each row; cells without a record are white."""
    figure, axes = one_panel(4.5)
    support = confusion.sum(axis=1)
    shares = np.where(confusion > 0, confusion / np.maximum(support, 1)[:, None], np.nan)
    axes.imshow(shares, cmap=SEQUENTIAL, norm=Normalize(0, 1))
    for row, column in np.argwhere(confusion > 0):
        percent = 100 * shares[row, column]
        looks: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": "white" if shares[row, column] > DARK else "black",
        }
        axes.text(column, row - 0.1, f"{percent:.0f} %" if percent >= 1 else "< 1 %", fontsize=8.5, **looks)
        axes.text(column, row + 0.2, f"{confusion[row, column]:,}", fontsize=7.5, **looks)
    axes.set_xticks(range(len(CLASSES)), CLASSES, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(CLASSES)), [f"{name}\n{n:,}" for name, n in zip(CLASSES, support, strict=True)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth, with the number of records")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)
    axes.tick_params(length=0)
    return figure


def draw_reliability(expression: dict) -> Figure:
    """Accuracy against confidence, and below it the share of the records in each bin (Guo et al. 2017, figure 1)."""
    figure = Figure(figsize=(WIDTH, 4.5), layout="constrained")
    accuracy, share = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    bins = pd.DataFrame([row for row in expression["reliability"] if row["n"]])
    place = {"x": bins["low"], "width": bins["high"] - bins["low"], "align": "edge", "edgecolor": "white"}
    accuracy.bar(height=bins["accuracy"], color=HUE, alpha=0.85, **place)
    accuracy.plot(bins["confidence"], bins["accuracy"], "o", color=INK, markersize=3.5, clip_on=False)
    _draw_identity(accuracy, 0)
    accuracy.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy", title=f"ECE {100 * expression['ece']:.1f} %")
    share.bar(height=100 * bins["n"] / expression["n"], color=MUTED, **place)
    share.set(xlabel="confidence: the top probability", ylabel="% of records")
    for axes in (accuracy, share):
        style(axes)
    return figure


def draw_affect(predictions: pd.DataFrame, scores: dict) -> Figure:
    """Truth against prediction, a panel per scored dimension; the colour is the number of records, on a log scale."""
    scored = [name for name in AFFECT if scores[name]]
    figure = Figure(figsize=(PANEL * len(scored), 3.9), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(scored), squeeze=False)[0], scored, strict=True):
        labelled = predictions[predictions[f"true_{name}"].notna()]
        truth, predicted = labelled[f"true_{name}"], labelled[name]
        axes.axhline(0, color=FAINT, linewidth=1, zorder=0)
        axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
        cells = axes.hexbin(truth, predicted, gridsize=40, extent=(-1, 1, -1, 1), mincnt=1, cmap=SEQUENTIAL)
        cells.set_norm(LogNorm(0.7, max(10, cells.get_array().max())))
        _draw_identity(axes, -1)
        limits = {"xlim": (-1.05, 1.05), "ylim": (-1.05, 1.05), "xticks": TICKS, "yticks": TICKS}
        axes.set(**limits, aspect="equal", xlabel="truth", ylabel="prediction")
        axes.set_title(f"{name}: CCC {scores[name]['ccc']['value']:.3f}, n = {scores[name]['n']:,}", fontsize=11)
        style(axes)
    return figure


def draw_curves(history: pd.DataFrame, people: float | None = None) -> Figure:
    """Loss and all validation metrics over the epochs.

    Args:
      history: `epoch`, `loss` and, with validation, `val_loss` and `val_<metric>`, as Keras names them; for several
        corpora also `val_<corpus>/<metric>`.
      people: the accuracy of another panel of raters, drawn as a horizontal line.
    """
    if not {"epoch", "loss"} <= {*history}:
        raise ValueError(f"A history needs the columns epoch and loss. Received: columns={list(history.columns)}.")
    history = history.set_index("epoch")
    losses = {name: label for name, label in LOSSES.items() if name in history}
    kept = history.dropna(axis="columns", how="all")
    metrics = [name for name in kept if name.startswith("val_") and not name.endswith("loss")]
    pooled = [name for name in metrics if "/" not in name]
    corpora = [name for name in metrics if "/" in name and name.endswith(("_uar", "_ccc"))]
    panels = {"validation metrics": pooled, "validation, corpus by corpus": corpora}
    panels = {title: names for title, names in panels.items() if names}
    figure = Figure(figsize=(PANEL * (1 + len(panels)), 3.6), layout="constrained")
    loss, *rest = figure.subplots(1, 1 + len(panels), squeeze=False)[0]
    _draw_lines(loss, history[[*losses]].rename(columns=losses), "loss")
    for axes, (title, names) in zip(rest, panels.items(), strict=True):
        if people is not None and "val_expression_accuracy" in names:
            axes.axhline(people, color=PEOPLE, linestyle="--", linewidth=1.5, label="accuracy of people")
        titles = {name: name.removeprefix("val_").replace("/", ": ").replace("_", " ") for name in names}
        _draw_lines(axes, history[names].rename(columns=titles), title)
    return figure


def _draw_lines(axes: Axes, columns: pd.DataFrame, title: str) -> None:
    axes.set_prop_cycle(color=LINES, marker=MARKERS)
    for name in columns:
        axes.plot(columns.index, columns[name], markersize=4, markevery=max(1, len(columns) // 15), label=name)
    axes.set(xlabel=columns.index.name, title=title)
    label_integers(axes)
    axes.legend(frameon=False)
    style(axes)


def _draw_identity(axes: Axes, low: float) -> None:
    axes.plot([low, 1], [low, 1], color=INK, linestyle="--", linewidth=1, path_effects=HALO)
