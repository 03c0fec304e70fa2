"""What every runtime does alike: checks what goes in and what comes out, and never more faces at once than it bears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfaffect.contract import Contract
from tfaffect.errors import UsageError


class Outputs(NamedTuple):
    """What a network says of n faces, float32.

    expression: probabilities (n, 8) in vocabulary order; valence, arousal: (n,) in [-1, 1], NaN where the network never
    learned them; embedding: affective features (n, 256) in [-1, 1].
    """

    expression: np.ndarray
    valence: np.ndarray
    arousal: np.ndarray
    embedding: np.ndarray


class Runtime(ABC):
    """A trained network: call it with face crops. Safe to call from several threads.

    pixels_at_once: pixels of input up to which a batch gains speed; above, they leave the caches.
    batch_size: faces that go through the network at once.
    """

    pixels_at_once: int

    def __init__(self, path: Path, contract: Contract) -> None:
        self.path, self.contract = path, contract
        self.batch_size = min(64, max(1, self.pixels_at_once // contract.input_size**2))

    @abstractmethod
    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3), n at least 1."""

    @abstractmethod
    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""

    def check(self) -> Runtime:
        """Return itself after one face went through. Raises UsageError when the contract speaks of another network."""
        contract = self.contract
        size = contract.input_size
        if tuple(self.input_shape()) != (None, size, size, 3):
            raise UsageError(f"{self.path} takes pictures {self.input_shape()}; its contract says {size}.")
        shapes = {name: values.shape for name, values in self.run(np.zeros((1, size, size, 3), np.uint8)).items()}
        promised = {"expression": (1, len(contract.classes)), "embedding": (1, contract.embedding_size)}
        promised |= dict.fromkeys(contract.affect, (1,))
        if shapes != promised:
            raise UsageError(f"{self.path} gives {shapes}; its contract says {promised}.")
        return self

    def __call__(self, pictures: np.ndarray) -> Outputs:
        """Return what the network says of uint8 RGB pictures (n, size, size, 3)."""
        batches = [pictures[first : first + self.batch_size] for first in range(0, len(pictures), self.batch_size)]
        outputs = [_nothing(self.contract), *map(self.run, batches)]
        return Outputs(*(np.concatenate([given[name] for given in outputs]) for name in Outputs._fields))


def _nothing(contract: Contract) -> dict[str, np.ndarray]:
    """The outputs of no face, to which others are joined."""
    widths = {"expression": (len(contract.classes),), "embedding": (contract.embedding_size,)}
    return {name: np.zeros((0, *widths.get(name, ())), np.float32) for name in Outputs._fields}
