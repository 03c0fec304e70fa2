"""The progress of a search on the terminal: a line per trial, and a bar with the time left."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tfaffect.tuning import hyperband
from tfaffect.tuning.formatting import format_duration
from tfaffect.tuning.settings import Settings


class SearchProgress:
    """Prints a line for each trial that ended, and shows a bar of all epochs; `bar` is a context manager."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self.out, self.settings, self.ended = out, settings, 0
        # `session.Session` redirects sys.stdout; this console keeps the original one.
        console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
        columns = [TextColumn("[bold]{task.description}"), BarColumn(), TextColumn("{task.fields[left]}")]
        self.bar = Progress(*columns, console=console, transient=True, speed_estimate_period=inf)
        self.task = self.bar.add_task("searching", total=planned_epochs(settings), left="")

    def count(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count the epochs of the trials that ended; outside Hyperband a trial that stopped early counts in full."""
        full = self.settings.config.epochs if self.settings.strategy != "hyperband" else None
        self.ended = sum(full or row["epochs"] for row in rows if row["status"] in ("done", "failed"))
        self._move(self.ended)

    def update(self, trial: str) -> None:
        """Count the finished epochs of the current trial."""
        history = self.out / "trials" / trial / "history.csv"
        lines = history.read_text().count("\n") if history.exists() else 1
        self.bar.update(self.task, description=f"trial {trial}, epoch {min(lines, self.settings.config.epochs)}")
        self._move(self.ended + lines - 1)

    def print_result(self, row: Mapping[str, Any], best: Mapping[str, Any] | None) -> None:
        """Print the line of a trial that ended."""
        if row["status"] == "failed":
            result = f"failed: {row['reason']}"
        else:
            score = f"{self.settings.objective} {row['score']:.4f}"
            result = f"{score} in epoch {row['best_epoch']} of {row['epochs']}"
        best_so_far = f"  best {best['score']:.4f} (trial {best['trial']})" if best else ""
        left = f", {self._time_left()}" if self._time_left() else ""
        line = f"trial {row['trial']}  {result}{best_so_far}  ({row['seconds']:.0f} s{left})"
        self.bar.console.print(line, markup=False)

    def _move(self, epochs: int) -> None:
        self.bar.update(self.task, completed=epochs)
        self.bar.update(self.task, left=self._time_left())

    def _time_left(self) -> str:
        seconds = self.bar.tasks[0].time_remaining
        return f"about {format_duration(seconds)} left" if seconds else ""


def planned_epochs(settings: Settings) -> int:
    """Return the epochs of all trials together."""
    if settings.strategy != "hyperband":
        return settings.trials * settings.config.epochs
    brackets = hyperband.make_brackets(settings.trials - 1, settings.config.epochs)
    return settings.config.epochs + sum(bracket.total_epochs for bracket in brackets)
