"""Which config comes next: keras-tuner's oracles, made to survive, and its tuner, whose trials are our runs."""

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
from tfaffect.tuning import halving
from tfaffect.tuning.records import Record
from tfaffect.tuning.settings import COMBINATIONS, TECHNIQUES, Settings
from tfaffect.tuning.space import suggest

EPOCHS = "tuner/epochs"
"""Under which name Hyperband hands a trial its epochs; keras-tuner's own calls it so too."""
STATUSES = {TrialStatus.RUNNING: "running", TrialStatus.COMPLETED: "done", TrialStatus.FAILED: "failed"}
"""What trials.csv calls a trial that keras-tuner calls so."""

CANDIDATES = 5_000
"""Points anywhere, and as many near the best one, at which the Gaussian process is stop_requested."""


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
    drawn = {name: hp.Choice(name, ["off", "on"]) for name in TECHNIQUES}
    return replace(settings.config, **drawn, seed=hp.Int("seed", seed, seed + settings.seeds - 1))


class _Reliable:
    """What every oracle here does: state in one file, whole at every moment, and a word after every change.

    keras-tuner writes a file for each trial and one for the rest, in place: a kill amid one leaves half a file, and a
    kill between two a trial that is neither running nor ended, but counted.
    """

    def prepare(self, path: Path, changed: Callable[[str | None], None]) -> None:
        """Keep the state in `path`, take up what is there, and call `changed` with a trial's name when it ended."""
        self._path, self._changed, self.verbose = path, changed, 0
        self.recipe = dict(self.hyperparameters.values)
        atomic.remove_unfinished(path)
        if path.exists():
            self.reload()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial; those of the first are the config's own."""
        if not self.trials:
            return {"status": TrialStatus.RUNNING, "values": dict(self.recipe)}
        return super().populate_space(trial_id)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Return the next trial for a worker."""
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.RUNNING:
            self._changed(None)
        return trial

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Take note of a trial that ended."""
        super().end_trial(trial)
        self._changed(trial.trial_id)

    def save(self) -> None:
        """Write everything."""
        trials = {name: trial.get_state() for name, trial in self.trials.items()}
        with atomic.write_file(self._path) as partial:
            partial.write_text(json.dumps({"oracle": self.get_state(), "trials": trials}))

    def reload(self) -> None:
        """Read everything; trials that ran are the next to go on."""
        state = json.loads(self._path.read_text())
        self.trials = {name: Trial.from_state(values) for name, values in state["trials"].items()}
        self.set_state(state["oracle"])
        # It is saved at a trial's end before the trial is taken from these, so some of them may have ended.
        running = [trial.trial_id for trial in self.ongoing_trials.values() if trial.status == TrialStatus.RUNNING]
        self._retry_queue.extend(sorted(running, reverse=True))
        self.ongoing_trials = {}

    def _save_trial(self, trial: Trial) -> None:
        """Do nothing: `save` writes all trials, and follows wherever one ends or begins."""


class _Random(_Reliable, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Proposals(keras_tuner.oracles.BayesianOptimizationOracle):
    """keras-tuner's Gaussian process, stop_requested at random points.

    Its own search for the best point takes 10 s and more for 14 knobs, and draws from a generator that is not part of
    its state, so that a search which was killed would propose other configs.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        completed = [trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED]
        if len(completed) < self.num_initial_points:
            return super().populate_space(trial_id)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's, of kernels at their bounds, as few trials leave them
            points, costs = self._vectorize_trials()
            self.gpr.fit(points, costs)
        random = np.random.default_rng([self.seed, len(self.trials)])
        anywhere = random.uniform(size=(CANDIDATES, points.shape[1]))
        near = points[np.argmin(costs)] + random.normal(scale=0.1, size=anywhere.shape)
        candidates = np.concatenate([anywhere, near.clip(0, 1)])
        mean, deviation = self.gpr.predict(candidates, return_std=True)
        hopeful = candidates[np.argmin(mean - self.beta * deviation)]
        return {"status": TrialStatus.RUNNING, "values": self._vector_to_values(hopeful)}


class _Bayesian(_Reliable, _Proposals):
    pass


class _Grid(_Reliable, keras_tuner.Oracle):
    """The combinations of the two techniques; all four with one seed, then with the next."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        repetition, place = divmod(len(self.trials), len(COMBINATIONS))
        values = dict(zip(TECHNIQUES, COMBINATIONS[place], strict=True)) | {"seed": self.recipe["seed"] + repetition}
        return {"status": TrialStatus.RUNNING, "values": values}


class _Hyperband(_Reliable, keras_tuner.Oracle):
    """Hyperband whose trials go on as the same trials.

    keras-tuner's own begins a new trial from a copied model, takes its number of trials from the epochs alone, and
    stops promoting in a bracket where one trial has failed.
    """

    def prepare(self, path: Path, changed: Callable[[str | None], None], configs: int, epochs: int) -> None:
        self.configs, self.epochs = configs, epochs
        self.brackets = halving.brackets(configs - 1, epochs)
        super().prepare(path, changed)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Begin another config; the recipe is never halved, so that what is found is compared with all of it."""
        number = len(self.trials)
        if number >= self.configs:
            return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}
        values = self._random_values() if number else dict(self.recipe)
        if values is None:  # a few choices, and all were tried
            return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}
        until = [bracket.epochs[0] for bracket in self.brackets if bracket.first <= number]
        return {"status": TrialStatus.RUNNING, "values": {**values, EPOCHS: until[-1] if number else self.epochs}}

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Return a trial that goes on, by keras-tuner's own way of trying one again, or a new one."""
        if tuner_id not in self.ongoing_trials and not self._retry_queue:
            names = list(self.start_order)
            states = {number: self._state(name) for number, name in enumerate(names)}
            for number, until in filter(None, (halving.promotion(bracket, states) for bracket in self.brackets)):
                trial = self.trials[names[number]]
                trial.hyperparameters.values[EPOCHS] = until
                trial.metrics = type(trial.metrics)()  # of the rung below
                self._retry_queue.append(trial.trial_id)
                break
        return super().create_trial(tuner_id)

    def _state(self, name: str) -> halving.State:
        trial = self.trials[name]
        score = trial.score if trial.status == TrialStatus.COMPLETED else None
        ended = trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        return halving.State(trial.hyperparameters.values[EPOCHS], ended, score)

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        return super()._compute_values_hash({name: value for name, value in values.items() if name != EPOCHS})


def make_oracle(
    settings: Settings, space: keras_tuner.HyperParameters, path: Path, changed: Callable[[str | None], None]
) -> keras_tuner.Oracle:
    """Return the oracle of a search, with what it knew when it was last saved in `path`."""
    common = {
        "objective": keras_tuner.Objective("score", "max"),
        "hyperparameters": space,
        "seed": settings.config.seed + 1,  # it takes 0 for no seed
        "max_consecutive_failed_trials": settings.trials + 1,  # one that fails is no reason to end the search
    }
    if settings.strategy == "hyperband":
        oracle = _Hyperband(**common)
        oracle.prepare(path, changed, settings.trials, settings.config.epochs)
        return oracle
    kind = {"random": _Random, "bayesian": _Bayesian, "combinations": _Grid}[settings.strategy]
    if kind is _Bayesian:
        # Its own default, three random trials for each knob, leaves a search of twenty at random altogether. Scores of
        # one config differ by a tenth of what configs differ by, which is a hundredth of the variance.
        common |= {"num_initial_points": max(3, settings.trials // 3), "alpha": 1e-2}
    oracle = kind(max_trials=settings.trials, **common)
    oracle.prepare(path, changed)
    return oracle


def make_client() -> keras_tuner.Oracle:
    """Return what a worker needs of an oracle; all it asks goes to the chief."""
    return keras_tuner.Oracle(objective=keras_tuner.Objective("score", "max"))


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
        self.configure, self.run, self.stop_requested, self._waiting = configure, run, stop_requested, False

    def search(self) -> None:
        """Run trials until there are enough; a chief hands them out instead, and waits for them."""
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # its messages print what they send
            super().search()

    def run_trial(self, trial: Trial) -> float:
        """Train a trial and return its score; one that failed is not tried again."""
        record = self.run(
            trial.trial_id, self.configure(trial.hyperparameters), trial.hyperparameters.values.get(EPOCHS)
        )
        if record.status == "failed":
            raise keras_tuner.errors.FailedTrialError(record.reason)
        return record.score

    def pre_create_trial(self) -> None:
        """Stop here when it was stop_requested for, and let a chief that had no trial think for a second."""
        if self.stop_requested():
            raise KeyboardInterrupt
        if self._waiting:
            time.sleep(1)
        self._waiting = True

    def on_trial_begin(self, trial: Trial) -> None:
        """Note that there was one."""
        self._waiting = False

    def save(self) -> None:
        """Save the oracle; a worker has nothing to keep."""
        if not is_worker():
            self.oracle.save()


def is_worker() -> bool:
    """Whether this process works for a chief, after keras-tuner's environment variables."""
    return "KERASTUNER_ORACLE_IP" in os.environ and not is_chief()


def is_chief() -> bool:
    """Whether this process hands out trials to others."""
    return "KERASTUNER_ORACLE_IP" in os.environ and "chief" in os.environ.get("KERASTUNER_TUNER_ID", "")
