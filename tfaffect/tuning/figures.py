"""The figures of a search: history, learning curves, slice plots, importances and the four combinations."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfaffect.scoring.figures import WIDTH, one_panel
from tfaffect.scoring.palette import FAINT, HUE, INK, LINES, MUTED, label_integers, style
from tfaffect.tuning.axis_scales import find_range, find_ticks, format_tick, jitter
from tfaffect.tuning.findings import Findings, Knob
from tfaffect.tuning.parallel_coordinates import draw_parallel_coordinates
from tfaffect.tuning.settings import COMBINATIONS, TECHNIQUES
from tfaffect.tuning.statistics import Importance, best_so_far, scores_by_seed

BEST = LINES[1]
MARKERS: dict[str, dict[str, Any]] = {
    "trials": {"marker": "o", "color": HUE, "s": 26, "alpha": 0.65, "linewidths": 0, "zorder": 3},
    "base config": {"marker": "D", "facecolor": "white", "edgecolor": INK, "s": 34, "zorder": 4},
    "best": {"marker": "*", "color": BEST, "s": 130, "edgecolor": "white", "linewidths": 0.6, "zorder": 5},
    "failed": {"marker": "x", "color": MUTED, "s": 24, "linewidths": 1.2, "zorder": 3, "clip_on": False},
}
COLUMNS = 4  # panels in a row of slice plots


def draw_all(findings: Findings, importance: Importance | None) -> dict[str, Figure]:
    """All figures for which there are data, by the name of their file."""
    figures = {}
    count = len(findings.done)
    if findings.compares_techniques:
        return {"combinations": draw_combinations(findings)} if count else {}
    if count:
        figures["course"] = draw_history(findings)
    if findings.curves:
        figures["curves"] = draw_curves(findings)
    if count > 1 and findings.knobs:
        figures["slices"] = draw_slices(findings)
        figures["parallel"] = draw_parallel_coordinates(findings)
    if importance is not None:
        figures["importance"] = draw_importance(importance)
    return figures


def draw_history(findings: Findings) -> Figure:
    """The score of each trial in order of start, and the best so far."""
    figure, axes = one_panel(3.6)
    trials, factor = findings.trials, findings.metric.factor
    scores = trials["score"].where(trials.index.isin(findings.done.index))
    axes.step(trials.index + 1, factor * best_so_far(scores), where="post", color=BEST, zorder=2, label="best so far")
    _mark_trials(axes, findings, pd.Series(trials.index + 1.0, trials.index))
    axes.set(xlabel="trial, in order of start", ylabel=findings.metric.label, xlim=(0.4, len(trials) + 0.6))
    label_integers(axes)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8, handletextpad=0.3)
    return figure


def draw_curves(findings: Findings) -> Figure:
    """The learning curve of every trial; for Hyperband with a vertical line at each epoch where several ended."""
    figure, axes = one_panel(3.6)
    factor, best, base = findings.curve_metric.factor, findings.best, findings.base
    special = {} if best is None else {best["trial"]: ("best", BEST)}
    if best is not None and base is not None and base["config"] != best["config"]:
        special[base["trial"]] = ("base config", INK)
    statuses = findings.trials.set_index("trial")["status"]
    alpha = float(np.clip(12 / len(findings.curves), 0.3, 0.9))
    for trial, curve in findings.curves.items():
        label, colour = special.get(trial, (None, HUE))
        looks = {"alpha": alpha, "linewidth": 1, "zorder": 2} if label is None else {"linewidth": 2, "zorder": 4}
        axes.plot(curve.index, factor * curve, color=colour, label=label, **looks)
        end = "x" if statuses[trial] == "failed" else "o"
        axes.plot(curve.index[-1], factor * curve.iloc[-1], end, color=colour, markersize=4, **looks)
    if findings.settings["strategy"] == "hyperband":
        for epochs, trials in findings.done["epochs"].value_counts().items():
            if trials > 1:
                axes.axvline(epochs, color=FAINT, linewidth=1, zorder=0)
    axes.set(xlabel="epoch", ylabel=findings.curve_metric.label)
    label_integers(axes)
    if special:
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure


def draw_slices(findings: Findings) -> Figure:
    """A panel per knob: the score against its value; failed trials are crosses at the bottom."""
    knobs, columns = findings.knobs, min(COLUMNS, len(findings.knobs))
    rows = ceil(len(knobs) / columns)
    figure = Figure(figsize=(max(WIDTH, 2.4 * columns), 0.4 + 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, knob in zip(panels.flat, knobs, strict=False):
        _draw_slice(axes, findings, knob)
    for axes in panels.flat[len(knobs) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(findings.metric.label)
    handles = {
        label: artist for axes in panels.flat for artist, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_slice(axes: Axes, findings: Findings, knob: Knob) -> None:
    values = findings.trials[knob.name]
    if knob.numeric:
        _mark_trials(axes, findings, values.where(values > 0) if knob.log else values)
        _set_scale(axes, knob, values)
    else:
        places = {choice: place for place, choice in enumerate(knob.choices)}
        _mark_trials(axes, findings, values.map(places).astype(float) + 0.18 * jitter(values))
        _draw_medians(axes, findings, values, places)
        axes.set_xticks(range(len(places)), [choice.replace("_", "\n") for choice in places])
        axes.set_xlim(-0.6, len(places) - 0.4)
    axes.set_title(knob.name.replace("_", " "), fontsize=10)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    style(axes)


def _set_scale(axes: Axes, knob: Knob, values: pd.Series) -> None:
    low, high = find_range(knob, values)
    ticks = find_ticks(knob, values)
    axes.set_xscale("log" if knob.log else "linear")
    axes.set_xticks(ticks, [format_tick(number) for number in ticks])
    axes.minorticks_off()
    if high > low:
        margin = (high / low) ** 0.05 if knob.log else 0.05 * (high - low)
        axes.set_xlim(*((low / margin, high * margin) if knob.log else (low - margin, high + margin)))


def _draw_medians(axes: Axes, findings: Findings, values: pd.Series, places: dict[str, int]) -> None:
    for choice, scores in findings.done.groupby(values)["score"]:
        if choice in places and len(scores) > 2:
            median = findings.metric.factor * scores.median()
            axes.hlines(median, places[choice] - 0.32, places[choice] + 0.32, color=INK, linewidth=1.4, zorder=4)


def _mark_trials(axes: Axes, findings: Findings, x: pd.Series) -> None:
    """Mark every trial at its x and its score; failed trials at the bottom."""
    done, special = findings.done, {"best": findings.best, "base config": findings.base}
    rows: dict[str, Any] = {label: [row.name] for label, row in special.items() if row is not None}
    if rows.get("best") == rows.get("base config"):
        rows.pop("base config", None)
    rows["trials"] = done.index.difference([index for some in rows.values() for index in some])
    for label, some in rows.items():
        if len(some):
            axes.scatter(x[some], findings.metric.factor * done.loc[some, "score"], label=label, **MARKERS[label])
    failed = x[findings.trials["status"] == "failed"]
    if len(failed):
        axes.margins(y=0.09)
        bottom = axes.get_xaxis_transform()
        axes.scatter(failed, np.full(len(failed), 0.03), transform=bottom, label="failed", **MARKERS["failed"])


def draw_importance(importance: Importance) -> Figure:
    """The drop in R2 without each knob, the largest on top."""
    drops = pd.Series(importance.drops).sort_values()
    figure, axes = one_panel(0.9 + 0.3 * len(drops))
    axes.barh([name.replace("_", " ") for name in drops.index], drops, color=HUE, alpha=0.85, height=0.62)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel("drop in R\u00b2 when the knob is shuffled")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def draw_combinations(findings: Findings) -> Figure:
    """Left: mean and range of each combination's curves over the seeds. Right: the scores of each seed as a line."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    curves, pairs = figure.subplots(1, 2)
    factor, table = findings.metric.factor, scores_by_seed(findings.done)
    for colour, (techniques, name) in zip(LINES, COMBINATIONS.items(), strict=False):
        rows = findings.done[(findings.done[[*TECHNIQUES]] == [*techniques]).all(axis=1)]
        some = pd.DataFrame({trial: findings.curves[trial] for trial in rows["trial"] if trial in findings.curves})
        some = findings.curve_metric.factor * some.dropna()
        if len(some):
            curves.plot(some.index, some.mean(axis=1), ".-", color=colour, label=name)
            curves.fill_between(some.index, some.min(axis=1), some.max(axis=1), color=colour, alpha=0.15, linewidth=0)
    looks: dict[str, Any] = {"color": MUTED, "linewidth": 0.9, "markersize": 7, "alpha": 0.8, "zorder": 2}
    for seed, row in (factor * table).iterrows():
        pairs.plot(range(4), row, ".-", label=f"seed {seed:.0f}", **looks)
    for place, (colour, mean) in enumerate(zip(LINES, factor * table.mean(), strict=False)):
        pairs.hlines(mean, place - 0.25, place + 0.25, color=colour, linewidth=3, zorder=3)
    curves.set(xlabel="epoch", ylabel=findings.curve_metric.label, title="mean and range over the seeds")
    label_integers(curves)
    if curves.lines:
        curves.legend(frameon=False, fontsize=9)
    pairs.set(ylabel=findings.metric.label, title="scores: a line per seed, bars are means", xlim=(-0.5, 3.5))
    pairs.set_xticks(range(4), [name.replace(" ", "\n") for name in COMBINATIONS.values()])
    for axes in (curves, pairs):
        style(axes)
    return figure
