"""The search strategies: keras-tuner's oracles with crash-safe state, which never propose a config twice."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from tfaffect.config import Config
from tfaffect.files import atomic
from tfaffect.tuning import hyperband
from tfaffect.tuning.settings import TECHNIQUES, Settings, count_configs
from tfaffect.tuning.space import describe, round_value, suggest

OBJECTIVE = keras_tuner.Objective("score", "max")
EPOCHS = "tuner/epochs"
"""The name of the value with which Hyperband sets the epochs of a trial; keras-tuner uses it too."""
STATUSES = {TrialStatus.RUNNING: "running", TrialStatus.COMPLETED: "done", TrialStatus.FAILED: "failed"}
"""keras-tuner's statuses and those of trials.csv."""

CANDIDATES = 5_000
"""Random points in the complete space, and as many near the best point, for which the Gaussian process predicts."""
HIGHEST = 1 - 1e-9
"""The highest coordinate of a point. keras-tuner makes of 1.0 an integer that is 1 above the highest one allowed."""


def make_space(settings: Settings, heads: Collection[str]) -> keras_tuner.HyperParameters:
    """Return the space of a search; its values are the config's own."""
    hp = keras_tuner.HyperParameters()
    configure(hp, settings, heads)
    return hp


def configure(hp: keras_tuner.HyperParameters, settings: Settings, heads: Collection[str]) -> Config:
    """Return the config of a trial."""
    if settings.strategy != "combinations":
        return suggest(hp, settings.config, heads, settings.knobs)
    # `_Combinations` varies the last knob first: all four combinations with one seed, then with the next seed.
    seed = hp.Int("seed", settings.config.seed, settings.config.seed + settings.seeds - 1)
    values = {name: hp.Choice(name, ["off", "on"]) for name in reversed(TECHNIQUES)}
    return replace(settings.config, **values, seed=seed)


class _Oracle(keras_tuner.Oracle):
    """Random configs: never one twice, with the state in one file, and with a report of every change.

    The file is written atomically. keras-tuner writes a file per trial and one for the rest, in place. A kill during
    a write leaves half a file; a kill between two writes leaves a trial that is counted, but neither running nor ended.
    """

    def __init__(self, path: Path, on_change: Callable[[str | None], None], **options: Any) -> None:
        """Load the state from `path`, if it exists, and keep it there.

        `on_change` is called with the name of a trial that ended, and with None when a trial starts.
        """
        super().__init__(**options)
        self._path = path
        self._display.on_trial_begin = lambda trial: on_change(None)
        self._display.on_trial_end = lambda trial: on_change(trial.trial_id)
        self._max_collisions = 1_000  # keras-tuner calls a space used up after 20, which also happens by chance
        atomic.remove_unfinished(path)
        if path.exists():
            self.reload()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial; those of the first trial are the config's own."""
        values = self._next_values() if self.trials else dict(self.hyperparameters.values)
        return {"status": TrialStatus.RUNNING if values else TrialStatus.STOPPED, "values": values}

    def _next_values(self) -> dict[str, Any] | None:
        """Return the values of a random config that was not tried; None if all were tried."""
        return self._random_values() or next(self._untried(), None)

    def _untried(self) -> Iterator[dict[str, Any]]:
        """Yield the values of all configs that were not tried; nothing in a space with real numbers."""
        knobs = describe(self.hyperparameters)
        if count_configs(knobs) == math.inf:
            return
        allowed = [knob["choices"] or range(knob["low"], knob["high"] + 1) for knob in knobs]
        for choices in itertools.product(*allowed):
            values = dict(zip((knob["name"] for knob in knobs), choices, strict=True))
            if not self._duplicate(values):
                yield values

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        """Hash what makes a config another one: values as the config has them, and not the epochs of Hyperband."""
        config = {name: round_value(value) for name, value in values.items() if name != EPOCHS}
        return super()._compute_values_hash(config)

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
        self._tried_so_far = {self._compute_values_hash(trial.hyperparameters.values) for trial in self.trials.values()}
        # `end_trial` saves before it removes a trial from `ongoing_trials`, so some of these may have ended.
        running = [trial.trial_id for trial in self.ongoing_trials.values() if trial.status == TrialStatus.RUNNING]
        self._retry_queue.extend(sorted(running, reverse=True))
        self.ongoing_trials.clear()

    def _save_trial(self, trial: Trial) -> None:
        """Do nothing: `save` writes all trials, and is called whenever a trial starts or ends."""


class _Bayesian(_Oracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """keras-tuner's Gaussian process, evaluated at random points.

    Its own search for the best point takes 10 s and more for 14 knobs. It also uses a random generator that is not
    saved, so a search that was killed would propose other configs.
    """

    def _next_values(self) -> dict[str, Any] | None:
        completed = sum(trial.status == TrialStatus.COMPLETED for trial in self.trials.values())
        if completed < self.num_initial_points:
            return super()._next_values()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # with few trials scikit-learn warns of kernels at their bounds
            points, costs = self._vectorize_trials()
            self.gpr.fit(points, costs)
        random = np.random.default_rng([self.seed, len(self.trials)])
        anywhere = random.uniform(size=(CANDIDATES, points.shape[1]))
        near = points[np.argmin(costs)] + random.normal(scale=0.1, size=anywhere.shape)
        candidates = np.concatenate([anywhere, near.clip(0, HIGHEST)])
        mean, deviation = self.gpr.predict(candidates, return_std=True)
        from_best = candidates[np.argsort(mean - self.beta * deviation, kind="stable")]
        proposals = map(self._vector_to_values, from_best)
        return next((values for values in proposals if not self._duplicate(values)), None) or super()._next_values()


class _Combinations(_Oracle):
    """The combinations of the two techniques: all four with one seed, then with the next seed."""

    def _next_values(self) -> dict[str, Any] | None:
        return next(self._untried(), None)


class _Hyperband(_Oracle):
    """Hyperband that continues a promoted trial.

    keras-tuner's own starts a new trial from a copied model, derives the number of trials from the epochs, and stops
    promoting in a bracket where a trial has failed.
    """

    def __init__(self, *arguments: Any, configs: int, epochs: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.configs, self.epochs = configs, epochs
        self.brackets = hyperband.make_brackets(configs - 1, epochs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Start another config; the base config gets all epochs, so that results are compared with a full run."""
        number = len(self.trials)
        if number >= self.configs:
            return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}
        proposal = super().populate_space(trial_id)
        until = [self.epochs, *(bracket.epochs[0] for bracket in self.brackets if bracket.first <= number)]
        proposal["values"][EPOCHS] = until[-1]
        return proposal

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
    if settings.strategy == "hyperband":
        # A bracket waits for all of its configs, so it must not count any that do not exist.
        configs = int(min(settings.trials, count_configs(describe(space))))
        return _Hyperband(path, on_change, configs=configs, epochs=settings.config.epochs, **options)
    options["max_trials"] = settings.trials
    if settings.strategy == "bayesian":
        # keras-tuner's default, three random trials per knob, would make a search of twenty trials random. Scores of
        # one config differ by a tenth of the difference between configs, which is a hundredth of the variance.
        initial = max(3, settings.trials // 3)
        return _Bayesian(path, on_change, num_initial_points=initial, alpha=1e-2, **options)
    return (_Oracle if settings.strategy == "random" else _Combinations)(path, on_change, **options)
