"""The metrics of every epoch, in memory and in history.csv."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.training.callbacks.position import Position
from tfaffect.training.callbacks.selection import selection


class History(keras.callbacks.Callback):
    """Stores one row of metrics per epoch, in memory and in history.csv, with the selection metric.

    `faces_of_batch(epoch, batch)` returns the names of the faces, for the error message when the loss is not finite.
    `writes` is True in one of the processes that train together.
    """

    def __init__(
        self,
        path: Path,
        heads: tuple[str, ...],
        position: Position,
        faces_of_batch: Callable[[int, int], Sequence[str]],
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.path, self.heads, self.position = path, heads, position
        self.faces_of_batch, self.writes, self.table = faces_of_batch, writes, pd.DataFrame()

    def state(self) -> dict:
        """Return the number of rows, one per finished epoch."""
        return {"rows": len(self.table)}

    def restore(self, state: dict) -> None:
        """Read the rows, without the row of an epoch whose checkpoint is missing."""
        self.table = pd.read_csv(self.path).head(state["rows"]) if state["rows"] else pd.DataFrame()

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Raise UsageError when the loss is not finite; the saved model and checkpoint stay."""
        if not np.isfinite(logs["loss"]):
            epoch, step = self.position.epoch, self.position.step  # the position counts this batch already
            faces = self.faces_of_batch(epoch, step - 1)
            names = f"which holds {', '.join(faces[:8])}{' ...' if len(faces) > 8 else ''}"
            raise self._diverged(f"the loss is {logs['loss']} at batch {step} of epoch {epoch + 1}, {names}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Add a row and write the table atomically. Raises UsageError when the last step broke the weights."""
        if not np.isfinite(logs["val_loss"]):
            raise self._diverged(f"the validation loss is {logs['val_loss']} after epoch {epoch + 1}")
        logs["selection"] = selection(logs, self.heads)
        row = pd.DataFrame([{"epoch": epoch + 1, **logs, "learning_rate": self.model.optimizer.last_learning_rate}])
        self.table = pd.concat([self.table, row], ignore_index=True)
        if self.writes:
            with atomic.write_file(self.path) as partial:
                self.table.to_csv(partial, index=False)

    def _diverged(self, symptom: str) -> UsageError:
        return UsageError(
            f"Training diverged: {symptom}. Lower --learning-rate in a new run. If an epoch was finished, the best "
            f"model so far stays in {self.path.parent}."
        )
