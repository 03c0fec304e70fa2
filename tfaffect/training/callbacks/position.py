"""The position of a run: finished epochs, and batches of the current one."""

import keras


class Position(keras.callbacks.Callback):
    """Counts the finished epochs and the batches of the current one; it must be the first callback.

    Keras counts batches from 0 again when a run resumes within an epoch; this class does not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch, self.step = 0, 0

    def state(self) -> dict:
        """Return the finished epochs and the batches of the current one."""
        return {"epoch": self.epoch, "step": self.step}

    def restore(self, state: dict) -> None:
        """Restore a state."""
        self.epoch, self.step = state["epoch"], state["step"]

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count a batch."""
        self.step += 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Count an epoch."""
        self.epoch, self.step = epoch + 1, 0
