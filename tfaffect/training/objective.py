"""The losses, metrics and optimizer of a config."""

from __future__ import annotations

from collections.abc import Collection

import keras
import numpy as np

from tfaffect.config import Config
from tfaffect.labels import AFFECT
from tfaffect.networks import kernels, precision
from tfaffect.networks.model import layer_groups
from tfaffect.training import losses, metrics
from tfaffect.training.optimizer import LayerwiseAdamW, layer_multipliers
from tfaffect.training.schedule import WarmupCosine


def compile_model(
    model: keras.Model, config: Config, heads: Collection[str], class_counts: np.ndarray, steps: int
) -> None:
    """Compile the model with precision, optimizer and losses of the config, and metrics for the labelled `heads`.

    `class_counts` (8,) counts the faces of each class in an epoch, `steps` its batches.
    """
    kernels.fuse(model)
    precision.set_precision(model, config.precision)
    model.compile(
        optimizer=make_optimizer(model, config, steps),
        loss=head_losses(config, class_counts),
        loss_weights={"expression": config.expression_loss_weight, **dict.fromkeys(AFFECT, 1.0)},
        weighted_metrics={head: _metrics(head) if head in heads else [] for head in model.output},
        # On CPUs XLA takes 145 s to compile this network, and each step then takes 5 times as long.
        jit_compile="auto" if keras.backend.backend() == "jax" or keras.distribution.list_devices("gpu") else False,
    )


def head_losses(config: Config, class_counts: np.ndarray) -> dict[str, keras.losses.Loss]:
    """Return the loss of each head; `class_counts` (8,) counts the faces of each class in an epoch."""
    gamma = config.focal_gamma if config.expression_loss == "focal" else 0.0
    alpha = losses.class_weights(class_counts, config.class_weights) if class_counts.any() else None
    affect = {"rmse": losses.RootMeanSquaredError, "mse": losses.MeanSquaredError, "ccc": losses.ConcordanceLoss}
    return {"expression": losses.Focal(alpha, gamma), **{name: affect[config.affect_loss]() for name in AFFECT}}


def _metrics(head: str) -> list[keras.metrics.Metric]:
    if head == "expression":
        return [metrics.Accuracy(), metrics.UnweightedAverageRecall()]
    return [metrics.ConcordanceCorrelation(), metrics.RootMeanSquaredError()]


def make_optimizer(model: keras.Model, config: Config, steps: int) -> LayerwiseAdamW:
    """Return AdamW with the config's schedule and layer-wise rates; `steps` is the number of batches in an epoch."""
    accumulated = config.gradient_accumulation_steps
    factor = config.layer_decay if config.discriminative_rates == "on" else 1.0
    schedule = WarmupCosine(
        config.learning_rate,
        config.min_learning_rate,
        config.warmup_learning_rate,
        config.warmup_steps,
        config.annealing_period,
        steps // accumulated,
    )
    return LayerwiseAdamW(
        schedule,
        layer_multipliers(layer_groups(model), config.learning_rate, factor, config.min_layer_rate),
        weight_decay=config.weight_decay,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
        use_ema=config.weight_averaging > 0,
        ema_momentum=config.weight_averaging,
    )
