"""A search under way: an oracle that proposes, trials that run, and the folder that tells of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.records.prepared import labelled_heads, open_corpus
from tfaffect.training import interruption
from tfaffect.tuning import objectives, report, space, strategies, table
from tfaffect.tuning.board import Board
from tfaffect.tuning.settings import Settings
from tfaffect.tuning.trials import Trials

if TYPE_CHECKING:
    import keras

REPORT_SHARE = 0.02
"""Time that reports may take of a search, before the one at its end."""


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Return the knobs that a search turns, as `space.describe` does; those of combinations are not among them.

    Raises UsageError for knobs and objectives that nothing can be searched by.
    """
    corpora = [open_corpus(settings.config.records, name) for name in settings.config.corpora]
    objectives.require(settings.objective, corpora)
    if settings.strategy == "combinations":
        return []
    knobs = space.describe(strategies.make_space(settings, labelled_heads(corpora, "train")))
    there = {knob["name"].partition("/")[0] for knob in knobs}
    if idle := [name for name in settings.knobs if name not in there]:
        raise UsageError(
            f"These knobs are none, or change nothing with these corpora and this config: {', '.join(idle)}. "
            f"Among those stop_requested for, these do: {', '.join(sorted(there)) or 'none'}."
        )
    return knobs


class Session:
    """One process of a search: the only one, a chief, or a worker."""

    def __init__(
        self,
        settings: Settings,
        out: Path,
        backbone: Callable[[int], keras.Model] | None = None,
        isolate: bool = True,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings, self.out, self.stop_requested = settings, out, stop_requested
        self.board = Board(out, settings)
        self.trials = Trials(out, settings.objective, backbone, isolate, stop_requested, self.board.tick)
        self.space = strategies.make_space(settings, self.heads)
        self.knobs = [knob["name"] for knob in describe(settings)]
        self.rows: list[dict[str, Any]] = []
        self._report_seconds, self._began = 0.0, time.monotonic()

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The heads that learn."""
        config = self.settings.config
        return labelled_heads([open_corpus(config.records, name) for name in config.corpora], "train")

    def run(self) -> dict[str, Any] | None:
        """Search to the end, and return the row of the best trial, None when all failed."""
        for name in (table.FILE, "report"):
            atomic.remove_unfinished(self.out / name)
        self.oracle = strategies.make_oracle(
            self.settings, self.space, self.out / "tuner" / "oracle.json", self.changed
        )
        try:
            self.tell()
            with self.board:
                self.tuner(self.oracle).search()
        finally:
            self.tell(interrupted=True)
            with suppress(UsageError):  # nothing to report of yet
                report.write(self.out)
        return table.best(self.rows)

    def work(self) -> None:
        """Train what the chief hands out, until it has no more."""
        with interruption.stop_signals() as stop_requested, self.board:
            self.stop_requested, self.trials = stop_requested, replace(self.trials, stop_requested=stop_requested)
            self.tuner(strategies.make_client()).search()

    def tuner(self, oracle: Any) -> strategies.Tuner:
        """Return what runs the trials of an oracle."""
        return strategies.Tuner(oracle, self.out, self.configure, self.trials.run, self.stop_requested)

    def configure(self, hp: Any) -> Config:
        """Return the config of a trial."""
        return strategies.configure(hp, self.settings, self.heads)

    def changed(self, ended: str | None) -> None:
        """Keep the folder up to date when a trial begins or ends; the oracle calls it, a chief's in another thread."""
        self.tell()
        if ended is None:
            return
        row = next(row for row in self.rows if row["trial"] == ended)
        self.board.tell(row, table.best(self.rows))
        if self._report_seconds < REPORT_SHARE * (time.monotonic() - self._began):
            begun = time.monotonic()
            with suppress(Exception):  # the one at the end says what is wrong; until then the search is worth more
                report.write(self.out)
            self._report_seconds += time.monotonic() - begun

    def tell(self, interrupted: bool = False) -> None:
        """Write trials.csv and best/config.json."""
        trials = {}
        for name in self.oracle.start_order:
            trial = self.oracle.trials[name]
            hp = trial.hyperparameters
            trials[name] = (strategies.STATUSES[trial.status], self.configure(hp), hp.values)
        self.rows = table.rows(self.out, self.settings, trials, self.knobs)
        if interrupted and not strategies.is_chief():  # a chief's workers may go on
            self.rows = [row | {"status": "stopped"} if row["status"] == "running" else row for row in self.rows]
        table.write(self.out, self.rows, table.columns(self.settings, self.knobs))
        self.board.count(self.rows)
        if best := table.best(self.rows):
            trials[best["trial"]][1].save(self.out / "best" / "config.json")
