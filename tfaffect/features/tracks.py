"""Which face is the same person's as in the frame before: by the overlap of boxes with where faces are expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfaffect.media.faces import Box

# Chosen on made paths at 1 to 60 frames a second, boxes off by 3 % of the side or more: 684 crossings at 0.5 to 4 sides
# a second each, a third with the rear one missed where they overlap by 0.3, a third with either missed by chance; and
# 296 videos of heads that wander, bounce, turn back or come nearer. As below: 6 swaps, and 103 new numbers for people
# who had one, most at 1 and 2 frames a second.
MIN_OVERLAP = 0.1
"""Intersection over union below which a box is not the expected face. 0.2 made 259 new numbers and 0.05 made 61; but of
faces drawn at random, as a cut shows them, 4 %, 9 % and 12 % overlap by 0.2, 0.1 and 0.05."""

HIDDEN_SECONDS = 1.5
"""How long a face may be missed and keep its number, from the first frame without it. Of 16 pairs of one size who cross
at half a side a second each, so that one is hidden for 1.1 s, 14 got a new number with 1 s, none with 1.5 s."""

HANDICAP = 0.1
"""What a hidden face's overlap counts less, because the visible one is likelier where both are expected. Without it 158
of 240 pairs of like sizes passed one behind the other without a wrong number in any frame, with it 232; 0.15 made 11
swaps."""

NOISE = 0.04
"""Standard deviation of a detector's box, as a share of its side. 0.02 made 13 swaps, 0.08 made 8."""

SPEED = 0.5
"""Standard deviation of a face's speed, in sides a second. 0.25 made 8 swaps, 1 made 13."""

DAMPING_SECONDS = 1.0
"""The time over which a speed is forgotten. 0.7 made 14 swaps; 1.5 made 2, but 132 new numbers."""


class Linker:
    """Gives every face of a video, frame by frame, the number of its track: one linker a video.

    A track is expected where its speed, damped, has taken it since it was last seen: a Kalman filter over the centre
    and the logarithms of width and height, much as in SORT (Bewley et al., Simple Online and Realtime Tracking, ICIP
    2016), with a speed that decays (an Ornstein-Uhlenbeck process), so that one model serves steps of every length.
    Boxes go to tracks by overlap, the best pair first; the optimal assignment made as many swaps on the same paths.

    Two people who cross keep their numbers when sizes, heights or speeds tell their boxes apart. A face that moves by
    more than about its own width between two frames gets a new number, as after a cut: sample more often to follow it.
    """

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._next = 0
        self._tracks = _Tracks()

    def link(self, seconds: float, boxes: Sequence[Box]) -> list[int]:
        """Return the track numbers, from 0 in order of first appearance, of the boxes of the next frame.

        `seconds` is the frame's time; where it does not grow, nobody is expected to have moved. Boxes are left, top,
        right, bottom in pixels. A track that was missed in a frame ends HIDDEN_SECONDS later and is forgotten: a frame
        without a face must be told too, as an empty sequence.
        """
        elapsed = 0.0 if self._seconds is None else max(0.0, seconds - self._seconds)
        self._seconds = seconds
        tracks, measured = self._tracks, _measure(boxes)
        tracks.predict(elapsed)
        tracks.keep(~(tracks.hidden > HIDDEN_SECONDS))
        overlaps = _overlaps(tracks.mean, measured)
        handicap = np.where(np.isnan(tracks.hidden), 0, HANDICAP)
        rows, found = _best_pairs(overlaps - handicap[:, None], overlaps >= MIN_OVERLAP)
        tracks.correct(rows, measured[found])
        numbers = np.full(len(measured), -1)
        numbers[found] = tracks.number[rows]
        new = np.flatnonzero(numbers < 0)
        numbers[new] = np.arange(self._next, self._next + len(new))
        self._next += len(new)
        tracks.add(numbers[new], measured[new])
        return numbers.tolist()


class _Tracks:
    """The tracks that go on, a row each.

    number (n,); mean (n, 4) as `_measure` gives it; speed (n, 4) of it a second; variance (n, 3): of the mean, of mean
    with speed and of the speed, in sides of the face and the same for all four; hidden (n,): seconds since the first
    frame without the face, NaN of one that was just seen.
    """

    def __init__(self) -> None:
        self.number = np.empty(0, int)
        self.mean, self.speed = np.empty((0, 4)), np.empty((0, 4))
        self.variance, self.hidden = np.empty((0, 3)), np.empty(0)

    def predict(self, elapsed: float) -> None:
        """Move every track on by `elapsed` seconds, exactly, whatever their number."""
        left = np.exp(-elapsed / DAMPING_SECONDS)
        reach = DAMPING_SECONDS * (1 - left)
        self.mean += reach * self.speed
        self.speed *= left
        self.hidden += elapsed
        place, both, speed = self.variance.T
        drift = 2 * elapsed / DAMPING_SECONDS - 3 + 4 * left - left**2
        self.variance = np.stack(
            [
                place + 2 * reach * both + reach**2 * speed + (SPEED * DAMPING_SECONDS) ** 2 * drift,
                left * (both + reach * speed) + SPEED**2 * DAMPING_SECONDS * (1 - left) ** 2,
                left**2 * speed + SPEED**2 * (1 - left**2),
            ],
            axis=1,
        )

    def correct(self, rows: np.ndarray, measured: np.ndarray) -> None:
        """Let the tracks in `rows` learn where they were found; all others are hidden."""
        place, both, speed = self.variance[rows].T
        gain, speed_gain = place / (place + NOISE**2), both / (place + NOISE**2)
        surprise = measured - self.mean[rows]
        self.mean[rows] += gain[:, None] * surprise
        self.speed[rows] += speed_gain[:, None] * surprise
        self.variance[rows] = np.stack([(1 - gain) * place, (1 - gain) * both, speed - speed_gain * both], axis=1)
        self.hidden = np.where(np.isnan(self.hidden), 0, self.hidden)
        self.hidden[rows] = np.nan

    def keep(self, which: np.ndarray) -> None:
        """Forget all tracks but those of a mask."""
        for name, column in vars(self).items():
            setattr(self, name, column[which])

    def add(self, numbers: np.ndarray, measured: np.ndarray) -> None:
        """Begin a track for each number at the place measured."""
        begun = {
            "number": numbers,
            "mean": measured,
            "speed": np.zeros_like(measured),
            "variance": np.tile([NOISE**2, 0, SPEED**2], (len(numbers), 1)),
            "hidden": np.full(len(numbers), np.nan),
        }
        for name, rows in begun.items():
            setattr(self, name, np.concatenate([getattr(self, name), rows]))


def _measure(boxes: Sequence[Box]) -> np.ndarray:
    """Boxes as (n, 4): x and y of the centre, logarithms of width and height; an empty box is next to nothing wide."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 1e-6)
    return np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, np.log(sides)])


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The intersection over union (n, m) of n with m boxes, both as `_measure` gives them."""
    sides, others = np.exp(first[:, None, 2:]), np.exp(second[None, :, 2:])
    apart = np.abs(first[:, None, :2] - second[None, :, :2])
    shared = np.clip((sides + others) / 2 - apart, 0, np.minimum(sides, others)).prod(2)
    return shared / (sides.prod(2) + others.prod(2) - shared)


def _best_pairs(scores: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns where it is allowed, the greatest score first, each once: their rows and columns."""
    rows, columns = np.nonzero(allowed)
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for at in np.argsort(-scores[rows, columns], kind="stable"):
        row, column = int(rows[at]), int(columns[at])
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return np.array(list(pairs), int), np.array(list(pairs.values()), int)
