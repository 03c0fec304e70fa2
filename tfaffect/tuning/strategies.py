"""The search strategies: keras-tuner's oracles with crash-safe state, and a tuner whose trials are training runs."""

from __future__ import annotations

import contextlib
import json
import os
import time
import warnings
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from tfaffect.config import Config
from tfaffect.files import atomic
from tfaffect.tuning import hyperband
from tfaffect.tuning.settings import COMBINATIONS, TECHNIQUES, Settings
from tfaffect.tuning.space import suggest
from tfaffect.tuning.trial_records import Record

OBJECTIVE = keras_tuner.Objective("score", "max")
EPOCHS = "tuner/epochs"
"""The name of the value with which Hyperband sets the epochs of a trial; keras-tuner uses it too."""
STATUSES = {TrialStatus.RUNNING: "running", TrialStatus.COMPLETED: "done", TrialStatus.FAILED: "failed"}
"""keras-tuner's statuses and those of trials.csv."""

CANDIDATES = 5_000
"""Random points in the complete space, and as many near the best point, for which the Gaussian process predicts."""


def make_space(settings: Settings, heads: Collection[str]) -> keras_tuner.HyperParameters:
    """Return the space of a search; its values are the config's own."""
    hp = keras_tuner.HyperParameters()
    configure(hp, settings, heads)
    return hp


def configure(hp: keras_tuner.HyperParameters, settings: Settings, heads: Collection[str]) -> Config:
    """Return the config of a trial."""
    if settings.strategy != "combinations":
        return suggest(hp, settings.config, heads, settings.knobs)
    seed = settings.config.seed
    values = {name: hp.Choice(name, ["off", "on"]) for name in TECHNIQUES}
    return replace(settings.config, **values, seed=hp.Int("seed", seed, seed + settings.seeds - 1))


class _CrashSafeOracle(keras_tuner.Oracle):
    """An oracle that keeps its state in one file, written atomically, and reports every change.

    keras-tuner writes a file per trial and one for the rest, in place. A kill during a write leaves half a file; a kill
    between two writes leaves a trial that is counted, but neither running nor ended.
    """

    def restore(self, path: Path, on_change: Callable[[str | None], None]) -> None:
        """Load the state from `path`, if it exists, and keep it there.

        `on_change` is called with the name of a trial that ended, and with None when a trial starts.
        """
        self._path, self._on_change, self.verbose = path, on_change, 0
        self.base_values = dict(self.hyperparameters.values)
        atomic.remove_unfinished(path)
        if path.exists():
            self.reload()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial; those of the first trial are the config's own."""
        if not self.trials:
            return {"status": TrialStatus.RUNNING, "values": dict(self.base_values)}
        return super().populate_space(trial_id)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Return the next trial for a worker."""
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.RUNNING:
            self._on_change(None)
        return trial

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Store the result of a trial."""
        super().end_trial(trial)
        self._on_change(trial.trial_id)

    def save(self) -> None:
        """Write the state of the oracle and of all trials."""
        trials = {name: trial.get_state() for name, trial in self.trials.items()}
        with atomic.write_file(self._path) as partial:
            partial.write_text(json.dumps({"oracle": self.get_state(), "trials": trials}))

    def reload(self) -> None:
        """Read the state; trials that were running are the next ones."""
        state = json.loads(self._path.read_text())
        self.trials = {name: Trial.from_state(values) for name, values in state["trials"].items()}
        self.set_state(state["oracle"])
        # `end_trial` saves before it removes a trial from `ongoing_trials`, so some of these may have ended.
        running = [trial.trial_id for trial in self.ongoing_trials.values() if trial.status == TrialStatus.RUNNING]
        self._retry_queue.extend(sorted(running, reverse=True))
        self.ongoing_trials.clear()

    def _save_trial(self, trial: Trial) -> None:
        """Do nothing: `save` writes all trials, and is called whenever a trial starts or ends."""


class _Random(_CrashSafeOracle, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_CrashSafeOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """keras-tuner's Gaussian process, evaluated at random points.

    Its own search for the best point takes 10 s and more for 14 knobs. It also uses a random generator that is not
    saved, so a search that was killed would propose other configs.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        completed = [trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED]
        if len(completed) < self.num_initial_points:
            return super().populate_space(trial_id)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # with few trials scikit-learn warns of kernels at their bounds
            points, costs = self._vectorize_trials()
            self.gpr.fit(points, costs)
        random = np.random.default_rng([self.seed, len(self.trials)])
        anywhere = random.uniform(size=(CANDIDATES, points.shape[1]))
        near = points[np.argmin(costs)] + random.normal(scale=0.1, size=anywhere.shape)
        candidates = np.concatenate([anywhere, near.clip(0, 1)])
        mean, deviation = self.gpr.predict(candidates, return_std=True)
        best = candidates[np.argmin(mean - self.beta * deviation)]
        return {"status": TrialStatus.RUNNING, "values": self._vector_to_values(best)}


class _Combinations(_CrashSafeOracle):
    """The combinations of the two techniques: all four with one seed, then with the next seed."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        repetition, place = divmod(len(self.trials), len(COMBINATIONS))
        values = dict(zip(TECHNIQUES, [*COMBINATIONS][place], strict=True))
        return {"status": TrialStatus.RUNNING, "values": values | {"seed": self.base_values["seed"] + repetition}}


class _Hyperband(_CrashSafeOracle):
    """Hyperband that continues a promoted trial.

    keras-tuner's own starts a new trial from a copied model, derives the number of trials from the epochs, and stops
    promoting in a bracket where a trial has failed.
    """

    def __init__(self, configs: int, epochs: int, **options: Any) -> None:
        super().__init__(**options)
        self.configs, self.epochs = configs, epochs
        self.brackets = hyperband.make_brackets(configs - 1, epochs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Start another config; the base config gets all epochs, so that results are compared with a full run."""
        number = len(self.trials)
        values = self._random_values() if 0 < number < self.configs else None
        if number == 0:
            values = dict(self.base_values)
        if values is None:  # enough configs, or all combinations of a few choices were tried
            return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}
        until = [self.epochs, *(bracket.epochs[0] for bracket in self.brackets if bracket.first <= number)]
        return {"status": TrialStatus.RUNNING, "values": {**values, EPOCHS: until[-1]}}

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Return a promoted trial, through keras-tuner's queue of trials to retry, or a new one."""
        if tuner_id not in self.ongoing_trials and not self._retry_queue:
            names = list(self.start_order)
            states = {number: self._state(name) for number, name in enumerate(names)}
            promotions = (hyperband.next_promotion(bracket, states) for bracket in self.brackets)
            if promotion := next(filter(None, promotions), None):
                trial = self.trials[names[promotion[0]]]
                trial.hyperparameters.values[EPOCHS] = promotion[1]
                trial.metrics = type(trial.metrics)()  # removes the score of the lower rung
                self._retry_queue.append(trial.trial_id)
        return super().create_trial(tuner_id)

    def _state(self, name: str) -> hyperband.State:
        trial = self.trials[name]
        score = trial.score if trial.status == TrialStatus.COMPLETED else None
        ended = trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        return hyperband.State(trial.hyperparameters.values[EPOCHS], ended, score)

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        return super()._compute_values_hash({name: value for name, value in values.items() if name != EPOCHS})


def worker_oracle() -> keras_tuner.Oracle:
    """Return an oracle without trials of its own: the tuner of a worker asks the chief instead."""
    return keras_tuner.Oracle(objective=OBJECTIVE)


def make_oracle(
    settings: Settings, space: keras_tuner.HyperParameters, path: Path, on_change: Callable[[str | None], None]
) -> keras_tuner.Oracle:
    """Return the oracle of a search, with the state that was last saved in `path`."""
    options: dict[str, Any] = {
        "objective": OBJECTIVE,
        "hyperparameters": space,
        "seed": settings.config.seed + 1,  # keras-tuner treats 0 as no seed
        "max_consecutive_failed_trials": settings.trials + 1,  # failures do not end the search
    }
    oracle: _CrashSafeOracle
    if settings.strategy == "hyperband":
        oracle = _Hyperband(settings.trials, settings.config.epochs, **options)
    elif settings.strategy == "bayesian":
        # keras-tuner's default, three random trials per knob, would make a search of twenty trials random. Scores of
        # one config differ by a tenth of the difference between configs, which is a hundredth of the variance.
        initial = max(3, settings.trials // 3)
        oracle = _Bayesian(max_trials=settings.trials, num_initial_points=initial, alpha=1e-2, **options)
    else:
        kind = _Random if settings.strategy == "random" else _Combinations
        oracle = kind(max_trials=settings.trials, **options)
    oracle.restore(path, on_change)
    return oracle


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
