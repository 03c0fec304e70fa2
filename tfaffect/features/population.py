"""Class probabilities for another population: at once if its class shares are known, else after the last face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from tfaffect.contract import Contract
from tfaffect.features.sample import Prior
from tfaffect.features.tables import PROBABILITIES
from tfaffect.labels import CLASSES
from tfaffect.runtimes.runtime import Outputs, Runtime
from tfaffect.scoring import priors


class Rows(Protocol):
    """The rows of a table, batch by batch, as often as they are asked for."""

    def batches(self) -> Iterable[pa.RecordBatch]:
        """Yield all rows in order."""


def for_population(network: Runtime, prior: Prior | None) -> Callable[[np.ndarray], Outputs]:
    """Return the network with its class probabilities turned to known class shares, see `scoring.priors.reweigh`.

    Without shares, or where they are to be estimated from all faces, it is the network itself.
    """
    if prior is None or prior == priors.ESTIMATE:
        return network
    answers, target = priors.answer_shares(network.contract), np.array(prior, float)

    def answer(pictures: np.ndarray) -> Outputs:
        outputs = network(pictures)
        return outputs._replace(expression=priors.reweigh(outputs.expression, answers, target))

    return answer


def estimate(rows: Rows, contract: Contract) -> np.ndarray | None:
    """Return the class shares (8,) that the faces of a table make most likely; None for a table without faces.

    Memory: 200 bytes a face.
    """
    tables = [values for batch in rows.batches() if len(values := _probabilities(batch))]
    probabilities = np.concatenate(tables) if tables else np.empty((0, len(CLASSES)))
    if np.isnan(probabilities).any(axis=1).all():
        return None
    return priors.estimate_shares(probabilities, priors.answer_shares(contract))


@dataclass(frozen=True)
class Turned:
    """Rows whose class probabilities are turned to other class shares, with the class that then is most probable.

    answers: class shares (8,) for which the probabilities of `rows` are right. target: the new ones. abstain: lowest
    probability at which a class is named.
    """

    rows: Rows
    answers: np.ndarray
    target: np.ndarray
    abstain: float

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order."""
        for batch in self.rows.batches():
            turned = priors.reweigh(_probabilities(batch), self.answers, self.target)
            for name, values in zip(PROBABILITIES, turned.T, strict=True):
                batch = _with_column(batch, name, pa.array(values, pa.float32(), from_pandas=True))
            yield _with_column(batch, "expression", pa.array(self._classes(turned), pa.string()))

    def _classes(self, probabilities: np.ndarray) -> list[str | None]:
        tops = probabilities.argmax(axis=1)
        highest = probabilities[np.arange(len(tops)), tops]
        pairs = zip(tops, highest >= self.abstain, strict=True)  # NaN >= x is False
        return [CLASSES[top] if sure else None for top, sure in pairs]


def _probabilities(batch: pa.RecordBatch) -> np.ndarray:
    return np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in PROBABILITIES], axis=1)


def _with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), values)
