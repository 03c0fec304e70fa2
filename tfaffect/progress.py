"""What a person sees while a run trains: a bar with the time left, and one line per epoch."""

import time

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress(keras.callbacks.Callback):
    """A bar over all steps of all epochs on a terminal, and a line of figures after each epoch everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.console = Console(soft_wrap=True, highlight=False)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Show the bar; the first step waits for TensorFlow to trace the network."""
        columns = ("[bold]{task.description}", "epoch {task.fields[epoch]}", "loss {task.fields[loss]}")
        texts = [TextColumn(text) for text in columns]
        eta = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        self.bar = Bar(*texts, *eta, console=self.console, transient=True)
        self.epochs, steps = self.params["epochs"], self.params["steps"]
        self.task = self.bar.add_task("tracing the network", total=self.epochs * steps, epoch="1", loss="-")
        self.console.print(
            f"{self.epochs} epochs of {steps} steps. The first step takes up to a minute more than the rest."
        )
        self.bar.start()
        self.started = time.monotonic()
        self.traced = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar on."""
        self.traced = self.traced or time.monotonic()
        self.bar.update(self.task, advance=1, description="training", loss=f"{logs['loss']:.3f}")

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Say that validation runs."""
        self.bar.update(self.task, description="validating")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print the epoch's figures, and how long the rest will take."""
        now = time.monotonic()
        left = (now - self.traced) / (epoch + 1) * (self.epochs - epoch - 1)  # tracing does not come again
        shown = {name.removeprefix("val_"): logs[name] for name in sorted(logs) if _shown(name)}
        figures = "  ".join(
            f"{name.replace('expression_', '').replace('_', ' ')} {value:.3f}" for name, value in shown.items()
        )
        clock = f"{now - self.started:4.0f} s" + (f", about {left:.0f} s left" if left else "")
        self.console.print(
            f"epoch {epoch + 1:>3}/{self.epochs}  loss {logs['loss']:.3f}  validation: {figures}  ({clock})"
        )
        self.bar.update(self.task, epoch=str(min(epoch + 2, self.epochs)))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take the bar away."""
        self.bar.stop()


def _shown(name: str) -> bool:
    return name == "val_loss" or (name.endswith(("_accuracy", "_uar", "_ccc")) and name.startswith("val_"))
