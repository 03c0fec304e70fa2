"""One video's affect over time as a matplotlib picture, without pyplot and its global state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
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
TRACKS = 4  # with more faces, those with most frames
POINTS = 2000  # of a line, about two to a pixel
GAP = 1.5  # median steps without a frame: no line is drawn over more
DOTTED = 100  # up to so many points each is a dot
TITLE, UNKNOWN = 110, "\N{REPLACEMENT CHARACTER}"  # characters that the width takes
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds


class Course(NamedTuple):
    """A video as points in time, each a frame or the mean of several.

    seconds: (m,), ascending. length: frames in all. frames: how many make a point. step: median seconds between points.
    absent: (m,), whether no frame of a point had a face. values: of each track, (m, 10), expression, valence and
    arousal, NaN without its face. counts: frames of each track.
    """

    seconds: np.ndarray
    length: int
    frames: int
    step: float
    absent: np.ndarray
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
    """Draw class probabilities, valence and arousal of the faces of one video over time.

    Two panels a track: the probabilities as shares of 1, the affect as lines; nothing where the track had no face, grey
    where no track had one. A head that was never learned is left out, with a word. At most four tracks, those with most
    frames; at most 2,000 points, from there on means of successive frames. More than 1.5 times the median step from one
    point to the next is a gap.

    Args:
      title: usually the video's name.
      seconds: (n,), ascending; a frame with several faces has several rows.
      tracks: (n,), NaN for a frame without a face.
      expression: probabilities (n, 8); NaN without a face, or everywhere.
      valence: (n,), in [-1, 1]; NaN as in `expression`.
      arousal: the same.
    """
    course = _measure(np.asarray(seconds), np.asarray(tracks), np.column_stack([expression, valence, arousal]))
    shown = sorted(sorted(course.counts, key=lambda track: -course.counts[track])[:TRACKS])
    learned = _learned(course)
    kinds = [draw for draw, heads in DRAWN_BY.items() if learned & heads]
    panels = [(track, draw) for track in shown for draw in kinds]
    heights = [2.2 if draw is _draw_classes else 1.6 for _, draw in panels] or [1.6]
    figure = Figure(figsize=(12, 1.3 + sum(heights)), layout="constrained")
    figure.suptitle(_writable(title), x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)
    all_axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0].tolist()
    for axes, (track, draw) in zip(all_axes, panels, strict=False):
        draw(axes, course, course.values[track])
        if draw is kinds[0]:
            words = f"track {track}: {_count(course.counts[track], 'frame')}"
            axes.set_title(words, loc="left", fontsize=10, color=INK)
    if not panels:
        _draw_nothing(all_axes[0], course)
    for axes in all_axes:
        _shade_absence(axes, course)
        _style(axes)
    _mark_time(all_axes[-1], course)
    _explain(figure, course, shown, learned)
    return figure


def _measure(seconds: np.ndarray, tracks: np.ndarray, values: np.ndarray) -> Course:
    """Tell frames by their time, and average successive ones where there are too many."""
    times, frame = np.unique(seconds, return_inverse=True)
    frames = max(1, -(-len(times) // POINTS))
    point = np.arange(len(times)) // frames
    centres = np.bincount(point, times) / np.bincount(point)
    points, seen = point[frame], ~np.isnan(tracks)
    means, counts = {}, {}
    for track in np.unique(tracks[seen]).astype(int).tolist():
        rows = tracks == track
        faces = np.bincount(points[rows], minlength=len(centres))[:, None]
        sums = np.stack([np.bincount(points[rows], column, len(centres)) for column in values[rows].T], axis=1)
        means[track] = np.divide(sums, faces, out=np.full(sums.shape, np.nan), where=faces > 0)
        counts[track] = int(rows.sum())
    step = float(np.median(np.diff(centres))) if len(centres) > 1 else 1.0
    absent = np.bincount(points[seen], minlength=len(centres)) == 0
    return Course(centres, len(times), frames, step, absent, means, counts)


def _learned(course: Course) -> set[str]:
    """The heads that have a value anywhere."""
    known = np.any([np.isfinite(values).any(axis=0) for values in course.values.values()], axis=0)
    heads = [HEADS[0]] * len(CLASSES) + [*AFFECT]
    return {name for name, is_known in zip(heads, np.broadcast_to(known, len(heads)), strict=True) if is_known}


def _draw_classes(axes: Axes, course: Course, values: np.ndarray) -> None:
    """Shares stacked up to 1: eight lines would hide each other."""
    seconds, shares = _broken(course, values[:, : len(CLASSES)])
    upper, lonely = shares.cumsum(axis=1), _lonely(shares[:, 0])
    lower = upper - shares
    width = max(course.step, np.ptp(course.seconds) / 400)  # of a single frame: a bar that can be seen
    for index, hue in enumerate(CLASS_HUES):
        axes.fill_between(
            seconds, lower[:, index], upper[:, index], color=hue, linewidth=0.4
        )  # without an edge, white shines through
        axes.bar(seconds[lonely], shares[lonely, index], width, lower[lonely, index], color=hue)
    axes.set(ylim=(0, 1), ylabel="probability")


def _draw_affect(axes: Axes, course: Course, values: np.ndarray) -> None:
    seconds, affect = _broken(course, values[:, len(CLASSES) :])
    axes.axhline(0, color=FAINT, linewidth=1)
    for values, hue in zip(affect.T, AFFECT_HUES, strict=True):
        dots = np.isfinite(values) if len(course.seconds) <= DOTTED else _lonely(values)
        axes.plot(seconds, values, color=hue, linewidth=1.3)
        axes.plot(seconds[dots], values[dots], ".", color=hue, markersize=4)
    axes.set(ylim=(-1.05, 1.05), yticks=(-1, -0.5, 0, 0.5, 1), ylabel="affect")


DRAWN_BY = {_draw_classes: {HEADS[0]}, _draw_affect: {*AFFECT}}
"""Which panel shows which heads, from above."""


def _broken(course: Course, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and their values (k, columns), with a NaN wherever frames are missing."""
    holes = np.flatnonzero(np.diff(course.seconds) > GAP * course.step) + 1
    return np.insert(course.seconds, holes, course.seconds[holes]), np.insert(values, holes, np.nan, axis=0)


def _lonely(values: np.ndarray) -> np.ndarray:
    """Whether a value stands between two NaN: no line shows it."""
    known = np.pad(np.isfinite(values), 1)
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _draw_nothing(axes: Axes, course: Course) -> None:
    words = f"no face in {_count(course.length, 'frame')}"
    if course.counts:
        words = "The model has learned neither classes nor affect."
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=14, color=INK)
    axes.set_yticks([])


def _shade_absence(axes: Axes, course: Course) -> None:
    turns = np.diff(np.pad(course.absent.astype(int), 1))
    first, last = course.seconds[turns[:-1] == 1], course.seconds[turns[1:] == -1]
    stretches = np.stack([first - course.step / 2, last - first + course.step], axis=1)
    axes.broken_barh(stretches, (0, 1), transform=axes.get_xaxis_transform(), color=SHADE, linewidth=0, zorder=0)


def _mark_time(axes: Axes, course: Course) -> None:
    """Seconds, or minutes and seconds beyond two minutes, with hours beyond one."""
    start, end = (course.seconds[0], course.seconds[-1]) if course.length else (0, 1)
    axes.set_xlim(start - course.step / 2, end + course.step / 2)
    length = end - start + course.step
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


def _explain(figure: Figure, course: Course, shown: list[int], learned: set[str]) -> None:
    """The legend, in the order of the stack, and what the picture leaves out."""
    classes = [Patch(color=hue, label=name) for name, hue in zip(CLASSES, CLASS_HUES, strict=True)]
    lines = [Line2D([], [], color=hue, label=name, linewidth=2) for name, hue in zip(AFFECT, AFFECT_HUES, strict=True)]
    handles = classes[::-1] if HEADS[0] in learned else []
    handles += [line for line in lines if line.get_label() in learned]
    handles += [Patch(color=SHADE, label="no face")] if course.absent.any() else []
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9, labelcolor=INK)
    notes = []
    others = [count for track, count in course.counts.items() if track not in shown]
    if others:
        notes.append(f"{_count(len(others), 'more track')} with {_count(sum(others), 'frame')} not shown.")
    if course.counts and len(learned) < len(HEADS):
        notes.append(f"Never learned: {', '.join(name for name in HEADS if name not in learned)}.")
    if course.frames > 1:
        notes.append(f"Each point is the mean of {course.frames} frames.")
    figure.supxlabel("  ".join(notes), x=0.01, ha="left", fontsize=9, color=MUTED)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _writable(title: str) -> str:
    """The end of a title, with a mark for what matplotlib's own font does not have: it would warn, or fail."""
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    text = title if len(title) <= TITLE else "…" + title[1 - TITLE :]
    return "".join(letter if letter.isprintable() and ord(letter) in known else UNKNOWN for letter in text)


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(color=MUTED, labelcolor=INK)
