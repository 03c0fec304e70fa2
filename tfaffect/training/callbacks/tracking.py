"""Experiment trackers: a run's config and figures on someone else's server, for those who ask for it."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path

import keras

from tfaffect.config import Config
from tfaffect.errors import UsageError

PROJECT = "tfaffect"


def require(name: str) -> None:
    """Raise UsageError when the package of a tracker is missing, before anything is trained."""
    if name == "wandb" and importlib.util.find_spec("wandb") is None:
        raise UsageError("--tracker wandb needs the package wandb: pip install -r requirements-wandb.txt")


def trackers(name: str, run: Path, config: Config) -> dict[str, keras.callbacks.Callback]:
    """Return the callbacks of a tracker by name: `none` has none, `wandb` is Weights & Biases.

    Raises UsageError for another name, and when the tracker's package is missing.
    """
    if name == "none":
        return {}
    if name != "wandb":
        raise UsageError(f"--tracker must be none or wandb. Received: tracker={name!r}.")
    require(name)
    return {"wandb": WandbTracker(run, config)}


class WandbTracker(keras.callbacks.Callback):
    """Logs every epoch's figures to Weights & Biases; a resumed run goes on there as the one it was.

    It is a keeper of `tfaffect.training.callbacks.checkpoint.Checkpoint`. wandb's own files lie in `run/wandb/`.
    """

    def __init__(self, run: Path, config: Config) -> None:
        super().__init__()
        self.run, self.config = run, config
        self.identity: str | None = None
        self.live = None

    def state(self) -> dict:
        """Return wandb's name of the run."""
        return {"identity": self.identity}

    def restore(self, state: dict) -> None:
        """Take a state back."""
        self.identity = state["identity"]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start the run, or go on with it. Raises UsageError when wandb cannot, as without a login."""
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
                reinit="create_new",  # wandb would else hand out a run that is not ours, such as one that diverged
            )
        except wandb.Error as error:
            raise UsageError(
                "wandb could not start a run. Log in with `wandb login`, or set WANDB_MODE=offline to keep the figures "
                f"in {self.run / 'wandb'}. Received: {error}"
            ) from error
        self.identity = self.live.id

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Log the figures of the epoch."""
        self.live.log(logs, step=epoch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Wait until all is sent."""
        self.live.finish()
        self.live = None
