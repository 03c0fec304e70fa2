"""Event files for TensorBoard: metrics, learning rates, trainable groups, the loss, and some faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

STEPS = 50
"""Optimizer steps between two points of the loss curve."""

COLUMNS = 8
GAP = 2


class TensorBoard(keras.callbacks.Callback):
    """Writes event files to `folder`; a resumed run adds another file.

    By epoch, from 1: `train/NAME`, `validation/NAME` (`validation/CORPUS/NAME` for one corpus), `learning_rate`, and
    for every group with layers `rate/GROUP` and `trainable/GROUP` (1 or 0); a frozen group has the rate that it would
    learn at. By optimizer step: `step/loss`, the mean over the epoch so far. Once: `augmented faces`, a grid of the
    `pictures`, uint8 (n, size, size, 3). `groups`: see `networks.model.layer_groups`. The optimizer must be a
    LayerwiseAdamW. It must come after History, which adds the selection metric. Keras's TensorBoard has one rate only.
    """

    def __init__(
        self, folder: Path, groups: Mapping[str, Sequence[keras.Layer]], pictures: Callable[[], np.ndarray]
    ) -> None:
        super().__init__()
        self.folder, self.pictures = folder, pictures
        self.groups = {name: layers for name, layers in groups.items() if layers}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Open a file."""
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the faces, unless the run was resumed."""
        optimizer = self.model.optimizer  # during an epoch `self.model` makes JAX's trainer copy its state
        self.steps = int(keras.ops.convert_to_numpy(optimizer.iterations))
        self.batches_per_step = optimizer.gradient_accumulation_steps or 1
        if epoch == 0 and self.steps == 0:
            with self.writer.as_default(step=0):
                tf.summary.image("augmented faces", grid(self.pictures())[np.newaxis])

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Write the loss of the epoch so far every `STEPS` steps; a step can consist of several batches."""
        done, rest = divmod(batch + 1, self.batches_per_step)
        step = self.steps + done
        if rest == 0 and step % STEPS == 0:
            self._write({"step/loss": logs["loss"]}, step)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the metrics, the rates and the trainable groups of the epoch."""
        self._write({_tag(name): value for name, value in logs.items()} | self._rates() | self._trainable(), epoch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the file. After the rest of an interrupted epoch, another `fit` opens the next one."""
        self.writer.close()

    def _rates(self) -> dict[str, float]:
        optimizer = self.model.optimizer
        rate = optimizer.last_learning_rate
        rates = {name: rate * optimizer.multipliers[layers[0].name] for name, layers in self.groups.items()}
        return {"learning_rate": rate, **{f"rate/{name}": value for name, value in rates.items()}}

    def _trainable(self) -> dict[str, float]:
        trainable = {name: any(layer.trainable for layer in layers) for name, layers in self.groups.items()}
        return {f"trainable/{name}": float(value) for name, value in trainable.items()}

    def _write(self, scalars: Mapping[str, float], step: int) -> None:
        with self.writer.as_default(step):
            for tag, value in scalars.items():
                tf.summary.scalar(tag, value)
        self.writer.flush()


def grid(pictures: np.ndarray) -> np.ndarray:
    """Arrange pictures (n, height, width, 3) in rows of eight, with white lines between them."""
    columns = min(COLUMNS, len(pictures))
    missing = -len(pictures) % columns
    cells = np.pad(pictures, ((0, missing), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    height, width = cells.shape[1:3]
    rows = cells.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    return rows.reshape(-1, columns * width, 3)[:-GAP, :-GAP]


def _tag(name: str) -> str:
    split = "validation" if name == "selection" or name.startswith("val_") else "train"
    return f"{split}/{name.removeprefix('val_')}"
