"""The event files that TensorBoard shows: figures, learning rates and what learns by epoch, the loss, and faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

STEPS = 50
"""Optimizer steps from one point of the loss to the next."""

COLUMNS = 8
GAP = 2


class TensorBoard(keras.callbacks.Callback):
    """Writes event files below `folder`; a run that goes on adds one beside those of before.

    By epoch, counted from 1: `train/NAME`, `validation/NAME` (`validation/CORPUS/NAME` of one corpus), `learning_rate`,
    and for every group with layers `rate/GROUP` and `trainable/GROUP`, 1 or 0; a frozen group has the rate that it
    would learn at. By optimizer step: `step/loss`, the mean over the epoch so far. Once: `augmented faces`, a grid of
    what `pictures` returns, uint8 (n, size, size, 3). `groups` are those of `networks.model.layer_groups`, and the
    optimizer a LayerwiseAdamW. It comes after History, which adds the selection metric to the figures. Keras's own
    TensorBoard knows one rate, and writes two folders for the two splits.
    """

    def __init__(
        self, folder: Path, groups: Mapping[str, Sequence[keras.Layer]], pictures: Callable[[], np.ndarray]
    ) -> None:
        super().__init__()
        self.folder, self.pictures = folder, pictures
        self.groups = {name: layers for name, layers in groups.items() if layers}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begin a file."""
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Show the faces, unless the run goes on, be it amid its first epoch."""
        optimizer = self.model.optimizer  # amid an epoch `self.model` makes JAX's trainer hand its state over and back
        self.steps = _number(optimizer.iterations)
        self.batches_of_step = optimizer.gradient_accumulation_steps or 1
        if epoch == 0 and self.steps == 0:
            with self.writer.as_default(step=0):
                tf.summary.image("augmented faces", grid(self.pictures())[np.newaxis])

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Write the loss of the epoch so far, now and then; Keras counts batches, of which a step may take several."""
        taken, rest = divmod(batch + 1, self.batches_of_step)
        step = self.steps + taken
        if rest == 0 and step % STEPS == 0:
            self._write({"step/loss": logs["loss"]}, step)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the figures, and the rates and what learned, which the next epoch changes."""
        self._write({_tag(name): value for name, value in logs.items()} | self._rates() | self._trainable(), epoch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """End the file; the rest of an interrupted epoch is trained on its own, so another can follow."""
        self.writer.close()

    def _rates(self) -> dict[str, float]:
        optimizer = self.model.optimizer
        rate = optimizer.last_learning_rate
        of_groups = {name: rate * optimizer.multipliers[layers[0].name] for name, layers in self.groups.items()}
        return {"learning_rate": rate, **{f"rate/{name}": value for name, value in of_groups.items()}}

    def _trainable(self) -> dict[str, float]:
        learning = {name: any(layer.trainable for layer in layers) for name, layers in self.groups.items()}
        return {f"trainable/{name}": float(value) for name, value in learning.items()}

    def _write(self, scalars: Mapping[str, float], step: int) -> None:
        with self.writer.as_default(step):
            for tag, value in scalars.items():
                tf.summary.scalar(tag, value)
        self.writer.flush()


def grid(pictures: np.ndarray) -> np.ndarray:
    """Return pictures (n, height, width, 3) as one, row by row in eight columns, with white lines between them."""
    columns = min(COLUMNS, len(pictures))
    missing = -len(pictures) % columns
    cells = np.pad(pictures, ((0, missing), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    height, width = cells.shape[1:3]
    rows = cells.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    return rows.reshape(-1, columns * width, 3)[:-GAP, :-GAP]


def _number(value) -> float:
    """The value of a variable or tensor; the variables that replicas share are no numbers to int() and float()."""
    return keras.ops.convert_to_numpy(value).item()


def _tag(name: str) -> str:
    split = "validation" if name == "selection" or name.startswith("val_") else "train"
    return f"{split}/{name.removeprefix('val_')}"
