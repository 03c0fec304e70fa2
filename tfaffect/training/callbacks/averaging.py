"""Averaged weights where a model is judged and saved, the weights themselves where it learns."""

from __future__ import annotations

import keras
from keras import ops


class AveragedWeights(keras.callbacks.Callback):
    """Puts the optimizer's moving averages in the place of the weights when validation begins.

    They stay until `back`, a callback of its own that comes after all that score or save the model, and before the
    checkpoint, takes them out. Keras's SwapEMAWeights cannot leave them in for a callback in between: with
    `swap_on_epoch` it gives the averages up at the end. BatchNorm's running statistics are those of the weights
    themselves, which the averages come close to while the rate falls. Polyak and Juditsky, Acceleration of Stochastic
    Approximation by Averaging, 1992.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.back = keras.callbacks.LambdaCallback(on_epoch_end=self._take_out)

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Put the averages in."""
        if not self.inside:
            self._swap()

    def _take_out(self, epoch: int, logs: dict | None = None) -> None:
        if self.inside:
            self._swap()

    def _swap(self) -> None:
        optimizer = self.model.optimizer
        pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
        for weight, average in pairs:
            value = ops.convert_to_numpy(weight)
            weight.assign(ops.convert_to_numpy(average))
            average.assign(value)
        self.inside = not self.inside
