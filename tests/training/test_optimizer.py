import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests import ROOT
from tests.small_network import small_backbone
from tfaffect.config import Config
from tfaffect.networks.model import GROUPS, build, layer_groups
from tfaffect.training.losses import Focal
from tfaffect.training.optimizer import LayerwiseAdamW, group_rates, layer_multipliers
from tfaffect.training.schedule import WarmupCosine
from tfaffect.training.unfreezing import GradualUnfreezing, all_trainable

WEIGHTS = ("w0", "b0", "w1")


def test_rates_of_the_groups_are_the_original_ones(oracles):
    reference = json.loads((oracles / "layer_groups.json").read_text())
    rates = dict(zip(reference["groups"], group_rates(GROUPS, 5e-3).values(), strict=True))
    for name, expected in reference["discriminative_learning_rate"].items():
        assert [rates[name]] == expected


def test_no_rate_falls_below_the_floor_by_hand():
    names = ("stem", "top", "embedding", "affect")
    # 0.6 * 1e-4 = 6e-5, and 0.6 * 6e-5 = 3.6e-5, which is below 5e-5
    expected = {"stem": 5e-5, "top": 6e-5, "embedding": 1e-4, "affect": 1e-4}
    assert group_rates(names, 1e-4, factor=0.6) == pytest.approx(expected)
    assert group_rates(names, 1e-5) == dict.fromkeys(names, 1e-5)  # old layers never learn faster than new ones


def test_every_layer_with_weights_gets_the_multiplier_of_its_group():
    model = build(Config(image_size=32), small_backbone())
    factors = layer_multipliers(layer_groups(model), 5e-3)
    assert set(factors) == {layer.name for layer in model.layers if layer.weights}
    by_hand = {"stem_bn": 0.85**12, "block7a_conv": 0.85**5, "top_conv": 0.85**4, "embedding": 1, "affect": 1}
    assert {name: factors[name] for name in by_hand} == pytest.approx(by_hand)
    assert set(layer_multipliers(layer_groups(model), 5e-3, factor=1.0).values()) == {1.0}


def gradients(weights, x, y):
    """The oracles' network by hand: the mean square of tanh(x @ w0 + b0) @ w1 - y."""
    w0, b0, w1 = weights
    hidden = np.tanh(x @ w0 + b0)
    error = 2 * (hidden @ w1 - y) / y.size
    below = (error @ w1.T) * (1 - hidden**2)
    return [x.T @ below, below.sum(axis=0), hidden.T @ error]


def open_reference(path):
    """The reference, and an optimizer as in it, built on variables of its three weights."""
    reference = np.load(path)
    variables = []
    for name in WEIGHTS:
        with keras.name_scope(f"layer_{name}"):
            variables.append(keras.Variable(reference[name], name="weight"))
    optimizer = LayerwiseAdamW(
        float(reference["learning_rate"]),
        {f"layer_{name}": float(factor) for name, factor in zip(WEIGHTS, reference["multipliers"], strict=True)},
        weight_decay=float(reference["weight_decay"]),
        epsilon=float(reference["epsilon"]),
    )
    optimizer.build(variables)
    return reference, optimizer, variables


def learning(reference, step):
    first = reference["first_step"] if "first_step" in reference else np.zeros(3)
    return [number for number in range(3) if step >= first[number]]


@pytest.mark.parametrize("file", ["adamw_groups.npz", "adamw_late_groups.npz"])
def test_every_step_equals_the_original(oracles, file):
    reference, optimizer, variables = open_reference(oracles / file)
    for step, batch in enumerate(zip(reference["x"], reference["y"], strict=True)):
        slopes = gradients([variable.numpy() for variable in variables], *batch)
        joined = learning(reference, step)
        optimizer.apply([slopes[number] for number in joined], [variables[number] for number in joined])
        for name, variable in zip(WEIGHTS, variables, strict=True):
            np.testing.assert_allclose(variable, reference[f"{name}_steps"][step], atol=1e-5)


def state(optimizer, kind):
    return [variable.numpy() for variable in optimizer.variables if variable.name.endswith(kind)]


def test_a_weight_that_has_not_joined_keeps_its_value_and_starts_from_nothing(oracles):
    reference, optimizer, variables = open_reference(oracles / "adamw_groups.npz")
    slopes = gradients([variable.numpy() for variable in variables], reference["x"][0], reference["y"][0])
    for _ in range(3):
        optimizer.apply(slopes[1:], variables[1:])
    assert np.array_equal(variables[0], reference["w0"])
    assert not state(optimizer, "momentum")[0].any()
    assert not state(optimizer, "velocity")[0].any()
    assert state(optimizer, "update_counts")[0].tolist() == [0, 3, 3]
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([slopes[0], None, slopes[2]], variables)
    assert state(optimizer, "update_counts")[0].tolist() == [1, 3, 4]
    # the first step of Adam is the sign of the gradient times the rate, and the decay
    rate = 5e-3 * 0.7225
    expected = reference["w0"] - rate * np.sign(slopes[0]) - rate * 0.01 * reference["w0"]
    np.testing.assert_allclose(variables[0], expected, atol=1e-6)


def test_epsilon_is_added_to_the_corrected_root_by_hand():
    layer = keras.layers.Dense(1, name="layer")
    layer.build((None, 1))
    optimizer = LayerwiseAdamW(0.1, {"layer": 0.5}, weight_decay=1.0, epsilon=1e-6)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    kernel, bias = layer.trainable_variables
    kernel.assign([[2.0]])
    optimizer.build([kernel, bias])
    optimizer.apply([np.full((1, 1), 1e-6, "float32"), np.full(1, 1e-6, "float32")], [kernel, bias])
    # the corrected moments are g and g squared, so a step is half the rate, 0.05, times g / (g + 1e-6) = 1 / 2;
    # epsilon on the root of before would have given 0.03 / 1.03 of it
    assert float(bias[0]) == pytest.approx(-0.025, rel=1e-4)
    assert float(kernel[0, 0]) == pytest.approx(2 - 0.025 - 0.05 * 1.0 * 2, rel=1e-6)


def test_a_weight_of_no_group_is_an_error():
    layer = keras.layers.Dense(2, name="stranger")
    layer.build((None, 3))
    with pytest.raises(ValueError, match=r"no layer that has a multiplier. Received: weight=stranger/kernel"):
        LayerwiseAdamW(1e-3, {"embedding": 1.0}).build(layer.trainable_variables)


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="Received: amsgrad=True"):
        LayerwiseAdamW(1e-3, {}, amsgrad=True)


def test_accumulated_batches_are_one_step_of_their_mean(oracles):
    reference = np.load(oracles / "adamw_groups.npz")
    schedule = WarmupCosine(5e-3, 1e-4, 1e-5, warmup_steps=3, period=2, steps_per_epoch=4)
    results = []
    for accumulated in (None, 2):
        _, plain, variables = open_reference(oracles / "adamw_groups.npz")
        optimizer = LayerwiseAdamW(
            schedule, plain.multipliers, weight_decay=0.01, gradient_accumulation_steps=accumulated
        )
        for number in range(0, 12, 2):
            weights = [variable.numpy() for variable in variables]
            pair = [gradients(weights, reference["x"][n], reference["y"][n]) for n in (number, number + 1)]
            if accumulated:
                for slopes in pair:
                    optimizer.apply(slopes, variables)
            else:
                optimizer.apply([np.mean(slopes, axis=0) for slopes in zip(*pair, strict=True)], variables)
        assert state(optimizer, "update_counts")[0].tolist() == [6, 6, 6]
        results.append([variable.numpy() for variable in variables])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_loss_scaling_leaves_the_steps_alone_and_skips_those_that_overflow(oracles):
    results = []
    for scaled in (False, True):
        reference, optimizer, variables = open_reference(oracles / "adamw_groups.npz")
        outer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0) if scaled else optimizer
        for step in range(4):
            slopes = gradients([variable.numpy() for variable in variables], reference["x"][step], reference["y"][step])
            if scaled:
                slopes = [1024 * slope for slope in slopes]
                if step == 2:
                    outer.apply([np.full_like(slope, np.inf) for slope in slopes], variables)
                    slopes = [slope / 2 for slope in slopes]  # the scale has been halved
                elif step > 2:
                    slopes = [slope / 2 for slope in slopes]
            outer.apply(slopes, variables)
        assert state(optimizer, "update_counts")[0].tolist() == [4, 4, 4]
        results.append([variable.numpy() for variable in variables])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def dense_network(accumulated=None):
    """A compiled network of three layers in two groups, the first at half the rate."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, "tanh", name=name) for name in ("below", "middle")]
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2, name="head", dtype="float32")])
    schedule = WarmupCosine(5e-2, 1e-3, 1e-3, warmup_steps=4, period=2, steps_per_epoch=4)
    factors = {"below": 0.5, "middle": 0.5, "head": 1.0}
    optimizer = LayerwiseAdamW(schedule, factors, weight_decay=0.01, gradient_accumulation_steps=accumulated)
    model.compile(optimizer, loss=Focal(gamma=0.0), jit_compile=False)
    return model


def batches():
    random = np.random.default_rng(0)
    return random.normal(size=(32, 3)).astype("float32"), random.dirichlet(np.ones(2), 32).astype("float32")


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(("precision", "accumulated"), [("float32", None), ("mixed_float16", None), ("float32", 2)])
def test_a_saved_model_goes_on_as_if_it_had_never_stopped(precision, accumulated, policy, tmp_path):
    policy(precision)
    model, (x, y) = dense_network(accumulated), batches()
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert type(model.optimizer).__name__ == ("LossScaleOptimizer" if "mixed" in precision else "LayerwiseAdamW")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(x, y, batch_size=8, initial_epoch=2, epochs=4, shuffle=False, verbose=0)
    assert len(model.optimizer.variables) >= 14  # the iterations, two moments of six weights, and the counts
    for kept, read in zip(
        model.variables + model.optimizer.variables, again.variables + again.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(kept, read)


def test_a_model_saved_with_frozen_layers_is_refused_instead_of_starting_afresh(tmp_path):
    model, (x, y) = dense_network(), batches()
    model.fit(x, y, verbose=0)
    model.get_layer("below").trainable = False
    with all_trainable(model):
        model.save(tmp_path / "whole.keras")
    assert not model.get_layer("below").trainable
    again = keras.saving.load_model(tmp_path / "whole.keras")
    assert state(again.optimizer, "update_counts")[0].tolist() == [1] * 6
    model.save(tmp_path / "part.keras")
    with pytest.raises(ValueError, match="Save a model with all of its layers trainable"):
        keras.saving.load_model(tmp_path / "part.keras")
    assert len(keras.saving.load_model(tmp_path / "part.keras", compile=False).weights) == 6


def run(code, **environment):
    """The lines that Python prints for `code`, in a process of its own."""
    root = ROOT
    environment = {**os.environ, "PYTHONPATH": str(root), **environment}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def train_late(strategy):
    """The weights and counts after two epochs, in the second of which the layer `below` joins."""
    with strategy.scope():
        model = dense_network()
    groups = {"below": [model.layers[0]], "others": model.layers[1:]}
    x, y = batches()
    model.fit(x, y, batch_size=8, epochs=2, callbacks=[GradualUnfreezing(groups, 1)], shuffle=False, verbose=0)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return model.get_weights(), state(optimizer, "update_counts")[0].tolist()


def compare_replicas():
    """Print for each precision the largest difference of two replicas to one device, and the counts of both."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for precision in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(precision)
        one, one_counts = train_late(tf.distribute.get_strategy())
        two, two_counts = train_late(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
        print(max(np.abs(a - b).max() for a, b in zip(one, two, strict=True)), one_counts, two_counts)


@pytest.mark.slow
def test_two_replicas_give_the_weights_of_one_device():
    single, mixed = run("from tests.training.test_optimizer import *; compare_replicas()", CUDA_VISIBLE_DEVICES="-1")[
        -2:
    ]
    for line, tolerance in ((single, 1e-5), (mixed, 1e-3)):  # half precision rounds to a thousandth
        difference, counts = line.split(maxsplit=1)
        assert float(difference) < tolerance
        assert counts == "[4, 4, 8, 8, 8, 8] [4, 4, 8, 8, 8, 8]"


def replay_without_state(path):
    """Print the largest difference to the reference, step by step as the JAX trainer does it."""
    reference, optimizer, variables = open_reference(path)
    values, slots = [variable.value for variable in variables], [variable.value for variable in optimizer.variables]
    worst = 0.0
    for step, batch in enumerate(zip(reference["x"], reference["y"], strict=True)):
        joined = learning(reference, step)
        for number, variable in enumerate(variables):
            variable.trainable = number in joined
        slopes = [keras.ops.convert_to_tensor(slope) for slope in gradients(map(np.asarray, values), *batch)]
        moved, slots = optimizer.stateless_apply(
            slots, [slopes[number] for number in joined], [values[number] for number in joined]
        )
        for number, value in zip(joined, moved, strict=True):
            values[number] = value
        expected = [reference[f"{name}_steps"][step] for name in WEIGHTS]
        worst = max(worst, *(np.abs(value - other).max() for value, other in zip(values, expected, strict=True)))
    print(worst)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize("file", ["adamw_groups.npz", "adamw_late_groups.npz"])
def test_every_step_equals_the_original_under_jax(oracles, file):
    code = f"from tests.training.test_optimizer import replay_without_state as go; go({str(oracles / file)!r})"
    assert float(run(code, KERAS_BACKEND="jax")[-1]) < 1e-5
