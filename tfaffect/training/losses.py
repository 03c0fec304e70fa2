"""Losses over the existing labels.

Targets are always finite; `sample_weight` is 1 where a label exists and otherwise 0 (see `records.batches.targets`).
Each loss is the mean (or its root) over the labelled faces of a batch. Without labelled faces it is exactly 0, with
zero gradients. Keras's own losses divide by the batch size, so one labelled face of 64 would count 1/64.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfaffect.training.replicas import replicas


@keras.saving.register_keras_serializable("tfaffect.training.losses")
class MaskedLoss(keras.losses.Loss):
    """Weighted mean over a batch; subclasses define `call`, the loss of each face, or `reduce`."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the scalar loss of targets and predictions (batch, ...) with weights (batch,)."""
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        weight = ops.ones_like(y_true[:, 0] if len(y_true.shape) > 1 else y_true)
        weight = weight if sample_weight is None else ops.cast(sample_weight, y_pred.dtype)
        # Replicas sum their gradients, so each loss is divided by their number; Keras shows it multiplied by it again.
        return self.reduce(y_true, y_pred, weight) / replicas()

    def reduce(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        """Reduce a batch to the scalar loss."""
        return masked_mean(self.call(y_true, y_pred), weight)


def masked_mean(values: Any, weight: Any) -> Any:
    """Return the mean of `values` (batch,) under weights of at least 0, or 0 when all of them are 0."""
    total = ops.sum(weight)
    return ops.sum(values * weight) / ops.where(total > 0, total, 1.0)


@keras.saving.register_keras_serializable("tfaffect.training.losses")
class Focal(MaskedLoss):
    """Soft focal loss on logits: sum over classes of target * alpha * (1 - p)^gamma * -log p.

    Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, with a target distribution in place of a class.
    `alpha` (8,) are class weights; None: all 1. gamma 0 gives the weighted cross-entropy. `offsets` (8,) are added to
    the logits, in the loss only (see `logit_offsets`); None: all 0.
    """

    def __init__(
        self,
        alpha: Sequence[float] | None = None,
        gamma: float = 2.0,
        name: str = "focal",
        offsets: Sequence[float] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.alpha = None if alpha is None else [float(weight) for weight in alpha]
        self.offsets = None if offsets is None else [float(offset) for offset in offsets]
        self.gamma = gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the losses (batch,) of distributions (batch, classes) and logits (batch, classes)."""
        logits = y_pred if self.offsets is None else y_pred + ops.convert_to_tensor(self.offsets, y_pred.dtype)
        log_probability = ops.log_softmax(logits, axis=-1)
        focus = (1 - ops.exp(log_probability)) ** self.gamma if self.gamma else 1.0
        target = y_true if self.alpha is None else y_true * ops.convert_to_tensor(self.alpha, y_pred.dtype)
        return -ops.sum(target * focus * log_probability, axis=-1)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "alpha": self.alpha, "gamma": self.gamma, "offsets": self.offsets}


@keras.saving.register_keras_serializable("tfaffect.training.losses")
class MeanSquaredError(MaskedLoss):
    """Mean squared error of valence or arousal (batch,)."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the squared error of each face."""
        return ops.square(y_pred - y_true)


@keras.saving.register_keras_serializable("tfaffect.training.losses")
class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean squared error over a batch."""

    def reduce(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        """Return the root. At an error of 0 its gradient is 0; that of the plain root would be infinite."""
        mean = super().reduce(y_true, y_pred, weight)
        return ops.where(mean > 0, ops.sqrt(ops.where(mean > 0, mean, 1.0)), 0.0)


@keras.saving.register_keras_serializable("tfaffect.training.losses")
class ConcordanceLoss(MaskedLoss):
    """1 - CCC of a batch (Lin 1989) for valence or arousal; 0 if fewer than two faces are labelled."""

    def reduce(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        """Return 1 - 2 cov / (var + var + (mean - mean)^2) over the labelled faces."""
        shift = masked_mean(y_true, weight) - masked_mean(y_pred, weight)
        true, predicted = (values - masked_mean(values, weight) for values in (y_true, y_pred))
        covariance = masked_mean(true * predicted, weight)
        spread = masked_mean(true**2, weight) + masked_mean(predicted**2, weight) + shift**2
        ccc = 2 * covariance / ops.where(spread > 0, spread, 1.0)
        return ops.where(ops.sum(weight) > 1, 1 - ccc, 0.0)


def class_weights(counts: Sequence[float] | np.ndarray, kind: str) -> list[float] | None:
    """Return class weights that sum to 1, or None for `none`; counts (classes,) may be fractional.

    `inverse_frequency`: 1 / count. `effective_number`: (1 - b) / (1 - b^count) with b = 0.9999 (Cui et al., CVPR 2019).
    A class without faces gets weight 0: there is nothing to learn, and 1 / 0 would outweigh all others.
    """
    if kind == "none":
        return None
    beta = 0.9999
    effective = {"inverse_frequency": lambda n: n, "effective_number": lambda n: (1 - beta**n) / (1 - beta)}[kind]
    weights = [1 / effective(count) if count > 0 else 0.0 for count in counts]
    return [weight / sum(weights) for weight in weights]


def logit_offsets(shares: Sequence[float] | np.ndarray, tau: float) -> list[float] | None:
    """Return the offsets tau * log(share) of the logit-adjusted loss for class shares (classes,); None for tau 0.

    Menon et al., Long-Tail Learning via Logit Adjustment, ICLR 2021. The loss adds them to the logits, so that the
    logits themselves need not know which classes are frequent: with tau 1 their softmax is the probability where all
    classes are equally frequent. A class without faces gets 0: its logit falls, as it does without the adjustment.
    """
    if not tau:
        return None
    known = np.where(np.asarray(shares) > 0, shares, 1.0)
    return [float(offset) for offset in tau * np.log(known)]
