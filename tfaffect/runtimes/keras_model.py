"""A run folder or its `.keras` file in Keras, under any backend."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfaffect.contract import Contract
from tfaffect.networks.model import predictor
from tfaffect.runtimes.runtime import Runtime


class KerasModel(Runtime):
    """The network of a run, with the outputs that users see."""

    pixels_at_once = 8 * 240**2  # as for a SavedModel

    def __init__(self, path: Path, model: keras.Model, contract: Contract) -> None:
        super().__init__(path, contract)
        self._predictor = predictor(model, contract)
        self._lock = threading.Lock()
        self._call = _traced(self._predictor) if keras.backend.backend() == "tensorflow" else self._predict

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        return {name: np.asarray(values) for name, values in self._call(pictures).items()}

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        return tuple(self._predictor.input_shape)

    def _predict(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Predict under any backend. Each batch size is compiled separately, so every batch is padded to one size."""
        padded = np.zeros((self.batch_size, *pictures.shape[1:]), np.uint8)
        padded[: len(pictures)] = pictures
        with self._lock:  # JAX's trainer donates its buffers during a call
            outputs = self._predictor.predict_on_batch(padded)
        return {name: np.asarray(values)[: len(pictures)] for name, values in outputs.items()}


def _traced(network: keras.Model) -> Any:
    """Return a function traced once for all batch sizes; `predict_on_batch` traces again for the next two sizes."""
    import tensorflow as tf

    image = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8)
    return tf.function(lambda pictures: network(pictures, training=False), input_signature=[image], autograph=False)
