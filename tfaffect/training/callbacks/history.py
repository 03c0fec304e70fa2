"""The figures of a run, epoch by epoch, in memory and in history.csv."""

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
    """Keeps one row of figures per epoch, in memory and in history.csv, and adds the selection metric to them.

    `faces_of_batch(epoch, batch)` names the faces of a batch, for the error when the loss is no number. `writes` is
    False in all but one of the processes that train together.
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
        """Return how many rows belong to finished epochs."""
        return {"rows": len(self.table)}

    def restore(self, state: dict) -> None:
        """Read the rows again, without one of an epoch whose checkpoint was not written."""
        self.table = pd.read_csv(self.path).head(state["rows"]) if state["rows"] else pd.DataFrame()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raise UsageError when the loss is no number; the model and the checkpoint of before stay."""
        if not np.isfinite(logs["loss"]):
            epoch, step = self.position.epoch, self.position.step  # this batch is counted already
            faces = self.faces_of_batch(epoch, step - 1)
            holds = f"which holds {', '.join(faces[:8])}{' ...' if len(faces) > 8 else ''}"
            raise self._diverged(f"the loss is {logs['loss']} at batch {step} of epoch {epoch + 1}, {holds}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add a row and write the table anew, whole or not at all; before that the last step is seen to be sound."""
        if not np.isfinite(logs["val_loss"]):
            raise self._diverged(f"the validation loss is {logs['val_loss']} after epoch {epoch + 1}")
        logs["selection"] = selection(logs, self.heads)
        row = pd.DataFrame([{"epoch": epoch + 1, **logs, "learning_rate": self.model.optimizer.last_learning_rate}])
        self.table = pd.concat([self.table, row], ignore_index=True)
        if self.writes:
            with atomic.write_file(self.path) as partial:
                self.table.to_csv(partial, index=False)

    def _diverged(self, what: str) -> UsageError:
        return UsageError(
            f"Training diverged: {what}. Lower --learning-rate in a new run; the best model so far, if an epoch was "
            f"finished, stays in {self.path.parent}."
        )
