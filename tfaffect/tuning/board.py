"""What a person sees while a search runs: a line a trial, and a bar over all epochs with the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tfaffect.tuning import halving
from tfaffect.tuning.settings import Settings


class Board:
    """Prints a line for each trial that ended, and shows a bar on a terminal; a context manager."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self.out, self.settings, self.total = out, settings, planned_epochs(settings)
        # Searching swallows what is printed; keras-tuner prints the messages that it sends.
        self.console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
        texts = [TextColumn("[bold]{task.description}"), BarColumn(), TextColumn("{task.fields[left]}")]
        self.bar = Progress(*texts, console=self.console, transient=True)
        self.task = self.bar.add_task("searching", total=self.total, left="")
        self.began, self.first, self.ended = time.monotonic(), None, 0

    def __enter__(self) -> Board:
        """Show the bar."""
        self.bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        self.bar.stop()

    def count(self, rows: list[Mapping[str, Any]]) -> None:
        """Count the epochs of the trials that ended; one that ended early counts as if it had not."""
        until = self.settings.config.epochs
        full = self.settings.strategy != "hyperband"
        self.ended = sum(until if full else row["epochs"] for row in rows if row["status"] in ("done", "failed"))
        self.first = self.ended if self.first is None else self.first
        self._move(self.ended)

    def tick(self, trial: str) -> None:
        """Move the bar with the epochs of the trial under way."""
        history = self.out / "trials" / trial / "history.csv"
        lines = history.read_text().count("\n") if history.exists() else 1
        self.bar.update(self.task, description=f"trial {trial}, epoch {min(lines, self.settings.config.epochs)}")
        self._move(self.ended + lines - 1)

    def tell(self, row: Mapping[str, Any], best: Mapping[str, Any] | None) -> None:
        """Print the line of a trial that ended."""
        objective = self.settings.objective
        if row["status"] == "failed":
            said = f"failed: {row['reason']}"
        else:
            said = f"{objective} {row['score']:.4f} in epoch {row['best_epoch']} of {row['epochs']}"
        best_so_far = f"  best {best['score']:.4f} (trial {best['trial']})" if best else ""
        left = f", {self._left()}" if self._left() else ""
        self.console.print(f"trial {row['trial']}  {said}{best_so_far}  ({row['seconds']:.0f} s{left})", markup=False)

    def _move(self, epochs: int) -> None:
        self.bar.update(self.task, completed=epochs, left=self._left())

    def _left(self) -> str:
        """How long the rest will take at the pace so far."""
        done = self.bar.tasks[0].completed - (self.first or 0)
        rest = self.total - self.bar.tasks[0].completed
        if done <= 0 or rest <= 0:
            return ""
        seconds = (time.monotonic() - self.began) / done * rest
        return f"about {spell_time(seconds)} left"


def spell_time(seconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}" if unit != "min" else f"{seconds / size:.0f} min"
    return f"{seconds:.0f} s"


def planned_epochs(settings: Settings) -> int:
    """Return the epochs of all trials together."""
    if settings.strategy != "hyperband":
        return settings.trials * settings.config.epochs
    found = halving.brackets(settings.trials - 1, settings.config.epochs)
    return settings.config.epochs + sum(bracket.total_epochs for bracket in found)
