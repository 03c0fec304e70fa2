"""Gradual unfreezing: the last layer groups learn first, and every epoch adds one more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras


def trainable_groups(epoch: int, groups: Sequence[str], at_start: int = 7) -> tuple[str, ...]:
    """Return the groups that learn in an epoch, which counts from 0: the last `at_start`, and one more per epoch.

    `groups` are in order from the input to the heads, as in `networks.model.GROUPS`; those without weights count too.
    Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018.
    """
    return tuple(groups)[max(0, len(groups) - at_start - epoch) :]


class GradualUnfreezing(keras.callbacks.Callback):
    """Freezes all groups in `fit`, except the `trainable_groups` of the epoch.

    The groups depend only on the epoch, so `initial_epoch` resumes a run correctly. Frozen BatchNorm layers use their
    running statistics without changing them. The train function is only traced again when other layers are trainable.
    `groups`: see `networks.model.layer_groups`. After training all layers are trainable; before that, save under
    `all_trainable`. Raises ValueError for an optimizer that was built while layers were frozen: they never learn.
    """

    def __init__(self, groups: Mapping[str, Sequence[keras.Layer]], at_start: int = 7) -> None:
        super().__init__()
        self.groups, self.at_start = groups, at_start
        self._traced_for: set[str] | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Build the optimizer on all weights, before any is frozen."""
        model = self.model
        self._set_trainable(tuple(self.groups))
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        known = {id(variable) for variable in model.optimizer._trainable_variables}
        if unknown := [v.path for v in model.trainable_variables if id(v) not in known]:
            raise ValueError(
                "The optimizer was built while layers were frozen, so these could never learn. Compile the model again "
                f"with all layers trainable. Received: {len(unknown)} weights unknown to it, such as {unknown[0]}."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Unfreeze the groups of this epoch."""
        self._train_only(trainable_groups(epoch, tuple(self.groups), self.at_start))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Make all layers trainable again, with a train function that updates all of them."""
        self._train_only(tuple(self.groups))

    def _train_only(self, names: tuple[str, ...]) -> None:
        trainable = self._set_trainable(names)
        if trainable == self._traced_for:
            return
        self._traced_for = trainable
        self.model.make_train_function(force=True)  # during `fit`, changing `trainable` alone has no effect
        if keras.backend.backend() == "jax":  # its other functions depend on the set of trainable variables too
            self.model.test_function = self.model.predict_function = None

    def _set_trainable(self, names: tuple[str, ...]) -> set[str]:
        """Make only the layers of these groups trainable; return their names."""
        for name, layers in self.groups.items():
            for layer in layers:
                layer.trainable = name in names
        return {layer.name for name in names for layer in self.groups[name]}


@contextmanager
def all_trainable(model: keras.Model) -> Iterator[keras.Model]:
    """Make every layer trainable while a model is saved, then restore the frozen ones; nothing is traced again.

    A `.keras` file stores which layers are trainable, and loading builds the optimizer on their weights only. So Keras
    drops the optimizer's state of a file that was saved with frozen layers.
    """
    if keras.backend.backend() == "jax":  # during an epoch the trainer holds the values, in the current order
        model.jax_state_sync()
    frozen = [layer for layer in model.layers if not layer.trainable]
    for layer in frozen:
        layer.trainable = True
    try:
        yield model
    finally:
        for layer in frozen:
            layer.trainable = False
