"""The learning rate schedule, in optimizer steps."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfaffect")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up by steps, then a cosine that changes once per epoch.

    Up to `warmup_steps` the rate grows from `warmup_rate` to `peak_rate`. Then it is
    `floor_rate + (peak_rate - floor_rate) * (1 + cos(pi * n / period)) / 2`, where n is the number of epochs since the
    one in which the warm-up ended. It falls for `period` epochs and rises for the next `period`.
    """

    def __init__(
        self,
        peak_rate: float,
        floor_rate: float,
        warmup_rate: float,
        warmup_steps: int,
        period: int,
        steps_per_epoch: int,
    ) -> None:
        self.peak_rate, self.floor_rate, self.warmup_rate = peak_rate, floor_rate, warmup_rate
        self.warmup_steps, self.period, self.steps_per_epoch = warmup_steps, period, steps_per_epoch

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step; steps count from 0."""
        step = ops.cast(step, "float32")
        warmup = self.warmup_rate + (self.peak_rate - self.warmup_rate) * step / max(self.warmup_steps, 1)
        epoch = ops.floor_divide(step, self.steps_per_epoch) - self.warmup_steps // self.steps_per_epoch
        wave = (1 + ops.cos(math.pi * epoch / self.period)) / 2
        cosine = self.floor_rate + (self.peak_rate - self.floor_rate) * wave
        return ops.where(step < self.warmup_steps, warmup, cosine)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return dict(vars(self))
