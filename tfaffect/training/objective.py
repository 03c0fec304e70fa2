"""The losses, metrics and optimizer of a config."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import keras
import numpy as np

from tfaffect.config import Config
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.networks import kernels, precision
from tfaffect.networks.model import layer_groups
from tfaffect.records import mixing
from tfaffect.records.prepared import Prepared
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
    expression = losses.Focal(alpha, gamma, offsets=_offsets(class_counts, config))
    return {"expression": expression, **{name: affect[config.affect_loss]() for name in AFFECT}}


def class_shares(corpora: Sequence[Prepared], config: Config) -> dict[str, dict[str, float]] | None:
    """Return the class shares that the contract of a network keeps, by class; None if no face has a class.

    `labels`: the mean of the class distributions that the loss saw. They are those of the training splits, counted as
    often as an epoch uses each corpus, with the teachers' part and the label smoothing. Mixup does not change it.
    `training`: the same. Calibration replaces it, see `tfaffect.calibrate.calibrate`.
    `answers`: the class shares of the population for which the network's probabilities are right. Where the loss is
    lowest, the probability of a class is proportional to weight * label / base ** tau: `label` is the distribution of
    the face, `weight` the class weight, and `base` the share in the logit adjustment. With the focal loss this holds
    only roughly.
    """
    counts = mixing.class_counts(list(corpora), config)
    if not counts.any():
        return None
    weights = mixing.corpus_weights(list(corpora), config)
    drawn = mixing.face_weights(list(corpora), config) if config.class_balance else [None] * len(weights)
    parts = zip(corpora, weights, drawn, strict=True)
    seen = np.sum([weight * _target_sum(corpus, faces) for corpus, weight, faces in parts], axis=0)
    training = _smoothed_shares(seen, config.label_smoothing)
    alpha = losses.class_weights(counts, config.class_weights) or 1.0
    answers = training * alpha / np.exp(_offsets(counts, config) or 0.0)
    named = {"labels": training, "training": training, "answers": answers / answers.sum()}
    return {name: dict(zip(CLASSES, map(float, shares), strict=True)) for name, shares in named.items()}


def _target_sum(corpus: Prepared, face_weights: np.ndarray | None) -> np.ndarray:
    """Return the sum (8,) of the class distributions of a corpus's training faces, with the teachers' part.

    face_weights: how often (n,) an epoch uses each face; None: once.
    """
    if corpus.soft_labels is None and face_weights is None:
        return corpus.labels("train")["expression"]
    labels = corpus.distributions
    if corpus.soft_labels is not None:
        soft, fraction = corpus.soft_labels
        labels = np.where(labels.any(axis=1, keepdims=True), (1 - fraction) * labels + fraction * soft, labels)
    return labels.sum(axis=0) if face_weights is None else face_weights @ labels


def _offsets(class_counts: np.ndarray, config: Config) -> list[float] | None:
    """Return the offsets of the logit-adjusted loss: from the shares of the smoothed labels."""
    if not class_counts.any():
        return None
    return losses.logit_offsets(_smoothed_shares(class_counts, config.label_smoothing), config.logit_adjustment)


def _smoothed_shares(counts: np.ndarray, smoothing: float) -> np.ndarray:
    return (1 - smoothing) * counts / counts.sum() + smoothing / len(CLASSES)


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
