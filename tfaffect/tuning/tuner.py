"""The loop of one process of a search: it asks for a trial, runs it, and reports its score."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial

from tfaffect.config import Config
from tfaffect.tuning.strategies import EPOCHS
from tfaffect.tuning.trial_records import Record


class Tuner(BaseTuner):
    """Runs the trials of an oracle, or of the chief's, through `run(name, config, until)`."""

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        out: Path,
        configure: Callable[[keras_tuner.HyperParameters], Config],
        run: Callable[[str, Config, int | None], Record],
        stop_requested: Callable[[], bool],
    ) -> None:
        super().__init__(oracle, directory=str(out), project_name="tuner")
        self.configure, self.run, self.stop_requested, self._idle = configure, run, stop_requested, False

    def search(self) -> None:
        """Run trials until there are enough; a chief distributes them instead, and waits for the workers."""
        with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):  # keras-tuner prints its messages
            super().search()

    def run_trial(self, trial: Trial) -> float | None:
        """Train a trial and return its score; a failed trial is not retried."""
        values = trial.hyperparameters.values
        record = self.run(trial.trial_id, self.configure(trial.hyperparameters), values.get(EPOCHS))
        if record.status == "failed":
            raise keras_tuner.errors.FailedTrialError(record.reason)
        return record.score

    def pre_create_trial(self) -> None:
        """Stop if the user asked for it, and wait for a second if the last request returned no trial."""
        if self.stop_requested():
            raise KeyboardInterrupt
        if self._idle:
            time.sleep(1)
        self._idle = True

    def on_trial_begin(self, trial: Trial) -> None:
        """Note that the request returned a trial."""
        self._idle = False

    def save(self) -> None:
        """Save the oracle; a worker has no state."""
        if not is_worker():
            self.oracle.save()


def is_worker() -> bool:
    """Whether this process works for a chief, according to keras-tuner's environment variables."""
    return "KERASTUNER_ORACLE_IP" in os.environ and not is_chief()


def is_chief() -> bool:
    """Whether this process distributes trials to workers."""
    return "KERASTUNER_ORACLE_IP" in os.environ and "chief" in os.environ.get("KERASTUNER_TUNER_ID", "")
