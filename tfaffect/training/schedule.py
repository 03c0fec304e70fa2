"""The learning rate over the optimizer's steps."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfaffect")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up over steps, then a cosine that moves once per epoch and climbs back.

    Up to `warmup_steps` the rate grows from `warmup_rate` to `peak_rate`. From then on it follows
    `floor_rate + (peak_rate - floor_rate) * (1 + cos(pi * n / period)) / 2`, where n counts the epochs begun since the
    one in which the warm-up ended: down over `period` epochs, up over the next `period`.
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

    def __call__(self, step):
        """Return the rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        warmup = self.warmup_rate + (self.peak_rate - self.warmup_rate) * step / max(self.warmup_steps, 1)
        epoch = ops.floor_divide(step, self.steps_per_epoch) - self.warmup_steps // self.steps_per_epoch
        wave = (1 + ops.cos(math.pi * epoch / self.period)) / 2
        cosine = self.floor_rate + (self.peak_rate - self.floor_rate) * wave
        return ops.where(step < self.warmup_steps, warmup, cosine)

    def get_config(self) -> dict:
        """Return the arguments, for saving."""
        return dict(vars(self))
