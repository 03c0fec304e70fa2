"""One process of a search: it asks keras-tuner for trials, trains them, and keeps the files in the folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pandas as pd
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src.distribute.utils import has_chief_oracle, is_chief_oracle

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.records.prepared import labelled_heads, open_corpus
from tfaffect.tuning import findings, objectives, report, space, strategies, trial_records, verdict
from tfaffect.tuning.progress import SearchProgress
from tfaffect.tuning.settings import TECHNIQUES, Settings, count_configs
from tfaffect.tuning.trial_records import COLUMNS, TABLE
from tfaffect.tuning.trials import Trials

REPORT_SHARE = 0.02
"""Largest share of the search's time for reports before the final one."""


def describe(settings: Settings) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Return the heads that have labels, and the searched knobs as `space.describe` does (none for combinations).

    Raises UsageError for an objective without labels, and for knobs that have no effect.
    """
    corpora = [open_corpus(settings.config.records, name) for name in settings.config.corpora]
    objectives.check_labels(settings.objective, corpora)
    heads = labelled_heads(corpora, "train")
    if settings.strategy == "combinations":
        return heads, []
    knobs = space.describe(strategies.make_space(settings, heads))
    active = {knob["name"].partition("/")[0] for knob in knobs}
    if unknown := [name for name in settings.knobs if name not in active]:
        raise UsageError(
            f"These knobs do not exist, or change nothing with these corpora and this config: {', '.join(unknown)}. "
            f"Of the given knobs, these have an effect: {', '.join(sorted(active)) or 'none'}."
        )
    return heads, knobs


class Session(BaseTuner):
    """One process of a search: the only one, a chief, or a worker."""

    def __init__(
        self,
        settings: Settings,
        out: Path,
        backbone: Callable[[int], keras.Model] | None,
        isolate: bool,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.out, self.stop_requested = out, stop_requested
        heads, knobs = describe(settings)
        self.configure = partial(strategies.configure, settings=settings, heads=heads)
        self.knobs = [*(TECHNIQUES if settings.strategy == "combinations" else ()), *(knob["name"] for knob in knobs)]
        searched = strategies.make_space(settings, heads)
        possible = count_configs(space.describe(searched))
        self.progress = SearchProgress(out, replace(settings, trials=int(min(settings.trials, possible))))
        self.trials = Trials(out, settings.objective, backbone, isolate, stop_requested, self.progress.update)
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self._idle, self._report_seconds, self._start = False, 0.0, time.monotonic()
        if is_worker():  # keras-tuner asks the chief instead
            oracle = keras_tuner.Oracle(objective=strategies.OBJECTIVE)
        else:
            oracle = strategies.make_oracle(settings, searched, out / "tuner" / "oracle.json", self.on_change)
        super().__init__(oracle, directory=str(out), project_name="tuner")

    def run(self) -> dict[str, Any] | None:
        """Search to the end, and return the row of the best trial, None if all failed."""
        atomic.remove_unfinished(self.out / TABLE)
        try:
            self.write_results()
            self.search()
            if reason := verdict.explain_end(findings.read(self.out)):
                print(reason)
        finally:
            self.write_results(interrupted=True)
            with contextlib.suppress(UsageError):  # there is nothing to report yet
                report.write(self.out)
        return self.best

    def search(self) -> None:
        """Train trials until there are no more; a chief distributes them instead, and waits for the workers."""
        # A trial that runs in this process prints its own progress; the console of the search keeps the real stdout.
        with self.progress.bar, open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
            super().search()

    def run_trial(self, trial: Trial) -> float | None:
        """Train a trial and return its score; a failed trial is not retried."""
        until = trial.hyperparameters.values.get(strategies.EPOCHS)
        record = self.trials.run(trial.trial_id, self.configure(trial.hyperparameters), until)
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
        """Write no file: a tuner has no state, and the oracle saves its own."""

    def on_change(self, ended: str | None) -> None:
        """Update the folder when a trial starts or ends; the oracle of a chief calls this in another thread."""
        self.write_results()
        if ended is None:
            return
        row = next(row for row in self.rows if row["trial"] == ended)
        self.progress.print_result(row, self.best)
        start = time.monotonic()
        if self._report_seconds < REPORT_SHARE * (start - self._start):
            with contextlib.suppress(Exception):  # the search continues; the final report raises the error
                report.write(self.out)
            self._report_seconds += time.monotonic() - start

    def write_results(self, interrupted: bool = False) -> None:
        """Write trials.csv, with a row per trial in order of start, and best/config.json."""
        # The workers of a chief may continue.
        renamed = {"running": "stopped"} if interrupted and not is_chief_oracle() else {}
        self.rows, configs = [], {}
        for name in self.oracle.start_order:
            trial = self.oracle.trials[name]
            status, values = strategies.STATUSES[trial.status], trial.hyperparameters.values
            config = configs[name] = self.configure(trial.hyperparameters)
            row = trial_records.make_row(self.out, name, renamed.get(status, status), config.seed)
            self.rows.append(row | {knob: _value(config, knob) if knob in values else None for knob in self.knobs})
        with atomic.write_file(self.out / TABLE) as partial:
            pd.DataFrame(self.rows, columns=[*COLUMNS, *self.knobs]).to_csv(partial, index=False)
        self.progress.count(self.rows)
        scored = (row for row in self.rows if row["score"] is not None)
        self.best = max(scored, key=lambda row: row["score"], default=None)  # the earliest on ties
        if self.best:
            configs[self.best["trial"]].save(self.out / "best" / "config.json")


def _value(config: Config, knob: str) -> Any:
    """The value of a knob in a config."""
    name, _, corpus = knob.partition("/")
    value = getattr(config, name)
    return value[config.corpora.index(corpus)] if corpus else value


def is_worker() -> bool:
    """Whether this process works for a chief, according to keras-tuner's environment variables."""
    return has_chief_oracle() and not is_chief_oracle()
