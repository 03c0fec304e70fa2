"""Time-stamped ratings, and the value at a frame.

People rate a clip while it plays, so each leaves a trace: times and values, at a step of their own and with ends of
their own. A frame takes the rating at its time, or `annotation_delay` later, because raters lag behind what they see.

Between two ratings the value is interpolated; outside of a trace there is none, and none in a hole of more than half a
second. Raters are averaged over what exists at a time. What was wrong with a file and survived is in a trace's notes.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfrecords_builders.base import Face, Frame, Note, Skip
from tfrecords_builders.tables import number, rows

GAP_SECONDS = 0.5  # the widest hole between two ratings that is bridged
SLACK = 0.05  # a rating this far outside of [-1, 1] is rounding or a joystick's play; further out it is wrong
STRAY_SHARE = 0.01  # of a file's ratings may be wrong; more are another unit
LONGEST_SECONDS = 24 * 3600.0  # times beyond are milliseconds or frame numbers
MICROSECOND = 1e-6  # what two ways to write one time may differ by
VIDEO = (".mp4", ".avi", ".mkv", ".mov", ".mpg", ".mpeg", ".wmv")


@dataclass(frozen=True, eq=False)
class Trace:
    """Ratings over time: ascending `seconds` and `values`, float64 of shape (samples,); NaN = not rated then."""

    seconds: np.ndarray
    values: np.ndarray
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, samples: Iterable[tuple[float | None, float | None]]) -> Trace:
        """Make a trace of (time, value) pairs: without those of no time, in order, and with one value at a time."""
        pairs = [(time, np.nan if value is None else value) for time, value in samples if time is not None]
        given, values = np.array(pairs, float).reshape(-1, 2).T
        seconds, place = np.unique(given, return_inverse=True)
        notes = []
        if (np.diff(given) < 0).any():
            notes.append(Note("ratings out of the order of time: sorted"))
        if len(seconds) < len(given):
            notes.append(Note("several ratings at one time: averaged"))
        known = ~np.isnan(values)
        counts = np.bincount(place[known], minlength=len(seconds))
        sums = np.bincount(place[known], values[known], minlength=len(seconds))
        return cls(seconds, _ratio(sums, counts), tuple(notes))

    def __bool__(self) -> bool:
        """Whether there is a rating at all."""
        return bool(np.isfinite(self.values).any())

    @property
    def step(self) -> float:
        """The usual time between two samples in seconds; 0 when there are less than two."""
        return float(np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else 0.0

    def at(self, seconds: np.ndarray | float) -> np.ndarray:
        """Return the value at each of some times, NaN where there is none.

        It is interpolated linearly between neighbours no more than GAP_SECONDS (or one and a half steps, where steps
        are longer) apart. Beyond the ends, and in wider holes, the nearest rating counts for half a step.
        """
        seconds = np.asarray(seconds, float)
        known = ~np.isnan(self.values)
        times, values = self.seconds[known], self.values[known]
        if not len(times):
            return np.full(seconds.shape, np.nan)
        after = np.searchsorted(times, seconds)
        before, after = np.maximum(after - 1, 0), np.minimum(after, len(times) - 1)
        nearest = np.where(np.abs(seconds - times[before]) <= np.abs(times[after] - seconds), before, after)
        apart = times[after] - times[before]
        bridged = (times[0] <= seconds) & (seconds <= times[-1]) & (apart <= max(GAP_SECONDS, 1.5 * self.step))
        close = np.abs(seconds - times[nearest]) <= self.step / 2 + MICROSECOND
        alone = np.where(close, values[nearest], np.nan)
        return np.where(bridged, np.interp(seconds, times, values), alone)


def mean(raters: Sequence[Trace]) -> Trace:
    """Return the mean of the raters at every time at which one of them has a sample."""
    seconds, ratings = _together(raters)
    return Trace(seconds, _mean(ratings, axis=1), _notes(raters))


def ccc_centred(raters: Sequence[Trace]) -> Trace:
    """Return the gold standard of AVEC 2018 (Ringeval et al., 2018): the mean, moved to where reliable raters put it.

    At every time the mean of the raters, minus the mean of all ratings, plus the mean of the raters' own means weighted
    by their agreement: a rater's mean concordance correlation (CCC) with each other rater.
    """
    seconds, ratings = _together(raters)
    weights = _agreement(ratings)
    if not weights.sum() > 0:
        return replace(mean(raters), notes=(*_notes(raters), Note("raters do not agree at all: plain mean")))
    centre = weights @ _mean(ratings, axis=0) / weights.sum()
    values = np.round(_mean(ratings, axis=1) - _mean(ratings) + centre, 6)
    beyond = (Note("gold standard outside of [-1, 1]: clipped"),) if (np.abs(values) > 1).any() else ()
    return Trace(seconds, np.clip(values, -1, 1), (*_notes(raters), *beyond))


def checked(trace: Trace, path: Path) -> Trace:
    """Return a trace with every rating in [-1, 1]: those up to SLACK outside are clipped, others dropped, both noted.

    Raises UsageError for a file that seems to be in another unit.
    """
    if len(trace.seconds) and np.abs(trace.seconds).max() > LONGEST_SECONDS:
        raise UsageError(f"{path} has times up to {np.abs(trace.seconds).max():g}; they must be seconds.")
    size = np.abs(trace.values)
    stray, notes = size > 1 + SLACK, []
    if stray.sum() > max(1, STRAY_SHARE * np.isfinite(size).sum()):
        raise UsageError(
            f"{path} has {stray.sum():,} ratings outside of [-1, 1], up to {np.nanmax(size):g}. "
            "Scale the ratings of the corpus to [-1, 1], or mend the file."
        )
    if stray.any():
        notes.append(Note(f"rating outside of [-1, 1] by more than {SLACK:g}: dropped"))
    if ((size > 1) & ~stray).any():
        notes.append(Note(f"ratings outside of [-1, 1] by up to {SLACK:g}: clipped"))
    values = np.where(stray, np.nan, np.clip(trace.values, -1, 1))
    return Trace(trace.seconds, values, (*trace.notes, *notes))


def read_table(
    path: Path, required: Sequence[str] = (), header: Sequence[str] = (), time: str = "time"
) -> dict[str, Trace]:
    """Return a trace for each column of a table but the times, by its name in small letters.

    The times are the column whose name begins with `time`. `header` names the columns of tables without one. Raises
    UsageError for a table without times or a `required` column; one without rows has no traces.
    """
    table = [{name.lower(): cell for name, cell in row.items()} for row in rows(path, header=header)]
    if not table:
        return {}
    names = list(max(table, key=len))
    time = next((name for name in names if name.startswith(time)), time)
    if missing := {time, *required} - set(names):
        raise UsageError(f"{path} lacks the columns {sorted(missing)}. Received: {names}.")
    times = [number(row.get(time)) for row in table]
    return {
        name: Trace.of(zip(times, (number(row.get(name)) for row in table), strict=True))
        for name in names
        if name and name != time
    }


def read_pairs(path: Path) -> Trace:
    """Return the trace of a file without header: a time in seconds and a value on every line."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    cells = (line.replace(",", " ").replace(";", " ").split() for line in lines)
    return Trace.of((number(pair[0]), number(pair[1])) for pair in cells if len(pair) > 1)


def read_arff(path: Path) -> dict[str, Trace]:
    """Return the traces of an ARFF file by instance: a text attribute, the attribute of the time, and the last one.

    SciPy's reader refuses text attributes. Raises UsageError for a file without `@data` or an attribute of the time.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.strip().startswith("%")]
    start = next((place for place, line in enumerate(lines) if line.lower().startswith("@data")), None)
    if start is None:
        raise UsageError(f"{path} has no line @data. Received: {lines[:1]}.")
    attributes = [re.match(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(\S+)", line, re.I) for line in lines[:start]]
    kinds = {found[1].strip("'\"").lower(): found[2].lower() for found in attributes if found}
    names = list(kinds)
    time = next((name for name in names if "time" in name), None)
    if time in (None, names[-1]):
        raise UsageError(f"{path} lacks an attribute of the time, or of the rating after it. Received: {names}.")
    instance = next((name for name, kind in kinds.items() if kind == "string"), "")
    samples = defaultdict(list)
    for line in lines[start + 1 :]:
        row = dict(zip(names, (cell.strip().strip("'\"") for cell in line.split(",")), strict=False))
        samples[row.get(instance, "")].append((number(row.get(time)), number(row.get(names[-1]))))
    return {name: Trace.of(pairs) for name, pairs in samples.items()}


def by_stem(folder: Path | None, *suffixes: str) -> dict[str, Path]:
    """Return the files below a folder by name without suffix, in small letters; the shallowest of one name wins.

    Recordings and ratings are joined by the whole name: P6 is the tail of P16.
    """
    walk = os.walk(folder) if folder else ()
    paths = [Path(place, name) for place, _, names in walk for name in names if not name.startswith(".")]
    found = [path for path in paths if path.suffix.lower() in suffixes]
    return {path.stem.lower(): path for path in sorted(found, key=lambda path: (len(path.parts), path), reverse=True)}


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted with their numbers as numbers: P6 before P16."""
    return sorted(names, key=lambda name: [(len(part), part) for part in re.split(r"(?<=\D)(?=\d)", name)])


def check_sampling(frames_per_second: float, annotation_delay: float) -> None:
    """Raise UsageError for options that no video can be sampled with."""
    if not 0 < frames_per_second <= 1000:
        raise UsageError(f"--frames-per-second must be more than 0. Received: {frames_per_second:g}.")
    if not 0 <= annotation_delay <= 60:
        raise UsageError(f"--annotation-delay must be between 0 and 60 seconds. Received: {annotation_delay:g}.")


def rated_frames(
    unit: str,
    video: Path,
    affect: Mapping[str, Trace],
    sampling: tuple[float, float],
    clock: Trace | None = None,
    **facts: object,
) -> Iterator[Face | Skip | Note]:
    """Yield a face for every sampled frame that is rated, in the order of time.

    affect: the traces of "valence" and "arousal"; either may be missing.
    sampling: frames per second, and by how many seconds the ratings lag.
    clock: the time of the ratings (values) at a time of the video (seconds), where the two differ.
    facts: further facts of every face.

    Frames are taken at k / frames per second from where the ratings begin and before they end: the last of RECOLA's
    7,501 ratings is not of a frame but at the end of the last of 7,500.
    """
    rated = {name: trace for name, trace in affect.items() if trace}
    yield from _notes(list(affect.values()))
    if not rated:
        yield Skip("recording without ratings")
        return
    if len(rated) == 1:
        yield Note(f"recording with ratings of {next(iter(rated))} only")
    shown, times = _sampled(list(rated.values()), *sampling, clock)
    values = {name: trace.at(times) for name, trace in rated.items()}
    holes = 0
    for place, seconds in enumerate(shown.tolist()):
        labels = {name: round(float(value[place]), 6) for name, value in values.items() if not np.isnan(value[place])}
        holes += not labels
        if labels:
            key = f"{unit}_{round(seconds * 1000):07d}"
            yield Face(key=key, image=Frame(video, seconds), detect=True, **labels, **facts)
    if holes:
        yield Note("recording with a hole in its ratings: its frames left out")
    if holes == len(shown):
        yield Skip("recording of which no sampled frame is rated")


def _sampled(rated: Sequence[Trace], rate: float, delay: float, clock: Trace | None) -> tuple[np.ndarray, np.ndarray]:
    """The times of a video at which frames are taken, and the times of their ratings."""
    begin = min(trace.seconds[0] - trace.step / 2 for trace in rated) - MICROSECOND
    end = max(trace.seconds[-1] for trace in rated) - MICROSECOND
    last = end - delay if clock is None else clock.seconds[-1]
    shown = np.arange(max(0, int(last * rate) + 1)) / rate
    times = (shown if clock is None else clock.at(shown)) + delay
    within = (begin <= times) & (times < end)
    return shown[within], times[within]


def _together(raters: Sequence[Trace]) -> tuple[np.ndarray, np.ndarray]:
    """The samples of raters with any, float64 (samples, raters), at the times of all; NaN where one has none."""
    raters = [trace for trace in raters if trace]
    if not raters:
        return np.empty(0), np.empty((0, 0))
    if all(np.array_equal(trace.seconds, raters[0].seconds) for trace in raters):
        return raters[0].seconds, np.stack([trace.values for trace in raters], axis=1)
    seconds = np.unique(np.round(np.concatenate([trace.seconds for trace in raters]), 4))
    return seconds, np.stack([trace.at(seconds) for trace in raters], axis=1)


def _agreement(ratings: np.ndarray) -> np.ndarray:
    """The mean CCC of each rater with each other; 0 where it is not defined."""
    raters = range(ratings.shape[1])
    with_others = ([_ccc(ratings[:, one], ratings[:, other]) for other in raters if other != one] for one in raters)
    return np.array([np.nan_to_num(_mean(np.array(with_each, float))) for with_each in with_others], float)


def _ccc(one: np.ndarray, other: np.ndarray) -> float:
    """Lin's concordance correlation over the times that both rated, NaN for two equal constants."""
    both = ~np.isnan(one + other)
    if both.sum() < 2:
        return np.nan
    (one, away), (other, other_away) = ((x[both], x[both] - x[both].mean()) for x in (one, other))
    total = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return 2 * (away * other_away).mean() / total if total > 0 else np.nan


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """NumPy's nanmean without its warning: NaN where there is nothing to average."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis), known.sum(axis))


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=np.asarray(counts) > 0)


def _notes(traces: Sequence[Trace]) -> tuple[Note, ...]:
    return tuple(dict.fromkeys(note for trace in traces for note in trace.notes))
