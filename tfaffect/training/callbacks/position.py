"""Where a run is: the epochs that are done, and the batches of the next one."""

import keras


class Position(keras.callbacks.Callback):
    """Counts the epochs and the batches that a run has done; it comes first among the callbacks.

    Keras counts the batches of an epoch from 0 again when a run goes on in the middle of one; this does not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch, self.step = 0, 0

    def state(self) -> dict:
        """Return the epochs that are done and the batches of the next one."""
        return {"epoch": self.epoch, "step": self.step}

    def restore(self, state: dict) -> None:
        """Take a state back."""
        self.epoch, self.step = state["epoch"], state["step"]

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count a batch."""
        self.step += 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Count an epoch."""
        self.epoch, self.step = epoch + 1, 0
