"""A SavedModel in TensorFlow, without Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.runtimes.runtime import Runtime

SIGNATURE = "serving_default"


class SavedModel(Runtime):
    """The default signature of a SavedModel."""

    # Milliseconds a face, B1 at 240 pixels, 2 cores, by batch size: 1: 38, 4: 21.3, 8: 21.1, 16: 22.6, 32: 25.8.
    pixels_at_once = 8 * 240**2

    def __init__(self, path: Path, contract: Contract) -> None:
        super().__init__(path, contract)
        try:
            self._model = tf.saved_model.load(str(path))  # the model owns its functions, so keep it
            self._function = self._model.signatures[SIGNATURE]
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{path} could not be loaded as SavedModel: {error}") from error

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        return {name: values.numpy() for name, values in self._function(image=tf.constant(pictures)).items()}

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        return tuple(self._function.structured_input_signature[1]["image"].shape)
