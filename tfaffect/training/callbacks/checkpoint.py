"""Checkpoints: everything that the next step depends on, written atomically, so that a killed run can resume."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.training.callbacks.position import Position
from tfaffect.training.devices import undistributed

FOLDER = "checkpoint"
WEIGHTS = "model.weights.h5"
STATE = "state.json"


def create_folder(run: Path) -> None:
    """Create the checkpoint folder, which marks a run that is not finished."""
    (run / FOLDER).mkdir(parents=True)


class Checkpoint(keras.callbacks.Callback):
    """Writes the weights, the optimizer and the `stateful` objects to `RUN/checkpoint/` after every epoch.

    These have `state() -> dict` of JSON values, and `restore(dict)`. When `stop_requested()` is true, it writes after
    the current step and raises KeyboardInterrupt. It must be the last callback, so that it stores the state after all
    others. Keras's BackupAndRestore does not store the best value, the patience or the position in the data. `writes`
    is True in one of the processes that train together.
    """

    def __init__(
        self,
        run: Path,
        position: Position,
        stateful: Mapping[str, Any],
        steps: int,
        stop_requested: Callable[[], bool] = lambda: False,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.folder, self.position, self.steps = run / FOLDER, position, steps
        self.stateful = {"position": position, **stateful}
        self.stop_requested, self.writes = stop_requested, writes
        self._metric_sums: list | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Restore the sums of the training metrics when a run resumes within an epoch."""
        if self._metric_sums:
            for variable, value in zip(self.model.metrics_variables, self._metric_sums, strict=True):
                variable.assign(np.reshape(value, variable.shape))
        self._metric_sums = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stop if requested; after the last step of an epoch, validation comes first."""
        if self.stop_requested() and self.position.step < self.steps:
            if keras.backend.backend() == "jax":  # during an epoch the trainer holds the values
                self.model.jax_state_sync()
            self._write([keras.ops.convert_to_numpy(variable).tolist() for variable in self.model.metrics_variables])
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the checkpoint, and stop if requested."""
        self._write()
        if self.stop_requested():
            raise KeyboardInterrupt

    def restore(self, model: keras.Model) -> None:
        """Restore a compiled model and the stateful objects from the newest checkpoint, if there is one.

        Raises UsageError when the run is finished, and for a checkpoint of another network.
        """
        if not self.folder.is_dir() and (self.folder.parent / "history.csv").exists():
            run = self.folder.parent
            raise UsageError(
                f"There is no {self.folder}: the run is finished. Make its report with: tfaffect evaluate {run}. "
                f"A new run in another folder can start from its backbone: --weights {run}."
            )
        if not (checkpoints := _complete_checkpoints(self.folder)):  # the run stopped before its first checkpoint
            return
        folder = checkpoints[-1]
        state = json.loads((folder / STATE).read_text())
        for name, part in self.stateful.items():
            part.restore(state[name])
        model.optimizer.build(model.trainable_variables)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # Keras only warns about missing weights
                model.load_weights(folder / WEIGHTS)
            for name, seed in _seeds(model).items():
                seed.assign(state["seeds"][name])
        except (ValueError, KeyError, OSError, UserWarning) as error:
            raise UsageError(f"{folder} does not fit the network of this run: {error}") from error
        self._metric_sums = state["running_figures"]

    def remove(self) -> None:
        """Remove the checkpoints of a finished run: each is three times as large as the model."""
        if self.writes:
            finished = self.folder.with_name(f".{FOLDER}-finished")  # atomic: half a folder would restart the run
            self.folder.rename(finished)
            shutil.rmtree(finished, ignore_errors=True)

    def _write(self, metric_sums: list | None = None) -> None:
        """Write a checkpoint, then remove the previous one, so that at least one survives a kill."""
        if not self.writes:
            return
        seeds = {name: keras.ops.convert_to_numpy(seed).tolist() for name, seed in _seeds(self.model).items()}
        parts = {name: part.state() for name, part in self.stateful.items()}
        state = {"seeds": seeds, "running_figures": metric_sums, **parts}
        previous = _complete_checkpoints(self.folder)
        name = f"{self.position.epoch:06d}-{self.position.step:09d}"
        with undistributed(), atomic.write_folder(self.folder / name) as partial:
            self.model.save_weights(partial / WEIGHTS)
            (partial / STATE).write_text(json.dumps(state) + "\n")
        for folder in previous:
            if folder.name != name:
                shutil.rmtree(folder)


def _complete_checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*-[0-9]*"))


def _seeds(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the random state of each dropout layer, which Keras does not write to a weights file."""
    return {layer.name: layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")}
