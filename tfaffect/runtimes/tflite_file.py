"""A `.tflite` file in LiteRT, which needs nothing of TensorFlow."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.runtimes.runtime import Runtime

SIGNATURE = "serving_default"


class TFLiteFile(Runtime):
    """An interpreter; calls of several threads wait for each other, since it has one set of tensors."""

    # EfficientNet-B1 at 240 pixels, two threads, a face: 12.1 ms alone, 11.8 by 4, 13.6 by 8, 17.1 by 32;
    # at 48 pixels 1.24, 0.79, 0.67 and 0.55.
    pixels_at_once = 4 * 240**2

    def __init__(self, path: Path, contract: Contract) -> None:
        super().__init__(path, contract)
        try:
            self._interpreter = Interpreter(str(path), num_threads=os.cpu_count() or 1)
            self._runner = self._interpreter.get_signature_runner(SIGNATURE)
            (self._image,) = self._runner.get_input_details().values()
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"{path} could not be loaded as TFLite: {error}") from error
        self._lock = threading.Lock()

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        with self._lock:
            return self._runner(image=pictures)

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        return tuple(None if side < 0 else int(side) for side in self._image["shape_signature"])
