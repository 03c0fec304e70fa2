"""How much of a network is left in a file: what its outputs lose on labelled faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfaffect.labels import AFFECT
from tfaffect.scoring.scores import affect_statistics, measure_affect

Arrays = Mapping[str, np.ndarray]

NEAR = 0.9
"""The cosine from which two embeddings are of one face. Of 3,553 faces of FER+ that a B1 of 64 pixels reads, 4 fall
below in int8, and one reaches 0.96 even in float16: there the network's own squeeze-and-excitation runs away, to ten
times what other faces reach, and a small difference decides whether it does."""


@dataclass(frozen=True)
class Fidelity:
    """What a file loses against its network on the same faces; a loss below 0 is a gain.

    labelled, lost: faces with a class, and how many fewer of them are right; 0 without labels or a trained head.
    changed: share of all faces that get another class. ccc: loss of each dimension that is trained and labelled.
    cosine, worst_cosine: between the embeddings of a face; turned: share of faces with less than `NEAR`. missing: of
    each output that is not NaN, the mean squared difference over the variance among faces, so that a network with
    little to say loses it visibly.
    """

    labelled: int
    lost: int
    changed: float
    ccc: dict[str, float]
    cosine: float
    worst_cosine: float
    turned: float
    missing: dict[str, float]

    @property
    def accuracy(self) -> float:
        """The loss of accuracy, as a share."""
        return self.lost / self.labelled if self.labelled else 0.0

    def losses(self) -> dict[str, float]:
        """Return the figures by name, as far as there are labels for them."""
        found = {"accuracy": self.accuracy, "classes changed": self.changed} if self.labelled else {}
        found |= {f"CCC {name}": loss for name, loss in self.ccc.items()}
        found |= {"embedding cosine": 1 - self.cosine, "embedding cosine, worst face": 1 - self.worst_cosine}
        return found | {f"embeddings with a cosine below {NEAR}": self.turned}


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
        turned=float(np.mean(~(cosines >= NEAR))),
        missing={name: share for name in expected if (share := _missing(expected[name], received[name])) is not None},
    )


def differences(expected: Arrays, received: Arrays) -> dict[str, float]:
    """Return the largest absolute difference of each output that is not NaN."""
    known = [name for name, values in expected.items() if not np.isnan(values).all()]
    return {name: float(np.abs(expected[name] - received[name]).max()) for name in known}


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
    return float(measure_affect(affect_statistics(truth, predicted).sum(axis=1, keepdims=True).T)["ccc"][0])


def _missing(wanted: np.ndarray, found: np.ndarray) -> float | None:
    """Share of the variance; None for a head that was never trained, infinite where it says something all the same."""
    if np.isnan(wanted).all():
        return None if np.isnan(found).all() else float("inf")
    error = float(np.square(found - wanted, dtype=np.float64).mean())
    variance = float(wanted.var(axis=0, dtype=np.float64).mean())
    return error / variance if variance else float("inf")
