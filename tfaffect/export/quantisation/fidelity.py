"""How much a file loses against its network on labelled faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfaffect.labels import AFFECT
from tfaffect.scoring.scores import affect_statistics, measure_affect

Arrays = Mapping[str, np.ndarray]

MIN_COSINE = 0.9
"""The smallest cosine between two embeddings that count as equal. In int8, 4 of 3,553 faces of FER+ fall below (B1, 64
pixels); one face reaches only 0.96 even in float16. For these faces the squeeze-and-excitation of the network itself is
unstable: it grows to ten times the usual values, and a small difference decides whether it does."""


@dataclass(frozen=True)
class Fidelity:
    """Losses of a file against its network on the same faces; a negative loss is a gain.

    labelled: faces with a class; 0 without labels or a trained head. lost: how many fewer of them are right.
    changed: share of all faces that get another class. ccc: loss of each dimension that is trained and labelled.
    cosine, worst_cosine: mean and minimum cosine between the two embeddings of a face. dissimilar: share of faces below
    `MIN_COSINE`. unexplained: for each output that is not NaN, the mean squared difference divided by the variance over
    the faces; so a network with little variance cannot hide a loss.
    """

    labelled: int
    lost: int
    changed: float
    ccc: dict[str, float]
    cosine: float
    worst_cosine: float
    dissimilar: float
    unexplained: dict[str, float]

    @property
    def accuracy(self) -> float:
        """Return the loss of accuracy, from 0 to 1."""
        return self.lost / self.labelled if self.labelled else 0.0

    def losses(self) -> dict[str, float]:
        """Return the losses by name, without those that need missing labels."""
        found = {"accuracy": self.accuracy, "classes changed": self.changed} if self.labelled else {}
        found |= {f"CCC {name}": loss for name, loss in self.ccc.items()}
        found |= {"embedding cosine": 1 - self.cosine, "embedding cosine, worst face": 1 - self.worst_cosine}
        return found | {f"embeddings with a cosine below {MIN_COSINE}": self.dissimilar}


def compare(expected: Arrays, received: Arrays, labels: Arrays) -> Fidelity:
    """Return the losses of a file's outputs (received) against its network's (expected) over n faces.

    Outputs: expression (n, 8), valence and arousal (n,), embedding (n, 256); NaN for untrained heads. Labels:
    expression (n, 8), zeros when unknown; valence and arousal (n,), NaN when unknown.
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
        dissimilar=float(np.mean(~(cosines >= MIN_COSINE))),
        unexplained={
            name: share for name in expected if (share := _unexplained(expected[name], received[name])) is not None
        },
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


def _unexplained(wanted: np.ndarray, found: np.ndarray) -> float | None:
    """Return the unexplained share of the variance; None for an untrained head, infinite if it is not NaN."""
    if np.isnan(wanted).all():
        return None if np.isnan(found).all() else float("inf")
    error = float(np.square(found - wanted, dtype=np.float64).mean())
    variance = float(wanted.var(axis=0, dtype=np.float64).mean())
    return error / variance if variance else float("inf")
