"""Averaged weights for validation and saving, the original weights for training."""

from __future__ import annotations

import keras
from keras import ops


class AveragedWeights(keras.callbacks.Callback):
    """Replaces the weights by the optimizer's moving averages when validation starts.

    `swap_back`, a separate callback, puts the weights back. It must come after all callbacks that evaluate or save the
    model, and before the checkpoint. Keras's SwapEMAWeights has no such place in between: with `swap_on_epoch` it loses
    the averages at the end. BatchNorm's running statistics stay those of the original weights, which the averages
    approach as the rate falls. Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.
    """

    def __init__(self) -> None:
        super().__init__()
        self.swapped = False
        self.swap_back = keras.callbacks.LambdaCallback(on_epoch_end=self._swap_back)

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Use the averages."""
        if not self.swapped:
            self._swap()

    def _swap_back(self, epoch: int, logs: dict | None = None) -> None:
        if self.swapped:
            self._swap()

    def _swap(self) -> None:
        optimizer = self.model.optimizer
        pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
        for weight, average in pairs:
            value = ops.convert_to_numpy(weight)
            weight.assign(ops.convert_to_numpy(average))
            average.assign(value)
        self.swapped = not self.swapped
