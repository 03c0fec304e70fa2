"""Base class of all runtimes: it checks inputs and outputs, and splits faces into batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.media.faces import to_grey


class Outputs(NamedTuple):
    """Outputs of a network for n faces, float32.

    expression: probabilities (n, 8) in the order of `labels.CLASSES`. valence, arousal: (n,) in [-1, 1], NaN when the
    head was never trained. embedding: affective features (n, 256) in [-1, 1].
    """

    expression: np.ndarray
    valence: np.ndarray
    arousal: np.ndarray
    embedding: np.ndarray


class Runtime(ABC):
    """A trained network: call it with face crops. It is thread-safe.

    pixels_at_once: input pixels in the fastest batch; larger batches do not fit the caches of the CPU.
    batch_size: faces in one batch.
    """

    pixels_at_once: int

    def __init__(self, path: Path, contract: Contract) -> None:
        self.path, self.contract = path, contract
        self.batch_size = min(64, max(1, self.pixels_at_once // contract.input_size**2))

    @abstractmethod
    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3), n at least 1, as they are."""

    @abstractmethod
    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""

    def check(self) -> Runtime:
        """Run one face and return itself. Raises UsageError when the contract describes another network."""
        contract = self.contract
        size = contract.input_size
        if tuple(self.input_shape()) != (None, size, size, 3):
            raise UsageError(f"{self.path} takes pictures {self.input_shape()}; its contract says {size}.")
        shapes = {name: values.shape for name, values in self.run(np.zeros((1, size, size, 3), np.uint8)).items()}
        expected = {name: (1, *values.shape[1:]) for name, values in _empty_outputs(contract).items()}
        if shapes != expected:
            raise UsageError(f"{self.path} returns {shapes}; its contract says {expected}.")
        return self

    def __call__(self, pictures: np.ndarray) -> Outputs:
        """Return the outputs of the network for uint8 RGB pictures (n, size, size, 3).

        A network whose contract says `grey` gets them without their colours.
        """
        pictures = to_grey(pictures) if self.contract.colour == "grey" else pictures
        batches = [pictures[first : first + self.batch_size] for first in range(0, len(pictures), self.batch_size)]
        outputs = [_empty_outputs(self.contract), *map(self.run, batches)]
        return Outputs(*(np.concatenate([part[name] for part in outputs]) for name in Outputs._fields))


def _empty_outputs(contract: Contract) -> dict[str, np.ndarray]:
    """Return the outputs for a batch of no faces."""
    widths = {"expression": (len(contract.classes),), "embedding": (contract.embedding_size,)}
    return {name: np.zeros((0, *widths.get(name, ())), np.float32) for name in Outputs._fields}
