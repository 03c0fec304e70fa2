"""A `.tflite` file in LiteRT, which needs nothing of TensorFlow."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from ai_edge_litert.interpreter import Interpreter, SignatureRunner

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.runtimes.runtime import Runtime

SIGNATURE = "serving_default"
INTERPRETERS = 4
"""How many there are at most: each has its own copy of the weights in memory, 30 to 60 MB of EfficientNet-B1."""


class TFLiteFile(Runtime):
    """Interpreters of one thread each that share a batch, and one of all threads for a face alone.

    One interpreter has one set of tensors, and a second thread of it waits spinning while others decode and detect: on
    two cores a face of 240 pixels takes 22 ms on one thread and 12 on two, and two side by side give 11 a face.
    """

    # On one thread, a face of EfficientNet-B1 at 240 pixels: 21.8 ms alone, 22.3 by 2, 24.4 by 4, 31 by 32; at 48
    # pixels 1.85, 1.68, 1.39 and 1.04.
    pixels_at_once = 4 * 240**2

    def __init__(self, path: Path, contract: Contract) -> None:
        super().__init__(path, contract)
        self._count = min(INTERPRETERS, os.cpu_count() or 1)
        runners = [self._runner(threads=1) for _ in range(self._count)]
        (self._image,) = runners[0].get_input_details().values()
        self._free: SimpleQueue[SignatureRunner] = SimpleQueue()
        for runner in runners:
            self._free.put(runner)
        self._pool = ThreadPoolExecutor(self._count)

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        parts = np.array_split(pictures, min(self._count, len(pictures)))
        outputs = [self._run_part(self._alone, pictures)] if len(parts) == 1 else self._pool.map(self._run_free, parts)
        outputs = list(outputs)
        return {name: np.concatenate([part[name] for part in outputs]) for name in outputs[0]}

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        return tuple(None if side < 0 else int(side) for side in self._image["shape_signature"])

    @cached_property
    def _alone(self) -> SimpleQueue[SignatureRunner]:
        alone: SimpleQueue[SignatureRunner] = SimpleQueue()
        alone.put(self._runner(threads=os.cpu_count() or 1))
        return alone

    def _run_free(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        return self._run_part(self._free, pictures)

    def _run_part(self, free: SimpleQueue[SignatureRunner], pictures: np.ndarray) -> dict[str, np.ndarray]:
        runner = free.get()  # waits while other threads have them all
        try:
            return runner(image=np.ascontiguousarray(pictures))
        finally:
            free.put(runner)

    def _runner(self, threads: int) -> SignatureRunner:
        try:
            return Interpreter(str(self.path), num_threads=threads).get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"{self.path} could not be loaded as TFLite: {error}") from error
