"""A parallel coordinates plot: every trial is a line across the axes of all knobs to its score."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfaffect.scoring.palette import HALO, INK, MUTED, SEQUENTIAL
from tfaffect.tuning.axis_scales import UNUSED, find_ticks, format_tick, jitter, scale, scale_choices
from tfaffect.tuning.findings import Findings, Knob

SCORE = Knob("score", "float")


def draw_parallel_coordinates(findings: Findings) -> Figure:
    """A line per trial over the axes of the knobs and the score: darker for a better rank, dashed if it failed.

    An axis reaches from the lowest to the highest value that is allowed or was tried; it is logarithmic if the knob is.
    """
    knobs, trials, done = findings.knobs, findings.trials, findings.done
    figure = Figure(figsize=(float(np.clip(1.05 * (len(knobs) + 1), 7, 12.5)), 4.6), layout="constrained")
    axes = figure.add_subplot()
    heights = pd.DataFrame({knob.name: _heights(knob, trials[knob.name]) for knob in knobs}, trials.index)
    for row in heights[trials["status"] == "failed"].to_numpy():
        axes.plot(row, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
    lines = heights.loc[done.index].assign(score=_heights(SCORE, done["score"])).to_numpy()
    ranks = done["score"].rank(pct=True)
    steepness = float(np.clip(len(done) / 10, 2, 8))  # of many trials only the best are thick
    for line, rank in sorted(zip(lines, ranks, strict=True), key=lambda pair: pair[1]):
        colour = matplotlib.colormaps[SEQUENTIAL](0.12 + 0.75 * rank)
        axes.plot(line, color=colour, alpha=0.4 + 0.6 * rank, linewidth=0.7 + 1.8 * rank**steepness, zorder=2 + rank)
    for place, knob in enumerate(knobs):
        _draw_axis(axes, place, knob.name.replace("_", "\n"), *_ticks(knob, trials[knob.name]))
        if (heights[knob.name] == UNUSED).any():
            axes.text(place, UNUSED - 0.02, "not used", ha="center", va="top", fontsize=7, color=MUTED)
    _draw_axis(axes, len(knobs), findings.metric.label, *_ticks(SCORE, findings.metric.factor * done["score"]))
    axes.set(xlim=(-0.45, len(knobs) + 0.45), ylim=(UNUSED - 0.06, 1.04))
    axes.set_axis_off()
    return figure


def _heights(knob: Knob, values: pd.Series) -> np.ndarray:
    if knob.numeric:
        heights = scale(knob, values, values.to_numpy(float))
    else:
        heights = values.map(scale_choices(knob)).to_numpy(float) + 0.36 / len(knob.choices) * jitter(values)
    return np.where(np.isnan(heights), UNUSED, heights)


def _ticks(knob: Knob, values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """The heights and labels of the ticks on a knob's axis."""
    if knob.numeric:
        numbers = find_ticks(knob, values)
        return scale(knob, values, numbers), [format_tick(number) for number in numbers]
    heights = scale_choices(knob)
    return np.array([*heights.values()]), [choice.replace("_", "\n") for choice in heights]


def _draw_axis(axes: Axes, place: int, title: str, heights: np.ndarray, labels: list[str]) -> None:
    axes.vlines(place, 0, 1, color=INK, linewidth=1, zorder=4)
    axes.text(place, 1.05, title, ha="center", va="bottom", fontsize=8, color=INK)
    axes.hlines(heights, place - 0.03, place + 0.03, color=INK, linewidth=1, zorder=4)
    for height, label in zip(heights, labels, strict=True):
        text = axes.text(place - 0.06, height, label, ha="right", va="center", fontsize=7, color=INK)
        text.set(zorder=5, path_effects=HALO)
