"""What a killed run goes on from: after every epoch all that the next one depends on, whole or not at all."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import keras

from tfaffect import whole
from tfaffect.errors import UsageError

FOLDER = "checkpoint"
WEIGHTS = "model.weights.h5"
STATE = "state.json"


class Checkpoint(keras.callbacks.Callback):
    """Writes the weights, the optimizer and the state of other callbacks to `RUN/checkpoint/` after every epoch.

    `keepers` are callbacks by name with `state() -> dict` of JSON values and `restore(dict)`. It comes last among the
    callbacks, so that what it writes is the state after the epoch. Keras's own BackupAndRestore leaves out the best
    value and the patience, and the data that were drawn; here the order of the data follows from seed and epoch.
    """

    def __init__(self, run: Path, keepers: Mapping[str, object]) -> None:
        super().__init__()
        self.folder, self.keepers = run / FOLDER, dict(keepers)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the checkpoint in the place of the one before."""
        seeds = {name: seed.numpy().tolist() for name, seed in _seeds(self.model).items()}
        kept = {name: keeper.state() for name, keeper in self.keepers.items()}
        state = {"epochs_done": epoch + 1, "seeds": seeds, **kept}
        with whole.folder(self.folder) as partial:
            self.model.save_weights(partial / WEIGHTS)
            (partial / STATE).write_text(json.dumps(state, indent=2) + "\n")

    def restore(self, model: keras.Model) -> int:
        """Bring a compiled model and the other callbacks to where the run was; return the epochs that are done.

        Raises UsageError when there is no checkpoint, or one of another network.
        """
        state = json.loads(self._read(STATE).read_text())
        model.optimizer.build(model.trainable_variables)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # Keras only warns of what it does not find in the file
                model.load_weights(self._read(WEIGHTS))
            for name, seed in _seeds(model).items():
                seed.assign(state["seeds"][name])
        except (ValueError, KeyError, OSError, UserWarning) as error:
            raise UsageError(f"{self.folder} does not fit the network of this run: {error}") from error
        for name, keeper in self.keepers.items():
            keeper.restore(state[name])
        return state["epochs_done"]

    def remove(self) -> None:
        """Remove the checkpoint of a finished run: it is three times as large as the model."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UsageError(
                f"There is no {path}: the run is finished, or none of its epochs was. Start another in a new folder."
            )
        return path


def _seeds(model: keras.Model) -> dict[str, keras.Variable]:
    """What dropout draws next, by layer; Keras leaves it out of a weights file."""
    return {layer.name: layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")}
