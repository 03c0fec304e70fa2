"""Experiment trackers: they send the config and metrics of a run to a server, if the config asks for it."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from tfaffect.config import Config
from tfaffect.errors import UsageError, missing_extra

PROJECT = "tfaffect"


def require(name: str) -> None:
    """Raise UsageError when the package of a tracker is missing; called before training."""
    if name == "wandb" and importlib.util.find_spec("wandb") is None:
        raise UsageError(f"--tracker wandb needs {missing_extra('wandb')}")


def trackers(name: str, run: Path, config: Config) -> dict[str, keras.callbacks.Callback]:
    """Return the callbacks of a tracker by name. Raises UsageError for an unknown name or a missing package."""
    if name == "none":
        return {}
    if name != "wandb":
        raise UsageError(f"--tracker must be none or wandb. Received: tracker={name!r}.")
    require(name)
    return {"wandb": WandbTracker(run, config)}


class WandbTracker(keras.callbacks.Callback):
    """Logs the metrics of every epoch to Weights & Biases; a resumed run continues the same run there.

    Its state is part of the checkpoint. wandb's own files are in `run/wandb/`.
    """

    def __init__(self, run: Path, config: Config) -> None:
        super().__init__()
        self.run, self.config = run, config
        self.identity: str | None = None
        self.live: Any = None  # a wandb.Run during training

    def state(self) -> dict:
        """Return wandb's id of the run."""
        return {"identity": self.identity}

    def restore(self, state: dict) -> None:
        """Restore a state."""
        self.identity = state["identity"]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start or resume the run. Raises UsageError when wandb cannot, for example without a login."""
        if self.live is not None:
            return
        import wandb

        try:
            self.live = wandb.init(
                project=PROJECT,
                name=self.run.name,
                id=self.identity,
                dir=self.run,
                config=asdict(self.config),
                resume="allow",
                reinit="create_new",  # otherwise wandb can return another open run, such as a diverged one
            )
        except wandb.Error as error:
            raise UsageError(
                "wandb could not start a run. Log in with `wandb login`, or set WANDB_MODE=offline to keep the metrics "
                f"in {self.run / 'wandb'}. Received: {error}"
            ) from error
        self.identity = self.live.id

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Log the metrics of the epoch."""
        self.live.log(logs, step=epoch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Wait until everything is sent."""
        self.live.finish()
        self.live = None
