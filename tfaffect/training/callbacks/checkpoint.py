"""What a killed run goes on from: all that the next step depends on, whole or not at all."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.training.callbacks.position import Position
from tfaffect.training.devices import undistributed

FOLDER = "checkpoint"
WEIGHTS = "model.weights.h5"
STATE = "state.json"


def begin(run: Path) -> None:
    """Make the folder, by which a run is known that is not finished."""
    (run / FOLDER).mkdir(parents=True)


class Checkpoint(keras.callbacks.Callback):
    """Writes the weights, the optimizer and the state of other callbacks to `RUN/checkpoint/` after every epoch.

    `keepers` are callbacks by name with `state() -> dict` of JSON values and `restore(dict)`, the position among them.
    When `stop_requested()` is true, it is written after the current step and KeyboardInterrupt is raised. It
    comes last among the callbacks, so that what it writes is the state after all of them. Keras's own BackupAndRestore
    leaves out the best value and the patience, and the data that were drawn; here these follow from the position.
    `writes` is False in all but one of the processes that train together.
    """

    def __init__(
        self,
        run: Path,
        position: Position,
        keepers: Mapping[str, object],
        steps: int,
        stop_requested: Callable[[], bool] = lambda: False,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.folder, self.position, self.steps = run / FOLDER, position, steps
        self.keepers = {"position": position, **keepers}
        self.stop_requested, self.writes = stop_requested, writes
        self._running_figures: list | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """In an epoch that goes on, give its training figures back what they had summed up."""
        if self._running_figures:
            for variable, value in zip(self.model.metrics_variables, self._running_figures, strict=True):
                variable.assign(np.reshape(value, variable.shape))
        self._running_figures = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stop here when it was stop_requested for; after the last step of an epoch validation comes first."""
        if self.stop_requested() and self.position.step < self.steps:
            if keras.backend.backend() == "jax":  # amid an epoch the values are with the trainer
                self.model.jax_state_sync()
            self._write([keras.ops.convert_to_numpy(variable).tolist() for variable in self.model.metrics_variables])
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the checkpoint, and stop when it was stop_requested for."""
        self._write()
        if self.stop_requested():
            raise KeyboardInterrupt

    def restore(self, model: keras.Model) -> None:
        """Bring a compiled model and the other callbacks to where the run was, which can be its beginning.

        Raises UsageError when the run is finished, and for a checkpoint of another network.
        """
        if not self.folder.is_dir() and (self.folder.parent / "history.csv").exists():
            run = self.folder.parent
            raise UsageError(
                f"There is no {self.folder}: the run is finished. Its report: python -m tfaffect.evaluate {run}. "
                f"Another run in a new folder can begin with its backbone: --weights {run}."
            )
        if not (there := _whole_ones(self.folder)):  # it was stopped before anything was saved
            return
        folder = there[-1]
        state = json.loads((folder / STATE).read_text())
        for name, keeper in self.keepers.items():
            keeper.restore(state[name])
        model.optimizer.build(model.trainable_variables)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # Keras only warns of what it does not find in the file
                model.load_weights(folder / WEIGHTS)
            for name, seed in _seeds(model).items():
                seed.assign(state["seeds"][name])
        except (ValueError, KeyError, OSError, UserWarning) as error:
            raise UsageError(f"{folder} does not fit the network of this run: {error}") from error
        self._running_figures = state["running_figures"]

    def remove(self) -> None:
        """Remove the checkpoint of a finished run: it is three times as large as the model."""
        if self.writes:
            finished = self.folder.with_name(f".{FOLDER}-finished")  # in one step: half of it would begin the run anew
            self.folder.rename(finished)
            shutil.rmtree(finished, ignore_errors=True)

    def _write(self, running_figures: list | None = None) -> None:
        """Write a checkpoint beside the one before, then remove that one: a kill in between leaves one at least."""
        if not self.writes:
            return
        seeds = {name: keras.ops.convert_to_numpy(seed).tolist() for name, seed in _seeds(self.model).items()}
        kept = {name: keeper.state() for name, keeper in self.keepers.items()}
        state = {"seeds": seeds, "running_figures": running_figures, **kept}
        before = _whole_ones(self.folder)
        name = f"{self.position.epoch:06d}-{self.position.step:09d}"
        with undistributed(), atomic.write_folder(self.folder / name) as partial:
            self.model.save_weights(partial / WEIGHTS)
            (partial / STATE).write_text(json.dumps(state) + "\n")
        for folder in before:
            if folder.name != name:
                shutil.rmtree(folder)


def _whole_ones(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*-[0-9]*"))


def _seeds(model: keras.Model) -> dict[str, keras.Variable]:
    """What dropout draws next, by layer; Keras leaves it out of a weights file."""
    return {layer.name: layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")}
