"""AdamW with a learning rate per layer: old layers learn more slowly, and layers that join late start afresh."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import keras
from keras import ops


def group_rates(
    groups: Sequence[str],
    peak_rate: float,
    factor: float = 0.85,
    floor_rate: float = 5e-5,
    first_new: str = "embedding",
) -> dict[str, float]:
    """Return the learning rate of each layer group at the schedule's peak.

    `groups` are named from the picture to the heads. Those from `first_new` on learn at `peak_rate`, each below at
    `factor` of the one above it, whether or not they hold weights, but not below `floor_rate` (nor above `peak_rate`).
    Discriminative fine-tuning: Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018.
    """
    names = list(groups)
    rates = dict.fromkeys(names, peak_rate)
    for place in reversed(range(names.index(first_new))):
        rates[names[place]] = max(factor * rates[names[place + 1]], min(floor_rate, peak_rate))
    return rates


def layer_multipliers(
    groups: Mapping[str, Sequence[keras.Layer]], peak_rate: float, factor: float = 0.85, floor_rate: float = 5e-5
) -> dict[str, float]:
    """Return the multiplier of the learning rate of every layer, by layer name; with `factor` 1 all are 1.

    `groups` are those of `tfaffect.networks.model.layer_groups`, `peak_rate` the highest rate of the schedule.
    """
    rates = group_rates(tuple(groups), peak_rate, factor, floor_rate)
    return {layer.name: rates[name] / peak_rate for name, layers in groups.items() for layer in layers}


@keras.saving.register_keras_serializable("tfaffect")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a multiplier per layer on the rate and on the decay, and a step count per weight.

    `multipliers` maps the name of every layer with weights to its factor. A weight's count, from which its bias
    correction follows, moves only in steps that bring it a gradient: one that is frozen at first is neither decayed nor
    averaged, and starts like any other when it joins. With Adam's single count its first steps would be 3 to 6 times
    too long. Under gradient accumulation a schedule counts optimizer steps, where Keras counts batches.

    Build it on all weights before any is frozen, and save under `unfreezing.all_trainable`. Epsilon is added
    to the corrected root, as in Algorithm 2 of Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019,
    and in PyTorch; keras.optimizers.AdamW adds it to the root of before, in the first step as good as a 32 times larger
    one. Raises ValueError for a weight whose layer has no multiplier.
    """

    def __init__(self, learning_rate, multipliers: Mapping[str, float], **kwargs) -> None:
        if kwargs.get("amsgrad"):
            raise ValueError("LayerwiseAdamW does not know AMSGrad. Received: amsgrad=True.")
        super().__init__(learning_rate, **kwargs)
        self.multipliers = dict(multipliers)

    def build(self, variables) -> None:
        """Make moments and counts for the model's trainable variables."""
        if self.built:
            return
        self._factors = [self._factor(variable) for variable in variables]
        super().build(variables)
        # One vector instead of a scalar per weight: the network has 307, each of which would be read and written.
        self._counts = self.add_variable(
            (len(variables),), dtype="int", aggregation="only_first_replica", name="update_counts"
        )

    def _factor(self, variable: keras.Variable) -> float:
        for part in reversed(variable.path.split("/")[:-1]):  # a path names the layers around a weight, the inner last
            if part in self.multipliers:
                return self.multipliers[part]
        raise ValueError(f"A weight belongs to no layer that has a multiplier. Received: weight={variable.path}.")

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """Return the updated values of the weights that are trainable now, and of the optimizer's variables.

        This is what the JAX trainer calls. Keras's own insists on all weights that the optimizer was built on, so it
        fails on every model with frozen layers.
        """
        learning = [variable for variable in self._trainable_variables if variable.trainable]
        if len(learning) == len(self._trainable_variables):
            return super().stateless_apply(optimizer_variables, grads, trainable_variables)
        mapping = [
            *zip(learning, trainable_variables, strict=True),
            *zip(self.variables, optimizer_variables, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self.apply(grads, learning)
        return tuple([scope.get_current_value(v) for v in variables] for variables in (learning, self.variables))

    def update_step(self, gradient, variable, scales) -> None:
        """Move one weight; `scales` are those of all weights, from `_scales`."""
        # TensorFlow hands over its own variable, which has lost its path: the index is what remains.
        index = self._get_variable_index(variable)
        rate, epsilon, decay = ops.unstack(ops.cast(scales[index], variable.dtype), 3)
        gradient = ops.cast(gradient, variable.dtype)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1 - self.beta_1))
        self.assign_add(v, ops.multiply(ops.subtract(ops.square(gradient), v), 1 - self.beta_2))
        step = ops.divide(ops.multiply(m, rate), ops.add(ops.sqrt(v), epsilon))
        if self._use_weight_decay(variable):
            step = ops.add(step, ops.multiply(variable, decay))
        self.assign_sub(variable, step)

    def _backend_update_step(self, grads, trainable_variables, learning_rate) -> None:
        """Count the step for the weights that take it, and hand everybody's scales on in the place of the rate."""
        moving = {self._get_variable_index(variable) for variable in trainable_variables}
        taken = [int(index in moving) for index in range(len(self._factors))]
        counts = ops.add(self._counts, ops.convert_to_tensor(taken, self._counts.dtype))
        self._counts.assign(counts)
        super()._backend_update_step(grads, trainable_variables, self._scales(counts, learning_rate))

    def _scales(self, counts, learning_rate):
        """Return (weights, 3): the rate with the bias corrections in it, epsilon to match, and the decay of a step."""
        counts = ops.cast(ops.maximum(counts, 1), "float32")  # a weight that never moved needs no number, but no NaN
        rates = ops.multiply(ops.cast(learning_rate, "float32"), ops.convert_to_tensor(self._factors, "float32"))
        # 1 - beta^count; the plain difference has lost four of seven digits in the first step
        first, second = (-ops.expm1(counts * math.log(beta)) for beta in (self.beta_1, self.beta_2))
        root = ops.sqrt(second)
        return ops.stack([rates * root / first, self.epsilon * root, rates * self.weight_decay], axis=1)

    def finalize_variable_values(self, var_list) -> None:
        """Do nothing: Keras would put the averages in the place of the weights wherever a `fit` ends."""

    def _apply_weight_decay(self, variables) -> None:
        """Do nothing: the decay is part of `update_step`, which knows the weight's multiplier on every replica."""

    def _get_current_learning_rate(self):
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    @property
    def last_learning_rate(self) -> float:
        """The rate of the step before; `learning_rate` is that of the next one, in another epoch at its end."""
        rate = self._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(ops.maximum(ops.convert_to_tensor(self.iterations) - 1, 0))
        return ops.convert_to_numpy(rate).item()

    def load_own_variables(self, store) -> None:
        """Restore moments and counts; Keras only warns, and starts afresh, where they do not fit."""
        if len(store.keys()) != len(self.variables):
            raise ValueError(
                "The optimizer's state does not fit the weights that it was built on. Save a model with all of its "
                "layers trainable (tfaffect.training.unfreezing.all_trainable), or load it with compile=False. "
                f"Received: {len(store.keys())} variables for {len(self.variables)}."
            )
        super().load_own_variables(store)

    def get_config(self) -> dict:
        """Return the arguments, for saving."""
        return {**super().get_config(), "multipliers": dict(self.multipliers)}
