"""One process of a search: it connects the oracle, the trials and the files in the folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.records.prepared import labelled_heads, open_corpus
from tfaffect.tuning import findings, objectives, report, space, strategies, trials_csv, tuner, verdict
from tfaffect.tuning.progress import SearchProgress
from tfaffect.tuning.settings import TECHNIQUES, Settings, count_configs
from tfaffect.tuning.trials import Trials

if TYPE_CHECKING:
    import keras
    import keras_tuner

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


class Session:
    """One process of a search: the only one, a chief, or a worker."""

    def __init__(
        self,
        settings: Settings,
        out: Path,
        backbone: Callable[[int], keras.Model] | None,
        isolate: bool,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.settings, self.out, self.stop_requested = settings, out, stop_requested
        self.heads, knobs = describe(settings)
        self.space = strategies.make_space(settings, self.heads)
        possible = count_configs(space.describe(self.space))
        self.progress = SearchProgress(out, replace(settings, trials=int(min(settings.trials, possible))))
        self.trials = Trials(out, settings.objective, backbone, isolate, stop_requested, self.progress.update)
        self.knobs = [*(TECHNIQUES if settings.strategy == "combinations" else ()), *(knob["name"] for knob in knobs)]
        self.rows: list[dict[str, Any]] = []
        self._report_seconds, self._start = 0.0, time.monotonic()

    def run(self) -> dict[str, Any] | None:
        """Search to the end, and return the row of the best trial, None if all failed."""
        for name in (trials_csv.FILE, "report"):
            atomic.remove_unfinished(self.out / name)
        state = self.out / "tuner" / "oracle.json"
        self.oracle = strategies.make_oracle(self.settings, self.space, state, self.on_change)
        try:
            self.write_results()
            self._search(self.oracle)
            if reason := verdict.explain_end(findings.read(self.out)):
                print(reason)
        finally:
            self.write_results(interrupted=True)
            with suppress(UsageError):  # there is nothing to report yet
                report.write(self.out)
        return trials_csv.best_row(self.rows)

    def work(self) -> None:
        """Train the trials that the chief distributes, until it has no more."""
        self._search(strategies.worker_oracle())

    def _search(self, oracle: keras_tuner.Oracle) -> None:
        with self.progress.bar:
            tuner.Tuner(oracle, self.out, self.configure, self.trials.run, self.stop_requested).search()

    def configure(self, hp: keras_tuner.HyperParameters) -> Config:
        """Return the config of a trial."""
        return strategies.configure(hp, self.settings, self.heads)

    def on_change(self, ended: str | None) -> None:
        """Update the folder when a trial starts or ends; the oracle of a chief calls this in another thread."""
        self.write_results()
        if ended is None:
            return
        row = next(row for row in self.rows if row["trial"] == ended)
        self.progress.print_result(row, trials_csv.best_row(self.rows))
        start = time.monotonic()
        if self._report_seconds < REPORT_SHARE * (start - self._start):
            with suppress(Exception):  # the search continues; the final report raises the error
                report.write(self.out)
            self._report_seconds += time.monotonic() - start

    def write_results(self, interrupted: bool = False) -> None:
        """Write trials.csv and best/config.json."""
        trials = {}
        for name in self.oracle.start_order:
            trial = self.oracle.trials[name]
            hp = trial.hyperparameters
            trials[name] = (strategies.STATUSES[trial.status], self.configure(hp), hp.values)
        self.rows = trials_csv.make_rows(self.out, trials, self.knobs)
        if interrupted and not tuner.is_chief():  # the workers of a chief may continue
            self.rows = [row | {"status": "stopped"} if row["status"] == "running" else row for row in self.rows]
        trials_csv.write(self.out, self.rows, self.knobs)
        self.progress.count(self.rows)
        if best := trials_csv.best_row(self.rows):
            trials[best["trial"]][1].save(self.out / "best" / "config.json")
