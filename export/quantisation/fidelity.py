"""How much of a network is left in a file: what its outputs lose on labelled faces, and what may be lost at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tfaffect.labels import AFFECT
from tfaffect.scoring.scores import measure_affect

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fidelity:
    """What a file loses against its network on the same faces; a loss below 0 is a gain.

    labelled, lost: faces with a class, and how many fewer of them are right; 0 without labels or a trained head.
    changed: share of all faces that get another class. ccc: loss of each dimension that is trained and labelled.
    cosine, worst_cosine: between the embeddings of a face. missing: of each output that is not NaN, the mean squared
    difference over the variance among faces, so that a network with little to say loses it visibly.
    """

    labelled: int
    lost: int
    changed: float
    ccc: dict[str, float]
    cosine: float
    worst_cosine: float
    missing: dict[str, float]

    @property
    def accuracy(self) -> float:
        """The loss of accuracy, as a share."""
        return self.lost / self.labelled if self.labelled else 0.0

    def losses(self) -> dict[str, float]:
        """Return the figures by name, as far as there are labels for them."""
        found = {"accuracy": self.accuracy, "classes changed": self.changed} if self.labelled else {}
        found |= {f"CCC {name}": loss for name, loss in self.ccc.items()}
        return found | {"embedding cosine": 1 - self.cosine, "embedding cosine, worst face": 1 - self.worst_cosine}


@dataclass(frozen=True)
class Promise:
    """What a file may cost at most, on validation faces.

    megabytes: of the file. accuracy: a share, 0.003 for 0.3 points; a single face is always allowed. ccc: of either
    dimension. cosine: the mean over faces, at least. missing: of the variance of any output.
    """

    megabytes: float
    accuracy: float
    ccc: float
    cosine: float
    missing: float

    def broken(self, size: int, fidelity: Fidelity) -> str | None:
        """Return the first promise that a file of so many bytes does not keep, with both numbers; None if all hold."""
        return next((words for kept, words in self._findings(size, fidelity) if not kept), None)

    def _findings(self, size: int, found: Fidelity) -> Iterator[tuple[bool, str]]:
        """Whether each promise holds; comparisons that NaN fails."""
        yield size <= self.megabytes * 1e6, f"it has {size / 1e6:.1f} MB, more than {self.megabytes:g}"
        points, most = 100 * found.accuracy, 100 * self.accuracy
        yield (
            found.lost <= max(1, self.accuracy * found.labelled),
            f"it loses {points:.2f} points of accuracy ({found.lost} of {found.labelled:,} faces), more than {most:g}",
        )
        for name, loss in found.ccc.items():
            yield loss <= self.ccc, f"it loses {loss:.4f} of {name}'s CCC, more than {self.ccc:g}"
        cosine = f"the mean cosine between embeddings is {found.cosine:.4f}, less than {self.cosine:g}"
        yield found.cosine >= self.cosine, cosine
        for name, share in found.missing.items():
            yield share <= self.missing, f"{share:.3f} of the variance of {name} is missing, more than {self.missing:g}"


def compare(expected: Arrays, received: Arrays, labels: Arrays) -> Fidelity:
    """Return what is lost of the outputs of a network over n faces.

    Both have expression (n, 8), valence and arousal (n,), and embedding (n, 256); NaN where nothing was learned.
    `labels` has expression (n, 8), zeros where there is none, valence and arousal (n,), NaN where there are none.
    """
    truth, wanted, found = (given["expression"] for given in (labels, expected, received))
    labelled = truth.sum(axis=1) > 0 if np.isfinite(wanted).all() else np.zeros(len(truth), bool)
    right = [(given.argmax(axis=1) == truth.argmax(axis=1))[labelled].sum() for given in (wanted, found)]
    cosines = _cosines(expected["embedding"], received["embedding"])
    return Fidelity(
        labelled=int(labelled.sum()),
        lost=int(right[0] - right[1]),
        changed=float(np.mean(wanted.argmax(axis=1) != found.argmax(axis=1))),
        ccc={name: loss for name in AFFECT if (loss := _ccc_loss(name, expected, received, labels)) is not None},
        cosine=float(cosines.mean()),
        worst_cosine=float(cosines.min()),
        missing={name: share for name in expected if (share := _missing(expected[name], received[name])) is not None},
    )


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / lengths


def _ccc_loss(name: str, expected: Arrays, received: Arrays, labels: Arrays) -> float | None:
    known = np.isfinite(labels[name])
    if not known.any() or np.isnan(expected[name]).all():
        return None
    truth = labels[name][known].astype(float)
    before, after = (_ccc(truth, given[name][known].astype(float)) for given in (expected, received))
    return before - after


def _ccc(truth: np.ndarray, predicted: np.ndarray) -> float:
    agrees = np.sign(truth) == np.sign(predicted)
    parts = (truth, predicted, truth**2, predicted**2, truth * predicted, (truth - predicted) ** 2, agrees)
    return float(measure_affect(np.array([[len(truth), *(part.sum() for part in parts)]]))["ccc"][0])


def _missing(wanted: np.ndarray, found: np.ndarray) -> float | None:
    """Share of the variance; None for a head that was never trained, infinite where it says something all the same."""
    if np.isnan(wanted).all():
        return None if np.isnan(found).all() else float("inf")
    error = float(np.square(found - wanted, dtype=np.float64).mean())
    variance = float(wanted.var(axis=0, dtype=np.float64).mean())
    return error / variance if variance else float("inf")
