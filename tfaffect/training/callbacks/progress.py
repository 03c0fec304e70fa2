"""What a person sees while a run trains: a bar with the time left, and the figures of each epoch."""

from __future__ import annotations

import time
from types import TracebackType

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tfaffect.labels import HEADS
from tfaffect.training.callbacks.position import Position


class Progress(keras.callbacks.Callback):
    """A bar over all steps of all epochs on a terminal, and a line of figures after each epoch everywhere.

    A context manager as well: whatever ends training, the terminal is as it was. `quiet` in all but one of the
    processes that train together.
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
        """Begin to count time."""
        self.started, self.traced, self.task = time.monotonic(), None, None
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Show the bar; the first step waits for TensorFlow to trace the network."""
        if self.task is not None:  # the rest of an epoch that was interrupted is trained on its own
            return
        self.first, total = self._done(), self.epochs * self.steps
        self.task = self.bar.add_task(
            "tracing the network", total=total, completed=self.first, epoch=str(self.position.epoch + 1), loss="-"
        )
        goes_on = f" It goes on after step {self.first}." if self.first else ""
        self.console.print(
            f"{self.epochs} epochs of {self.steps} steps.{goes_on} "
            "The first step takes up to a minute more than the rest."
        )
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar on."""
        self.traced = self.traced or time.monotonic()
        self.bar.update(self.task, advance=1, description="training", loss=f"{logs['loss']:.3f}")

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Say that validation runs."""
        self.bar.update(self.task, description="validating")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print the epoch's figures, those of every corpus of a mix, and how long the rest will take."""
        now = time.monotonic()
        left = (now - self.traced) / (self._done() - self.first) * (self.epochs * self.steps - self._done())
        clock = f"{now - self.started:4.0f} s" + (f", about {left:.0f} s left" if left else "")
        figures = _figures(logs, "val_loss", *(f"val_{head}_" for head in HEADS))
        self.console.print(
            f"epoch {epoch + 1:>3}/{self.epochs}  loss {logs['loss']:.3f}  validation: {figures}  ({clock})"
        )
        for corpus in sorted({name.removeprefix("val_").split("/")[0] for name in logs if "/" in name}):
            self.console.print(f"  {corpus}: {_figures(logs, f'val_{corpus}/')}")
        self.bar.update(self.task, epoch=str(min(epoch + 2, self.epochs)))

    def _done(self) -> int:
        return self.position.epoch * self.steps + self.position.step


def _figures(logs: dict[str, float], *beginnings: str) -> str:
    """The loss, accuracy, UAR and CCC among the figures that begin so, in words."""
    ends = ("val_loss", "_accuracy", "_uar", "_ccc")
    shown = sorted(name for name in logs if name.startswith(beginnings) and name.endswith(ends))
    words = {name: name.removeprefix("val_").rpartition("/")[2].replace("expression_", "") for name in shown}
    return "  ".join(f"{words[name].replace('_', ' ')} {logs[name]:.3f}" for name in shown)
