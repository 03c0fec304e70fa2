"""Plots the classes and affect of one video over time with matplotlib, without pyplot and its global state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from tfaffect.features.panel import CLASS_COLOURS
from tfaffect.labels import AFFECT, CLASSES, HEADS

INK, MUTED, FAINT, SHADE = "#1f2430", "#7b8190", "#c5c9d2", "#e6e8ed"
CLASS_HUES = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in CLASS_COLOURS]
AFFECT_HUES = ("#3b4cc0", "#d1603d")
TRACKS = 4  # tracks with the most frames that are plotted
POINTS = 2000  # most points of a line, about two per pixel
GAP = 1.5  # a line is interrupted where there is no frame for more than this many median steps
DOTTED = 100  # with at most this many points, each is also drawn as a dot
TITLE, UNKNOWN = 110, "\N{REPLACEMENT CHARACTER}"  # most characters in a title
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds


class Series(NamedTuple):
    """The points in time of a video. A point is a frame, or the mean of several frames.

    seconds: (m,), ascending. frames: in total. frames_per_point. step: median seconds between points. no_face: (m,),
    true for a point without any face. values: of each track, (m, 10), expression, valence and arousal, NaN without its
    face. counts: frames of each track.
    """

    seconds: np.ndarray
    frames: int
    frames_per_point: int
    step: float
    no_face: np.ndarray
    values: dict[int, np.ndarray]
    counts: dict[int, int]


def draw_timeline(
    title: str,
    seconds: np.ndarray,
    tracks: np.ndarray,
    expression: np.ndarray,
    valence: np.ndarray,
    arousal: np.ndarray,
) -> Figure:
    """Plot class probabilities, valence and arousal of the faces of one video over time.

    Every track has two panels: stacked probabilities, and lines of valence and arousal. They are empty where the track
    has no face, and grey where no track has one. A note names the heads that were never learned, which are left out. At
    most four tracks are plotted, those with the most frames. A longer video than 2,000 frames is plotted as means of
    successive frames. A line has a gap where two points are more than 1.5 median steps apart.

    `seconds` (n,) must ascend; a frame with several faces has several entries. `tracks` (n,) is NaN for a frame without
    a face. The probabilities `expression` (n, 8), and `valence` and `arousal` (n,) in [-1, 1], are NaN without a face,
    or everywhere if they were never learned.
    """
    series = _to_series(np.asarray(seconds), np.asarray(tracks), np.column_stack([expression, valence, arousal]))
    plotted = sorted(sorted(series.counts, key=lambda track: -series.counts[track])[:TRACKS])
    learned = _learned(series)
    kinds = [draw for draw, heads in DRAWN_BY.items() if learned & heads]
    panels = [(track, draw) for track in plotted for draw in kinds]
    heights = [2.2 if draw is _draw_classes else 1.6 for _, draw in panels] or [1.6]
    figure = Figure(figsize=(12, 1.3 + sum(heights)), layout="constrained")
    figure.suptitle(_printable(title), x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)
    all_axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0].tolist()
    for axes, (track, draw) in zip(all_axes, panels, strict=False):
        draw(axes, series, series.values[track])
        if draw is kinds[0]:
            heading = f"track {track}: {_count(series.counts[track], 'frame')}"
            axes.set_title(heading, loc="left", fontsize=10, color=INK)
    if not panels:
        _draw_message(all_axes[0], series)
    for axes in all_axes:
        _shade_no_face(axes, series)
        _style(axes)
    _format_time(all_axes[-1], series)
    _add_legend(figure, series, plotted, learned)
    return figure


def _to_series(seconds: np.ndarray, tracks: np.ndarray, values: np.ndarray) -> Series:
    """Group rows into frames by their time, and average successive frames if there are too many."""
    times, frame = np.unique(seconds, return_inverse=True)
    frames_per_point = max(1, -(-len(times) // POINTS))
    point = np.arange(len(times)) // frames_per_point
    centres = np.bincount(point, times) / np.bincount(point)
    points, has_face = point[frame], ~np.isnan(tracks)
    means, counts = {}, {}
    for track in np.unique(tracks[has_face]).astype(int).tolist():
        rows = tracks == track
        faces = np.bincount(points[rows], minlength=len(centres))[:, None]
        sums = np.stack([np.bincount(points[rows], column, len(centres)) for column in values[rows].T], axis=1)
        means[track] = np.divide(sums, faces, out=np.full(sums.shape, np.nan), where=faces > 0)
        counts[track] = int(rows.sum())
    step = float(np.median(np.diff(centres))) if len(centres) > 1 else 1.0
    no_face = np.bincount(points[has_face], minlength=len(centres)) == 0
    return Series(centres, len(times), frames_per_point, step, no_face, means, counts)


def _learned(series: Series) -> set[str]:
    """Return the heads that have any value."""
    known = np.any([np.isfinite(values).any(axis=0) for values in series.values.values()], axis=0)
    heads = [HEADS[0]] * len(CLASSES) + [*AFFECT]
    return {name for name, is_known in zip(heads, np.broadcast_to(known, len(heads)), strict=True) if is_known}


def _draw_classes(axes: Axes, series: Series, values: np.ndarray) -> None:
    """Stack the probabilities up to 1: eight lines would hide each other."""
    seconds, shares = _insert_gaps(series, values[:, : len(CLASSES)])
    upper, isolated = shares.cumsum(axis=1), _isolated(shares[:, 0])
    lower = upper - shares
    width = max(series.step, np.ptp(series.seconds) / 400)  # an isolated frame is a bar that is wide enough to see
    for index, hue in enumerate(CLASS_HUES):  # with edges, because there would be white lines between the areas
        axes.fill_between(seconds, lower[:, index], upper[:, index], color=hue, linewidth=0.4)
        axes.bar(seconds[isolated], shares[isolated, index], width, lower[isolated, index], color=hue)
    axes.set(ylim=(0, 1), ylabel="probability")


def _draw_affect(axes: Axes, series: Series, values: np.ndarray) -> None:
    seconds, affect = _insert_gaps(series, values[:, len(CLASSES) :])
    axes.axhline(0, color=FAINT, linewidth=1)
    for values, hue in zip(affect.T, AFFECT_HUES, strict=True):
        dots = np.isfinite(values) if len(series.seconds) <= DOTTED else _isolated(values)
        axes.plot(seconds, values, color=hue, linewidth=1.3)
        axes.plot(seconds[dots], values[dots], ".", color=hue, markersize=4)
    axes.set(ylim=(-1.05, 1.05), yticks=(-1, -0.5, 0, 0.5, 1), ylabel="affect")


DRAWN_BY = {_draw_classes: {HEADS[0]}, _draw_affect: {*AFFECT}}
"""The heads that each panel draws, in the order of the panels."""


def _insert_gaps(series: Series, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points and their values (k, columns), with NaN inserted where frames are missing."""
    gaps = np.flatnonzero(np.diff(series.seconds) > GAP * series.step) + 1
    return np.insert(series.seconds, gaps, series.seconds[gaps]), np.insert(values, gaps, np.nan, axis=0)


def _isolated(values: np.ndarray) -> np.ndarray:
    """Return which values are between two NaN: a line does not show them."""
    known = np.pad(np.isfinite(values), 1)
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _draw_message(axes: Axes, series: Series) -> None:
    text = f"no face in {_count(series.frames, 'frame')}"
    if series.counts:
        text = "The model has learned neither classes nor affect."
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=14, color=INK)
    axes.set_yticks([])


def _shade_no_face(axes: Axes, series: Series) -> None:
    changes = np.diff(np.pad(series.no_face.astype(int), 1))
    first, last = series.seconds[changes[:-1] == 1], series.seconds[changes[1:] == -1]
    spans = list(zip(first - series.step / 2, last - first + series.step, strict=True))
    axes.broken_barh(spans, (0, 1), transform=axes.get_xaxis_transform(), color=SHADE, linewidth=0, zorder=0)


def _format_time(axes: Axes, series: Series) -> None:
    """Label the axis in seconds; beyond two minutes in minutes:seconds, beyond one hour with hours."""
    start, end = (series.seconds[0], series.seconds[-1]) if series.frames else (0, 1)
    axes.set_xlim(start - series.step / 2, end + series.step / 2)
    length = end - start + series.step
    axes.xaxis.set_major_locator(MultipleLocator(next((tick for tick in TICKS if length <= 12 * tick), length / 12)))
    if end <= 120:
        axes.set_xlabel("time, seconds", color=INK)
        return
    hours = end >= 3600
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds, hours)))
    axes.set_xlabel("time, hours:minutes:seconds" if hours else "time, minutes:seconds", color=INK)


def _clock(seconds: float, hours: bool) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _add_legend(figure: Figure, series: Series, plotted: list[int], learned: set[str]) -> None:
    """Add the legend, in the order of the stack, and notes on what is not plotted."""
    classes = [Patch(color=hue, label=name) for name, hue in zip(CLASSES, CLASS_HUES, strict=True)]
    lines = [Line2D([], [], color=hue, label=name, linewidth=2) for name, hue in zip(AFFECT, AFFECT_HUES, strict=True)]
    handles: list[Artist] = [*reversed(classes)] if HEADS[0] in learned else []
    handles += [line for line in lines if line.get_label() in learned]
    handles += [Patch(color=SHADE, label="no face")] if series.no_face.any() else []
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9, labelcolor=INK)
    notes = []
    others = [count for track, count in series.counts.items() if track not in plotted]
    if others:
        notes.append(f"{_count(len(others), 'more track')} with {_count(sum(others), 'frame')} not shown.")
    if series.counts and len(learned) < len(HEADS):
        notes.append(f"Never learned: {', '.join(name for name in HEADS if name not in learned)}.")
    if series.frames_per_point > 1:
        notes.append(f"Each point is the mean of {series.frames_per_point} frames.")
    figure.supxlabel("  ".join(notes), x=0.01, ha="left", fontsize=9, color=MUTED)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _printable(title: str) -> str:
    """Return the end of a title, with a mark for characters that matplotlib's font lacks: it would warn or fail."""
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    text = title if len(title) <= TITLE else "…" + title[1 - TITLE :]
    return "".join(letter if letter.isprintable() and ord(letter) in known else UNKNOWN for letter in text)


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(color=MUTED, labelcolor=INK)
