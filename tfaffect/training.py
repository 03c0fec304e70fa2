"""The story of a run: prepared corpora and a config become a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from tfaffect import data, losses, metrics, whole
from tfaffect.checkpoint import Checkpoint
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.data import Prepared
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT
from tfaffect.model import build, resolve_weights, save
from tfaffect.progress import Progress
from tfaffect.schedule import WarmupCosine


def train(config: Config, folder: Path, backbone: keras.Model | None = None, resume: bool = False) -> pd.DataFrame:
    """Train as the config says and return the history, one row per epoch.

    `folder` receives config.json, model.keras (the epoch with the best selection metric) and history.csv, and has a
    checkpoint/ until the run is finished; each is whole at every moment. `backbone` replaces EfficientNet-B1. With
    `resume` a run that was stopped goes on after its last finished epoch, and ends as it would have ended. Raises
    UsageError for a folder that holds a run already (unless `resume`), and for records that cannot be trained on.
    """
    corpora = [data.open_corpus(config.records, name) for name in config.corpora]
    _refuse_untrainable(corpora)
    config = replace(config, weights=_weights(config), records=config.records.absolute())
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
            callbacks=[history, best, Progress(), checkpoint],
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
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay),
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


def selection(logs: dict[str, float], heads: tuple[str, ...]) -> float:
    """Return the selection metric of validation figures over the labelled heads: larger is better, 1 is perfect.

    The mean of the unweighted average recall and of 1 - RMSE of valence and of arousal, as far as they exist.
    """
    parts = {"expression": lambda: logs["val_expression_uar"]}
    parts |= {name: lambda name=name: 1 - logs[f"val_{name}_rmse"] for name in AFFECT}
    return float(np.mean([parts[head]() for head in heads]))


class History(keras.callbacks.Callback):
    """Keeps one row of figures per epoch, in memory and in history.csv, and adds the selection metric to them."""

    def __init__(self, path: Path, heads: tuple[str, ...]) -> None:
        super().__init__()
        self.path, self.heads, self.table = path, heads, pd.DataFrame()

    def state(self) -> dict:
        """Return how many rows belong to finished epochs."""
        return {"rows": len(self.table)}

    def restore(self, state: dict) -> None:
        """Read the rows again, without one of an epoch whose checkpoint was not written."""
        self.table = pd.read_csv(self.path).head(state["rows"])

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raise UsageError when the loss is no number; the model and the checkpoint of before stay."""
        if not np.isfinite(logs["loss"]):
            raise UsageError(
                f"Training diverged: the loss is {logs['loss']} at batch {batch + 1}. Lower --learning-rate; the best "
                f"model so far, if an epoch was finished, stays in {self.path.parent}."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add a row and write the table anew, whole or not at all."""
        logs["selection"] = selection(logs, self.heads)
        row = pd.DataFrame([{"epoch": epoch + 1, **logs, "learning_rate": float(self.model.optimizer.learning_rate)}])
        self.table = pd.concat([self.table, row], ignore_index=True)
        with whole.file(self.path) as partial:
            self.table.to_csv(partial, index=False)


class KeepBest(keras.callbacks.Callback):
    """Saves the model when its selection metric is the best so far, and stops after `patience` epochs without one."""

    def __init__(self, path: Path, contract: Contract, patience: int) -> None:
        super().__init__()
        self.path, self.contract, self.patience = path, contract, patience
        self.best, self.best_epoch, self.last_epoch = -np.inf, -1, -1

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs have passed without a better one."""
        return self.last_epoch - self.best_epoch >= self.patience

    def state(self) -> dict:
        """Return the best value, its epoch, and the last one."""
        return {"best": self.best, "best_epoch": self.best_epoch, "last_epoch": self.last_epoch}

    def restore(self, state: dict) -> None:
        """Take a state back."""
        self.best, self.best_epoch, self.last_epoch = state["best"], state["best_epoch"], state["last_epoch"]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compare, save, stop."""
        self.last_epoch = epoch
        if logs["selection"] > self.best:
            self.best, self.best_epoch = logs["selection"], epoch
            save(self.model, self.contract, self.path)
        elif self.exhausted:
            self.model.stop_training = True


def _metrics(head: str) -> list[keras.metrics.Metric]:
    if head == "expression":
        return [metrics.Accuracy(), metrics.UnweightedAverageRecall()]
    return [metrics.ConcordanceCorrelation(), metrics.RootMeanSquaredError()]


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
