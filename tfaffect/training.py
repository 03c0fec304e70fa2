"""The story of a run: prepared corpora and a config become a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from tfaffect import data, losses, metrics
from tfaffect.checkpoint import Checkpoint
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.data import Prepared
from tfaffect.errors import UsageError
from tfaffect.history import History
from tfaffect.labels import AFFECT
from tfaffect.model import build, layer_groups, resolve_weights
from tfaffect.optimizer import LayerwiseAdamW, layer_multipliers
from tfaffect.progress import Progress
from tfaffect.schedule import WarmupCosine
from tfaffect.selection import KeepBest
from tfaffect.unfreezing import GradualUnfreezing


def train(config: Config, folder: Path, backbone: keras.Model | None = None, resume: bool = False) -> pd.DataFrame:
    """Train as the config says and return the history, one row per epoch.

    `folder` receives config.json, model.keras (the epoch with the best selection metric) and history.csv, and has a
    checkpoint/ until the run is finished; each is whole at every moment. `backbone` replaces EfficientNet-B1. With
    `resume` a run that was stopped goes on after its last finished epoch, and ends as it would have ended. Raises
    UsageError for a folder that holds a run already (unless `resume`), and for records that cannot be trained on.
    """
    corpora = [data.open_corpus(config.records, name) for name in config.corpora]
    _refuse_untrainable(corpora)
    config = replace(_decided(config), records=config.records.absolute())
    steps = data.steps_per_epoch(corpora, config)
    if not resume:
        _claim(folder)
    keras.utils.set_random_seed(config.seed)
    model = build(config, backbone)
    compile_model(model, config, corpora, steps)
    if not resume:
        config.save(folder / "config.json")
    history = History(folder / "history.csv", data.labelled_heads(corpora, "validation"))
    best = KeepBest(folder / "model.keras", contract(config, corpora), config.patience)
    checkpoint = Checkpoint(folder, {"history": history, "best": best})
    done = checkpoint.restore(model) if resume else 0
    if done < config.epochs and not best.exhausted:
        model.fit(
            data.training_batches(corpora, config, first_epoch=done),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=config.epochs,
            validation_data=data.validation_batches(corpora, config),
            callbacks=[*_unfreezing(config, model), history, best, Progress(), checkpoint],
            shuffle=False,  # the dataset shuffles itself
            verbose=0,
        )
    checkpoint.remove()
    return history.table


def contract(config: Config, corpora: list[Prepared]) -> Contract:
    """Return the contract of the network that a config and its corpora give."""
    return Contract(
        input_size=config.image_size,
        trained=data.labelled_heads(corpora, "train"),
        corpora={corpus.name: corpus.version for corpus in corpora},
        affect_range=(-1.0, 1.0) if config.affect_range == "bounded" else None,
    )


def compile_model(model: keras.Model, config: Config, corpora: list[Prepared], steps: int) -> None:
    """Give the model its optimizer, and losses and metrics for the heads that have labels."""
    schedule = WarmupCosine(
        config.learning_rate,
        config.min_learning_rate,
        config.warmup_learning_rate,
        config.warmup_steps,
        config.annealing_period,
        steps,
    )
    heads = set(data.labelled_heads(corpora, "train")) | set(data.labelled_heads(corpora, "validation"))
    model.compile(
        optimizer=LayerwiseAdamW(schedule, _multipliers(model, config), weight_decay=config.weight_decay),
        loss=head_losses(config, data.class_masses(corpora)),
        loss_weights={"expression": config.expression_loss_weight, **dict.fromkeys(AFFECT, 1.0)},
        weighted_metrics={head: _metrics(head) if head in heads else [] for head in model.output},
        # On CPUs XLA takes 145 s to compile this network and then 5 times as long a step.
        jit_compile="auto" if keras.distribution.list_devices("gpu") else False,
    )


def head_losses(config: Config, class_masses: np.ndarray) -> dict[str, keras.losses.Loss]:
    """Return the loss of each head; `class_masses` (8,) counts the classes of the training split."""
    gamma = config.focal_gamma if config.expression_loss == "focal" else 0.0
    alpha = losses.class_weights(class_masses, config.class_weights) if class_masses.any() else None
    affect = {"rmse": losses.RootMeanSquaredError, "mse": losses.MeanSquaredError, "ccc": losses.ConcordanceLoss}
    return {"expression": losses.Focal(alpha, gamma), **{name: affect[config.affect_loss]() for name in AFFECT}}


def _metrics(head: str) -> list[keras.metrics.Metric]:
    if head == "expression":
        return [metrics.Accuracy(), metrics.UnweightedAverageRecall()]
    return [metrics.ConcordanceCorrelation(), metrics.RootMeanSquaredError()]


def _multipliers(model: keras.Model, config: Config) -> dict[str, float]:
    factor = config.layer_decay if config.discriminative_rates == "on" else 1.0
    return layer_multipliers(layer_groups(model), config.learning_rate, factor, config.min_layer_rate)


def _unfreezing(config: Config, model: keras.Model) -> list[keras.callbacks.Callback]:
    if config.gradual_unfreezing != "on":
        return []
    return [GradualUnfreezing(layer_groups(model), config.groups_at_start)]


def _decided(config: Config) -> Config:
    """Replace every `auto` by what it means here."""
    weights = _weights(config)
    transfer = "off" if weights == "none" else "on"
    techniques = {name: getattr(config, name) for name in ("gradual_unfreezing", "discriminative_rates")}
    decided = {name: transfer if value == "auto" else value for name, value in techniques.items()}
    return replace(config, weights=weights, **decided)


def _weights(config: Config) -> str:
    weights = resolve_weights(config.weights)
    if weights != config.weights:
        missing = "random weights: ImageNet's could not be downloaded. --weights PATH takes efficientnetb1_notop.h5"
        print(f"The backbone starts from {'ImageNet weights' if weights == 'imagenet' else missing}.")
    return weights


def _refuse_untrainable(corpora: list[Prepared]) -> None:
    if not data.labelled_heads(corpora, "validation"):
        names = ", ".join(corpus.name for corpus in corpora)
        raise UsageError(f"No label in a validation split, so no epoch could be told from another. Received: {names}.")


def _claim(folder: Path) -> None:
    """Make the run folder; an earlier run is never written over."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty. Name another folder with --run, or remove this one.")
