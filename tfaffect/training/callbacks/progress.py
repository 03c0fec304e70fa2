"""Progress on the terminal: a bar with the remaining time, and the metrics of each epoch."""

from __future__ import annotations

import time
from types import TracebackType

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tfaffect.errors import counted
from tfaffect.labels import HEADS
from tfaffect.training.callbacks.position import Position


class Progress(keras.callbacks.Callback):
    """Shows a bar over all steps of all epochs (on a terminal), and prints a line of metrics after each epoch.

    As a context manager it restores the terminal, however training ends. `quiet` is False in one of the processes that
    train together.
    """

    def __init__(self, epochs: int, steps: int, position: Position, quiet: bool = False) -> None:
        super().__init__()
        self.epochs, self.steps, self.position = epochs, steps, position
        self.console = Console(soft_wrap=True, highlight=False, quiet=quiet)
        columns = ("[bold]{task.description}", "epoch {task.fields[epoch]}", "loss {task.fields[loss]}")
        texts = [TextColumn(text) for text in columns]
        eta = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        self.bar = Bar(*texts, *eta, console=self.console, transient=True)

    def __enter__(self) -> Progress:
        """Start the clock."""
        self.started, self.first_step_end = time.monotonic(), 0.0
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove the bar."""
        self.bar.stop()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Show the bar; before the first step TensorFlow traces the network."""
        if self.bar.tasks:  # a second `fit`: the first one trained the rest of an interrupted epoch
            return
        self.first, self.total = self._done(), self.epochs * self.steps
        self.task = self.bar.add_task(
            "tracing the network", total=self.total, completed=self.first, epoch=str(self.position.epoch + 1), loss="-"
        )
        resumed = f" It continues after step {self.first}." if self.first else ""
        self.console.print(
            f"{counted(self.epochs, 'epoch')} of {counted(self.steps, 'step')}.{resumed} "
            "The first step takes up to a minute more than the rest."
        )
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Advance the bar."""
        self.first_step_end = self.first_step_end or time.monotonic()
        self.bar.update(self.task, advance=1, description="training", loss=f"{logs['loss']:.3f}")

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Show that validation runs."""
        self.bar.update(self.task, description="validating")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Print the metrics of the epoch, those of every corpus of a mix, and the remaining time."""
        now, done = time.monotonic(), self._done()
        left = (now - self.first_step_end) / (done - self.first) * (self.total - done)
        clock = f"{now - self.started:4.0f} s" + (f", about {left:.0f} s left" if left else "")
        metrics = _format_metrics(logs, "val_loss", *(f"val_{head}_" for head in HEADS))
        self.console.print(
            f"epoch {epoch + 1:>3}/{self.epochs}  loss {logs['loss']:.3f}  validation: {metrics}  ({clock})"
        )
        for corpus in sorted({name.removeprefix("val_").split("/")[0] for name in logs if "/" in name}):
            self.console.print(f"  {corpus}: {_format_metrics(logs, f'val_{corpus}/')}")
        self.bar.update(self.task, epoch=str(min(epoch + 2, self.epochs)))

    def _done(self) -> int:
        return self.position.epoch * self.steps + self.position.step


def _format_metrics(logs: dict[str, float], *prefixes: str) -> str:
    """Return the loss, accuracy, UAR and CCC among the metrics with these prefixes, for display."""
    suffixes = ("val_loss", "_accuracy", "_uar", "_ccc")
    names = sorted(name for name in logs if name.startswith(prefixes) and name.endswith(suffixes))
    words = {name: name.removeprefix("val_").rpartition("/")[2].replace("expression_", "") for name in names}
    return "  ".join(f"{words[name].replace('_', ' ')} {logs[name]:.3f}" for name in names)
