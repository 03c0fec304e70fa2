"""AdamW with a learning rate per layer, for pretrained layers and for layers that are unfrozen later."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

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

    `groups` are in order from the input to the heads. Groups from `first_new` on learn at `peak_rate`. Each earlier
    group, also one without weights, learns at `factor` times the rate of the next group, but not below `floor_rate`
    (nor above `peak_rate`). Discriminative fine-tuning: Howard and Ruder, Universal Language Model Fine-tuning, 2018.
    """
    names = list(groups)
    rates = dict.fromkeys(names, peak_rate)
    for index in reversed(range(names.index(first_new))):
        rates[names[index]] = max(factor * rates[names[index + 1]], min(floor_rate, peak_rate))
    return rates


def layer_multipliers(
    groups: Mapping[str, Sequence[keras.Layer]], peak_rate: float, factor: float = 0.85, floor_rate: float = 5e-5
) -> dict[str, float]:
    """Return the learning rate multiplier of every layer by name. `groups`: see `networks.model.layer_groups`."""
    rates = group_rates(tuple(groups), peak_rate, factor, floor_rate)
    return {layer.name: rates[name] / peak_rate for name, layers in groups.items() for layer in layers}


@keras.saving.register_keras_serializable("tfaffect")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a multiplier per layer for rate and decay, and with a step count per weight.

    `multipliers` maps the name of every layer with weights to its factor. The count of a weight, which determines its
    bias correction, only increases in steps with a gradient. So a frozen weight is not decayed or averaged, and starts
    like any other after unfreezing. With Adam's single count its first steps would be 3 to 6 times too long. Under
    gradient accumulation the schedule counts optimizer steps; Keras counts batches.

    Build it on all weights before any is frozen, and save under `unfreezing.all_trainable`. Epsilon is added to the
    corrected root, as in PyTorch and in Algorithm 2 of Loshchilov and Hutter, Decoupled Weight Decay Regularization,
    2019. Keras's AdamW adds it to the uncorrected root, which in the first step acts like a 32 times larger one. Raises
    ValueError for a weight whose layer has no multiplier.
    """

    def __init__(self, learning_rate: Any, multipliers: Mapping[str, float], **kwargs) -> None:
        if kwargs.get("amsgrad"):
            raise ValueError("LayerwiseAdamW does not support AMSGrad. Received: amsgrad=True.")
        super().__init__(learning_rate, **kwargs)
        self.multipliers = dict(multipliers)

    def build(self, variables: Any) -> None:
        """Create moments and counts for the model's trainable variables."""
        if self.built:
            return
        self._factors = [self._factor(variable) for variable in variables]
        super().build(variables)
        # One vector, because 307 scalar counts (one per weight) would be read and written one by one.
        self._counts = self.add_variable(
            (len(variables),), dtype="int", aggregation="only_first_replica", name="update_counts"
        )

    def _factor(self, variable: keras.Variable) -> float:
        for part in reversed(variable.path.split("/")[:-1]):  # the layers around the weight, innermost last
            if part in self.multipliers:
                return self.multipliers[part]
        raise ValueError(f"A weight belongs to no layer that has a multiplier. Received: weight={variable.path}.")

    def stateless_apply(self, optimizer_variables: Any, grads: Any, trainable_variables: Any) -> Any:
        """Return the updated values of the trainable weights and of the optimizer's variables.

        The JAX trainer calls this. Keras's own method needs all weights that the optimizer was built on, so it fails
        for a model with frozen layers.
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

    def update_step(self, gradient: Any, variable: Any, scales: Any) -> None:
        """Update one weight; `scales` are those of all weights, from `_scales`."""
        # TensorFlow passes its own variable, which has no path, only an index.
        index = self._get_variable_index(variable)
        rate, epsilon, decay = ops.unstack(ops.cast(scales[index], variable.dtype), 3)
        gradient = ops.cast(gradient, variable.dtype)
        m, v = self._momentums[index], self._velocities[index]
        if self._use_weight_decay(variable):
            self.assign_sub(variable, ops.multiply(variable, decay))
        if keras.backend.backend() == "tensorflow":
            self._update_in_one_kernel(variable, m, v, rate, epsilon, gradient)
            return
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1 - self.beta_1))
        self.assign_add(v, ops.multiply(ops.subtract(ops.square(gradient), v), 1 - self.beta_2))
        self.assign_sub(variable, ops.divide(ops.multiply(m, rate), ops.add(ops.sqrt(v), epsilon)))

    def _update_in_one_kernel(self, variable: Any, m: Any, v: Any, rate: Any, epsilon: Any, gradient: Any) -> None:
        """Update a weight and its moments in one loop over the memory; TensorFlow's separate kernels take ten.

        The powers are 0, because `rate` and `epsilon` contain the bias correction already.
        """
        import tensorflow as tf

        zero, beta_1, beta_2 = (tf.cast(value, variable.dtype) for value in (0, self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.value.handle,
            v=v.value.handle,
            beta1_power=zero,
            beta2_power=zero,
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=gradient,
        )

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Count the step for the weights that are updated, and pass the scales of all weights in place of the rate."""
        updated = {self._get_variable_index(variable) for variable in trainable_variables}
        steps = [int(index in updated) for index in range(len(self._factors))]
        counts = ops.add(self._counts, ops.convert_to_tensor(steps, self._counts.dtype))
        self._counts.assign(counts)
        super()._backend_update_step(grads, trainable_variables, self._scales(counts, learning_rate))

    def _scales(self, counts: Any, learning_rate: Any) -> Any:
        """Return (weights, 3): the bias-corrected rate, the epsilon that fits it, and the decay of a step."""
        counts = ops.cast(ops.maximum(counts, 1), "float32")  # avoids NaN for weights that were never updated
        rates = ops.multiply(ops.cast(learning_rate, "float32"), ops.convert_to_tensor(self._factors, "float32"))
        # 1 - beta^count; the direct subtraction loses four of seven digits in the first step
        first, second = (-ops.expm1(counts * math.log(beta)) for beta in (self.beta_1, self.beta_2))
        root = ops.sqrt(second)
        return ops.stack([rates * root / first, self.epsilon * root, rates * self.weight_decay], axis=1)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Do nothing: Keras would replace the weights by their averages at the end of every `fit`."""

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: `update_step` applies the decay, with the multiplier of the weight, on every replica."""

    def _get_current_learning_rate(self) -> Any:
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    @property
    def last_learning_rate(self) -> float:
        """The rate of the last step; `learning_rate` is that of the next one, which may be in the next epoch."""
        rate = self._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(ops.maximum(ops.convert_to_tensor(self.iterations) - 1, 0))
        return ops.convert_to_numpy(rate).item()

    def load_own_variables(self, store: Any) -> None:
        """Restore moments and counts. Raises ValueError if they do not fit; Keras would only warn and start anew."""
        if len(store.keys()) != len(self.variables):
            raise ValueError(
                "The optimizer's state does not fit the weights that it was built on. Save a model with all of its "
                "layers trainable (tfaffect.training.unfreezing.all_trainable), or load it with compile=False. "
                f"Received: {len(store.keys())} variables for {len(self.variables)}."
            )
        super().load_own_variables(store)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "multipliers": dict(self.multipliers)}
