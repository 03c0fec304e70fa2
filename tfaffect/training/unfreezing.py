"""Gradual unfreezing: the newest layer groups learn first, and one more joins with every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras


def trainable_groups(epoch: int, groups: Sequence[str], at_start: int = 7) -> tuple[str, ...]:
    """Return the groups that learn in an epoch, counted from 0: the newest `at_start`, and one more per epoch.

    `groups` are named from the picture to the heads, as in `networks.model.GROUPS`; those without weights count.
    Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018.
    """
    return tuple(groups)[max(0, len(groups) - at_start - epoch) :]


class GradualUnfreezing(keras.callbacks.Callback):
    """Freezes in `fit` all groups but those that `trainable_groups` names for the epoch.

    What learns depends on the epoch alone, so `initial_epoch` continues a run as it was. Frozen BatchNorm layers use
    their running statistics and leave them as they are. The train function is made anew, and traced again, only when
    the layers that learn change. `groups` are those of `networks.model.layer_groups`. At the end of training every
    layer is trainable again; until then save under `all_trainable`. Raises ValueError for an optimizer that was built
    while layers were frozen: they could never learn.
    """

    def __init__(self, groups: Mapping[str, Sequence[keras.Layer]], at_start: int = 7) -> None:
        super().__init__()
        self.groups, self.at_start = groups, at_start
        self._made_for: set[str] | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Build the optimizer on all weights, before any is frozen."""
        model = self.model
        self._thaw(tuple(self.groups))
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        known = {id(variable) for variable in model.optimizer._trainable_variables}
        if unknown := [v.path for v in model.trainable_variables if id(v) not in known]:
            raise ValueError(
                "The optimizer was built while layers were frozen, which could never learn: compile the model anew "
                f"with all layers trainable. Received: {len(unknown)} weights unknown to it, such as {unknown[0]}."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Let the groups of this epoch learn."""
        self._learn(trainable_groups(epoch, tuple(self.groups), self.at_start))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leave the model as any other: whole, and without a train function that skips a part of it."""
        self._learn(tuple(self.groups))

    def _learn(self, names: tuple[str, ...]) -> None:
        learning = self._thaw(names)
        if learning == self._made_for:
            return
        self._made_for = learning
        self.model.make_train_function(force=True)  # inside `fit`, flipping `trainable` alone changes nothing
        if keras.backend.backend() == "jax":  # its other functions, too, hold for one division of the variables
            self.model.test_function = self.model.predict_function = None

    def _thaw(self, names: tuple[str, ...]) -> set[str]:
        """Make the layers of these groups trainable and no others; return the names of those that learn."""
        for name, layers in self.groups.items():
            for layer in layers:
                layer.trainable = name in names
        return {layer.name for name in names for layer in self.groups[name]}


@contextmanager
def all_trainable(model: keras.Model) -> Iterator[keras.Model]:
    """Make every layer trainable while a model is saved, and freeze again what was frozen; nothing is traced anew.

    A `.keras` file keeps which layers are trainable, and loading builds the optimizer on the weights of those alone: of
    a file that was written with frozen layers, Keras drops the optimizer's state.
    """
    if keras.backend.backend() == "jax":  # amid an epoch the values are with the trainer, in the present order
        model.jax_state_sync()
    frozen = [layer for layer in model.layers if not layer.trainable]
    for layer in frozen:
        layer.trainable = True
    try:
        yield model
    finally:
        for layer in frozen:
            layer.trainable = False
