"""The figures of a run, epoch by epoch, in memory and in history.csv."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from tfaffect import whole
from tfaffect.errors import UsageError
from tfaffect.selection import selection


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
