"""What a run minimises, and how: losses, metrics and the optimizer that a config names."""

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
    model: keras.Model, config: Config, heads: Collection[str], class_masses: np.ndarray, steps: int
) -> None:
    """Give the model its precision, its optimizer, its losses, and metrics for the heads that have labels.

    `class_masses` (8,) counts the classes that an epoch draws, `steps` its batches.
    """
    kernels.fuse(model)
    precision.lower(model, config.precision)
    model.compile(
        optimizer=make_optimizer(model, config, steps),
        loss=head_losses(config, class_masses),
        loss_weights={"expression": config.expression_loss_weight, **dict.fromkeys(AFFECT, 1.0)},
        weighted_metrics={head: _metrics(head) if head in heads else [] for head in model.output},
        # On CPUs XLA takes 145 s to compile this network and then 5 times as long a step.
        jit_compile="auto" if keras.backend.backend() == "jax" or _has_gpu() else False,
    )


def head_losses(config: Config, class_masses: np.ndarray) -> dict[str, keras.losses.Loss]:
    """Return the loss of each head; `class_masses` (8,) counts the classes that an epoch draws."""
    gamma = config.focal_gamma if config.expression_loss == "focal" else 0.0
    alpha = losses.class_weights(class_masses, config.class_weights) if class_masses.any() else None
    affect = {"rmse": losses.RootMeanSquaredError, "mse": losses.MeanSquaredError, "ccc": losses.ConcordanceLoss}
    return {"expression": losses.Focal(alpha, gamma), **{name: affect[config.affect_loss]() for name in AFFECT}}


def _metrics(head: str) -> list[keras.metrics.Metric]:
    if head == "expression":
        return [metrics.Accuracy(), metrics.UnweightedAverageRecall()]
    return [metrics.ConcordanceCorrelation(), metrics.RootMeanSquaredError()]


def _has_gpu() -> bool:
    return bool(keras.distribution.list_devices("gpu"))


def make_optimizer(model: keras.Model, config: Config, steps: int) -> LayerwiseAdamW:
    """Return AdamW under the config's schedule, with its rate for each layer; `steps` are the batches of an epoch."""
    accumulated = config.gradient_accumulation_steps
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
        _multipliers(model, config),
        weight_decay=config.weight_decay,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
        use_ema=config.weight_averaging > 0,
        ema_momentum=config.weight_averaging,
    )


def _multipliers(model: keras.Model, config: Config) -> dict[str, float]:
    factor = config.layer_decay if config.discriminative_rates == "on" else 1.0
    return layer_multipliers(layer_groups(model), config.learning_rate, factor, config.min_layer_rate)
