"""Selection of the best epoch, and early stopping."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from tfaffect.contract import Contract
from tfaffect.labels import AFFECT
from tfaffect.networks.model import save
from tfaffect.networks.precision import in_float32
from tfaffect.training.devices import undistributed
from tfaffect.training.unfreezing import all_trainable


def selection(logs: dict[str, float], heads: tuple[str, ...]) -> float:
    """Return the selection metric of validation metrics: larger is better, 1 is perfect.

    It is the mean, over the labelled heads, of the unweighted average recall and of 1 - RMSE of valence and of arousal.
    """
    parts = [1 - logs[f"val_{head}_rmse"] if head in AFFECT else logs[f"val_{head}_uar"] for head in heads]
    return float(np.mean(parts))


class KeepBest(keras.callbacks.Callback):
    """Saves the model when its selection metric is the best so far, and stops after `patience` epochs without one.

    With `keep` "last" it saves every epoch. `writes` is True in one of the processes that train together.
    """

    def __init__(self, path: Path, contract: Contract, patience: int, keep: str = "best", writes: bool = True) -> None:
        super().__init__()
        self.path, self.contract, self.patience, self.keep, self.writes = path, contract, patience, keep, writes
        self.best, self.best_epoch, self.last_epoch = -np.inf, -1, -1

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs have passed without a better one."""
        return self.last_epoch - self.best_epoch >= self.patience

    def state(self) -> dict:
        """Return the best value, its epoch, and the last epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch, "last_epoch": self.last_epoch}

    def restore(self, state: dict) -> None:
        """Restore a state."""
        self.best, self.best_epoch, self.last_epoch = state["best"], state["best_epoch"], state["last_epoch"]

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Save the model if the epoch is to be kept, and stop when the patience is over."""
        self.last_epoch = epoch
        better = logs["selection"] > self.best
        if better:
            self.best, self.best_epoch = logs["selection"], epoch
        if self.writes and (better or self.keep == "last"):
            with undistributed(), all_trainable(self.model), in_float32(self.model):
                save(self.model, self.contract, self.path)
        if self.exhausted:
            self.model.stop_training = True
