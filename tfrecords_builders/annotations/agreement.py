"""How far several raters of the same videos agree."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from tfrecords_builders import traces
from tfrecords_builders.base import Note


def krippendorff_alpha(ratings: np.ndarray) -> float:
    """Return Krippendorff's alpha: 1 for perfect agreement, 0 for agreement by chance, NaN where it is not defined.

    ratings: float (units, raters), NaN where a rater gave none; the distance is that of interval data. With one-hot
    vectors, (units, raters, classes), it is that of nominal data. Units with fewer than two ratings do not count.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011. The package `krippendorff` has a matrix of
    all pairs of distinct values, which ratings of a joystick do not allow.
    """
    values = ratings if ratings.ndim == 3 else ratings[:, :, None]
    known = ~np.isnan(values).any(axis=2)
    paired = known.sum(axis=1) >= 2
    known, values = known[paired], np.where(known[..., None], values, 0)[paired]
    raters = known.sum(axis=1)
    total = raters.sum()
    within = raters * (values**2).sum(axis=(1, 2)) - (values.sum(axis=1) ** 2).sum(axis=1)
    overall = total * (values**2).sum() - (values.sum(axis=(0, 1)) ** 2).sum()
    if not overall > 0:
        return float("nan")
    return float(1 - (total - 1) * (within / (raters - 1)).sum() / overall)


def mean_pairwise_ccc(ratings: np.ndarray) -> float:
    """Return the mean concordance correlation over all pairs of raters, from ratings (times, raters).

    A pair without common ratings, or of two equal constants, does not count. NaN without a pair.
    """
    pairs = [traces.ccc(ratings[:, one], ratings[:, other]) for one, other in combinations(range(ratings.shape[1]), 2)]
    known = [value for value in pairs if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


@dataclass
class Agreement:
    """The ratings of all videos that several people rated, by dimension."""

    ratings: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))

    def add(self, dimension: str, ratings: np.ndarray) -> None:
        """Add the ratings of a video: (times, raters) or one-hot (times, raters, classes); NaN where missing."""
        known = ~np.isnan(ratings).reshape(*ratings.shape[:2], -1).any(axis=2)
        if (known.sum(axis=1) >= 2).any():
            self.ratings[dimension].append(ratings)

    def notes(self) -> Iterator[Note]:
        """Yield a note for each dimension with several raters. CCC is a mean over videos; alpha is of all times."""
        for dimension, videos in sorted(self.ratings.items()):
            most = max(ratings.shape[1] for ratings in videos)
            widths = ([(0, 0), (0, most - part.shape[1]), (0, 0)][: part.ndim] for part in videos)
            padded = [np.pad(part, width, constant_values=np.nan) for part, width in zip(videos, widths, strict=True)]
            figures = [f"Krippendorff's alpha {krippendorff_alpha(np.concatenate(padded)):.3f}"]
            if videos[0].ndim == 2:
                cccs = [value for part in videos if not np.isnan(value := mean_pairwise_ccc(part))]
                figures.insert(0, f"mean pairwise CCC {np.mean(cccs) if cccs else np.nan:.3f}")
            yield Note(f"agreement on {dimension}: {', '.join(figures)}; videos with several raters: {len(videos)}")
