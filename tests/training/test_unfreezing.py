import json

import keras
import numpy as np
import pytest

from tests.small_network import small_backbone
from tfaffect.config import Config
from tfaffect.networks.model import GROUPS, build, layer_groups
from tfaffect.training.optimizer import LayerwiseAdamW, layer_multipliers
from tfaffect.training.unfreezing import GradualUnfreezing, all_trainable, trainable_groups

NEW = {"embedding", "batchnorm", "expression", "affect"}
STATISTICS = ("moving_mean", "moving_variance")


def test_the_groups_of_every_epoch_are_the_original_ones(oracles):
    reference = json.loads((oracles / "layer_groups.json").read_text())
    ours = dict(zip(GROUPS, reference["groups"], strict=True))
    for epoch, expected in enumerate(reference["trainable_at_epoch"]):
        names = [ours[name] for name in trainable_groups(epoch, GROUPS)]
        assert [name for name in names if reference["params"][name]] == expected


def test_groups_by_hand():
    assert trainable_groups(0, "abcd", at_start=1) == ("d",)
    assert trainable_groups(2, "abcd", at_start=1) == ("b", "c", "d")
    assert trainable_groups(99, "abcd", at_start=1) == ("a", "b", "c", "d")
    assert len(trainable_groups(0, GROUPS)) == 7
    assert len(trainable_groups(9, GROUPS)) == 16


def network(factor=0.85, last="top"):
    """The small network up to a block, compiled; no dropout, so that its steps repeat."""
    keras.utils.set_random_seed(0)
    whole = small_backbone()
    backbone = keras.Model(whole.input, whole.get_layer(f"{last}_activation").output)
    model = build(Config(image_size=32, dropout=0.0), backbone)
    optimizer = LayerwiseAdamW(5e-3, layer_multipliers(layer_groups(model), 5e-3, factor), weight_decay=1e-4)
    classes = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer,
        {"expression": classes, "valence": "mse", "arousal": "mse"},
        jit_compile=keras.backend.backend() == "jax",
    )
    return model


def fit(model, epochs, *callbacks, first=0):
    """Train on 16 faces, two steps an epoch, and return the losses."""
    random = np.random.default_rng(0)
    faces = random.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    targets = {name: random.uniform(-1, 1, 16).astype("float32") for name in ("valence", "arousal")}
    targets["expression"] = np.eye(8, dtype="float32")[random.integers(0, 8, 16)]
    order = {"initial_epoch": first, "epochs": epochs, "batch_size": 8, "shuffle": False, "verbose": 0}
    return model.fit(faces, targets, callbacks=list(callbacks), **order).history["loss"]


def count_traces(model):
    """Return a list that grows by one element each time the train step is traced."""
    traces, step = [], model.train_step

    def counted(*arguments):  # under JAX the state of the model is one of them
        traces.append(1)
        return step(*arguments)

    model.train_step = counted
    return traces


def snapshot(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def state(model):
    """Copies of all weights, and of all variables of the optimizer."""
    return [np.array(variable) for variable in model.weights + model.optimizer.variables]


def moved(before, after):
    """The groups with a learned weight that moved, and those with a BatchNorm statistic that moved."""
    paths = [path for path in before if not np.array_equal(before[path], after[path])]
    group = {path: next(name for name in GROUPS if path.startswith(name)) for path in paths}
    weights = {name for path, name in group.items() if not path.endswith(STATISTICS)}
    return weights, {name for path, name in group.items() if path.endswith(STATISTICS)}


class Watch(keras.callbacks.Callback):
    """Keeps after each epoch what moved in it, and how often the train step had been traced."""

    def __init__(self, traces):
        super().__init__()
        self.traces, self.weights, self.statistics, self.traced = traces, [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.before = snapshot(self.model)

    def on_epoch_end(self, epoch, logs=None):
        weights, statistics = moved(self.before, snapshot(self.model))
        self.weights.append(weights)
        self.statistics.append(statistics)
        self.traced.append(len(self.traces))


class SaveAt(keras.callbacks.Callback):
    """Saves the model after an epoch, as a run does: whole, though layers are frozen."""

    def __init__(self, epoch, path):
        super().__init__()
        self.epoch, self.path = epoch, path

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            before = [layer.trainable for layer in self.model.layers]
            with all_trainable(self.model):
                self.model.save(self.path)
            assert [layer.trainable for layer in self.model.layers] == before
            assert False in before


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Where `watched` is saved after its third epoch."""
    return tmp_path_factory.mktemp("unfreezing") / "model.keras"


@pytest.fixture(scope="module")
def watched(file):
    """The small network after four epochs, what was seen in them, and its state then: a test trains it on."""
    model = network()
    watch = Watch(count_traces(model))
    fit(model, 4, GradualUnfreezing(layer_groups(model)), SaveAt(2, file), watch)
    return model, watch, state(model)


def test_a_model_saved_while_layers_are_frozen_goes_on_from_there_exactly(watched, file):
    _, watch, after_four_epochs = watched
    again = keras.saving.load_model(file)
    resumed = Watch([])
    fit(again, 4, GradualUnfreezing(layer_groups(again)), resumed, first=3)
    assert resumed.weights == watch.weights[3:]
    for kept, read in zip(after_four_epochs, state(again), strict=True):
        np.testing.assert_array_equal(kept, read)


def test_exactly_the_groups_of_the_epoch_learn_and_late_ones_really_do(watched):
    # avg_pool joins in epoch 1 and has nothing to learn
    assert watched[1].weights == [NEW, NEW, NEW | {"top"}, NEW | {"top", "block7"}]


def test_frozen_batchnorm_keeps_its_statistics(watched):
    new = {"batchnorm"}
    assert watched[1].statistics == [new, new, new | {"top"}, new | {"top", "block7"}]


def test_tracing_again_only_when_the_learning_layers_change(watched):
    first, second, third, fourth = watched[1].traced  # the model was saved between the last two
    assert (second - first, third - second, fourth - third) == (0, 1, 1)


def test_after_training_every_layer_is_trainable_and_trains(watched):
    model = watched[0]
    assert all(layer.trainable for layer in model.layers)
    before = snapshot(model)
    fit(model, 1)
    assert moved(before, snapshot(model))[0] == {name for name, layers in layer_groups(model).items() if layers}


def test_frozen_layers_run_as_in_inference():
    model = network()
    unfreezing = GradualUnfreezing(layer_groups(model))
    unfreezing.set_model(model)
    unfreezing.on_train_begin()
    features = keras.Model(model.inputs[0], model.get_layer("top_activation").output)
    faces = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    expected = np.asarray(features(faces, training=False))
    for epoch, frozen in ((0, True), (2, False)):
        unfreezing.on_epoch_begin(epoch)
        assert np.array_equal(features(faces, training=True), expected) is frozen


def test_all_trainable_puts_the_state_back_after_an_error():
    model = build(Config(image_size=32), small_backbone())
    model.get_layer("stem_bn").trainable = False
    during = []

    def fail():
        with all_trainable(model):
            during.extend(layer.trainable for layer in model.layers)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert all(during)
    assert [layer.name for layer in model.layers if not layer.trainable] == ["stem_bn"]


class StemSteps(keras.callbacks.Callback):
    """Keeps how far the weights of the stem got in each epoch, at most."""

    longest = []

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self.model.get_layer("stem_conv").get_weights()[0]

    def on_epoch_end(self, epoch, logs=None):
        distance = np.abs(self.model.get_layer("stem_conv").get_weights()[0] - self.before).max()
        self.longest = [*self.longest, distance]


def test_a_model_that_an_interrupted_run_left_frozen_goes_on():
    model = network()
    for epoch in (0, 2):  # each time a new callback, of which none comes to its end
        unfreezing = GradualUnfreezing(layer_groups(model))
        unfreezing.set_model(model)
        unfreezing.on_train_begin()
        unfreezing.on_epoch_begin(epoch)
    learning = {layer.name for layer in model.layers if layer.weights and layer.trainable}
    assert learning == NEW | {"top_conv", "top_bn"}


def test_an_optimizer_built_on_frozen_layers_is_refused():
    model = network()
    model.get_layer("stem_conv").trainable = False
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(ValueError, match="Received: 1 weights unknown to it, such as stem_conv/kernel"):
        fit(model, 1, GradualUnfreezing(layer_groups(model)))


@pytest.mark.parametrize("factor", [1.0, 0.85], ids=["one rate", "rate per group"])
@pytest.mark.parametrize("unfreezing", [False, True], ids=["whole", "unfreezing"])
def test_both_techniques_work_alone_and_together(factor, unfreezing):
    model = network(factor, last="block2a")
    watch, steps = Watch([]), StemSteps()
    callbacks = [GradualUnfreezing(layer_groups(model), at_start=16)] if unfreezing else []  # the stem joins in epoch 1
    losses = fit(model, 8, *callbacks, watch, steps)
    assert losses[-1] < 0.7 * losses[0]
    everything = {name for name, layers in layer_groups(model).items() if layers}
    assert watch.weights == [everything - {"stem"} if unfreezing else everything] + [everything] * 7
    # Adam's first two steps are of the length of the rate each, the decay is 1e-4 of that
    rate = 5e-3 * factor**12
    expected = [0, 2 * rate] if unfreezing else [2 * rate]
    assert steps.longest[: len(expected)] == pytest.approx(expected, rel=0.05)
