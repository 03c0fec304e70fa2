"""Links the faces of a video into tracks, by the overlap of found boxes with predicted boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfaffect.media.faces import Box

# These values were chosen on simulated paths at 1 to 60 frames per second, with box errors of 3 % of the side or more:
# 684 crossings at 0.5 to 4 sides per second (in a third of them the rear face is missed from an overlap of 0.3 on, in a
# third either face is missed at random), and 296 videos of heads that move, bounce, turn back or come nearer. The
# values below give 6 swapped numbers and 103 new numbers for known people, most of them at 1 and 2 frames per second.
MIN_OVERLAP = 0.1
"""Lowest intersection over union of a found and a predicted box. 0.2 gave 259 new numbers and 0.05 gave 61, but 4 %,
9 % and 12 % of random pairs of faces, as at a cut, overlap by 0.2, 0.1 and 0.05."""

MAX_DEVIATIONS = 10.0
"""Largest distance of a found and a predicted box, in standard deviations of the prediction, which grow with the time
between frames. Of random pairs of faces before and after a cut, 7 instead of 18 % keep their number at 25 frames per
second, 15 instead of 18 % at 5. With 9, a face that moves at 10 sides per second gets new numbers."""

HIDDEN_SECONDS = 1.5
"""Time for which a missed face keeps its number, from the first frame without it. Of 16 pairs of equal size that
crossed at half a side per second each, which hides one for 1.1 s, 14 got a new number with 1 s, none with 1.5 s."""

HANDICAP = 0.1
"""Subtracted from the overlap of a hidden face, because the visible one is more likely where both are predicted. Of 240
pairs of similar size that passed behind each other, 158 had no wrong number without it and 232 with it; 0.15 gave 11
swaps."""

NOISE = 0.04
"""Standard deviation of a detector's box, as a share of its side. 0.02 gave 13 swaps, 0.08 gave 8."""

SPEED = 0.5
"""Standard deviation of a face's speed, in sides per second. 0.25 gave 8 swaps, 1 gave 13."""

DAMPING_SECONDS = 1.0
"""Time constant with which a speed decays. 0.7 gave 14 swaps; 1.5 gave 2, but 132 new numbers."""


class Linker:
    """Gives every face of one video the number of its track, frame by frame.

    A Kalman filter over the centre and the logarithms of width and height predicts each box, as in SORT (Bewley et al.,
    Simple Online and Realtime Tracking, ICIP 2016). Here the speed decays (an Ornstein-Uhlenbeck process), so that one
    model fits steps of any length. Boxes are matched to tracks by overlap, best pair first. The optimal assignment gave
    as many swaps on the same paths.

    Two people who cross keep their numbers if their boxes differ in size, height or speed. A face that moves by more
    than about its own width between two frames gets a new number, as after a cut: use more frames to follow it.
    """

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._next = 0
        self._tracks = _Tracks()

    def link(self, seconds: float, boxes: Sequence[Box]) -> list[int]:
        """Return the track numbers of the next frame's boxes, counted from 0 in order of first appearance.

        `seconds` is the frame's time. If it does not increase, no movement is predicted. Boxes are left, top, right,
        bottom in pixels. A missed track ends after HIDDEN_SECONDS: so pass every frame, also one without faces, with an
        empty sequence.
        """
        elapsed = 0.0 if self._seconds is None else max(0.0, seconds - self._seconds)
        self._seconds = seconds
        tracks, measured = self._tracks, _measure(boxes)
        tracks.predict(elapsed)
        if (gone := tracks.hidden > HIDDEN_SECONDS).any():
            tracks.keep(~gone)
        overlaps = _overlaps(tracks.mean, measured)
        handicap = np.where(np.isnan(tracks.hidden), 0, HANDICAP)
        allowed = (overlaps >= MIN_OVERLAP) & (tracks.deviations(measured) <= MAX_DEVIATIONS)
        rows, found = _best_pairs(overlaps - handicap[:, None], allowed)
        tracks.correct(rows, measured[found])
        numbers = np.full(len(measured), -1)
        numbers[found] = tracks.number[rows]
        new = np.flatnonzero(numbers < 0)
        numbers[new] = np.arange(self._next, self._next + len(new))
        self._next += len(new)
        if len(new):
            tracks.add(numbers[new], measured[new])
        return numbers.tolist()

    def end_tracks(self) -> None:
        """Give every face of the next frame a new number."""
        self._tracks = _Tracks()


class _Tracks:
    """The current tracks, one per row.

    number (n,); mean (n, 4) as from `_measure`; speed (n, 4): its change per second; variance (n, 3): of the mean, of
    mean with speed, and of the speed, in sides of the face and equal for all four; hidden (n,): seconds since the first
    frame without the face, NaN if the last frame has it.
    """

    def __init__(self) -> None:
        self.number = np.empty(0, int)
        self.mean, self.speed = np.empty((0, 4)), np.empty((0, 4))
        self.variance, self.hidden = np.empty((0, 3)), np.empty(0)

    def predict(self, elapsed: float) -> None:
        """Predict every track `elapsed` seconds ahead. The result is exact for a step of any length."""
        decay = np.exp(-elapsed / DAMPING_SECONDS)
        reach = DAMPING_SECONDS * (1 - decay)
        self.mean += reach * self.speed
        self.speed *= decay
        self.hidden += elapsed
        place, both, speed = self.variance.T
        drift = 2 * elapsed / DAMPING_SECONDS - 3 + 4 * decay - decay**2
        self.variance = np.stack(
            [
                place + 2 * reach * both + reach**2 * speed + (SPEED * DAMPING_SECONDS) ** 2 * drift,
                decay * (both + reach * speed) + SPEED**2 * DAMPING_SECONDS * (1 - decay) ** 2,
                decay**2 * speed + SPEED**2 * (1 - decay**2),
            ],
            axis=1,
        )

    def correct(self, rows: np.ndarray, measured: np.ndarray) -> None:
        """Update the tracks in `rows` with their measured boxes; all others are hidden."""
        place, both, speed = self.variance[rows].T
        gain, speed_gain = place / (place + NOISE**2), both / (place + NOISE**2)
        residual = measured - self.mean[rows]
        self.mean[rows] += gain[:, None] * residual
        self.speed[rows] += speed_gain[:, None] * residual
        self.variance[rows] = np.stack([(1 - gain) * place, (1 - gain) * both, speed - speed_gain * both], axis=1)
        self.hidden = np.where(np.isnan(self.hidden), 0, self.hidden)
        self.hidden[rows] = np.nan

    def deviations(self, measured: np.ndarray) -> np.ndarray:
        """Return how far n tracks and m measured boxes are apart (n, m), in standard deviations of the prediction."""
        sides = np.exp(self.mean[:, None, 2:])
        residual = measured[None] - self.mean[:, None]
        residual[..., :2] /= sides
        return np.abs(residual).max(axis=2) / np.sqrt(self.variance[:, :1] + NOISE**2)

    def keep(self, mask: np.ndarray) -> None:
        """Remove all tracks outside a mask."""
        for name, column in vars(self).items():
            setattr(self, name, column[mask])

    def add(self, numbers: np.ndarray, measured: np.ndarray) -> None:
        """Start a track for each number at its measured box."""
        new = {
            "number": numbers,
            "mean": measured,
            "speed": np.zeros_like(measured),
            "variance": np.tile([NOISE**2, 0, SPEED**2], (len(numbers), 1)),
            "hidden": np.full(len(numbers), np.nan),
        }
        for name, rows in new.items():
            setattr(self, name, np.concatenate([getattr(self, name), rows]))


def _measure(boxes: Sequence[Box]) -> np.ndarray:
    """Return boxes as (n, 4): x and y of the centre, logarithms of width and height (at least 1e-6 pixels)."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 1e-6)
    return np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, np.log(sides)])


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union (n, m) of n and m boxes, both as from `_measure`."""
    sides, others = np.exp(first[:, None, 2:]), np.exp(second[None, :, 2:])
    distance = np.abs(first[:, None, :2] - second[None, :, :2])
    shared = np.clip((sides + others) / 2 - distance, 0, np.minimum(sides, others)).prod(2)
    return shared / (sides.prod(2) + others.prod(2) - shared)


def _best_pairs(scores: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns where allowed, the greatest score first, each once. Return the pairs' rows and columns."""
    rows, columns = np.nonzero(allowed)
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for index in np.argsort(-scores[rows, columns], kind="stable"):
        row, column = int(rows[index]), int(columns[index])
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return np.array(list(pairs), int), np.array(list(pairs.values()), int)
