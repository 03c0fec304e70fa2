"""What a run writes for TensorBoard, read back as TensorBoard reads it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator

from tests.training.test_unfreezing import network
from tfaffect.networks.model import layer_groups
from tfaffect.training.callbacks.tensorboard import TensorBoard, grid
from tfaffect.training.unfreezing import GradualUnfreezing

RATES = [5e-3, 4e-3, 1e-3, 2e-3]
FIGURES = {"val_loss": 0.7, "val_fer_plus/expression_uar": 0.25, "selection": 0.5}
# what of `layer_groups` holds weights, and how many groups it lies below those that learn at the full rate
BELOW = {"stem": 12, **{f"block{number}": 12 - number for number in range(1, 8)}, "top": 4}
NEW = ("embedding", "batchnorm", "expression", "affect")
STEPS = 36  # an epoch: 72 faces in pairs


class Run(keras.callbacks.Callback):
    """Does what the rest of a run does: sets rates, adds figures of validation; and keeps the loss of every step."""

    def __init__(self):
        super().__init__()
        self.losses, self.epoch_losses = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = RATES[epoch]

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.epoch_losses.append(logs["loss"])
        logs |= {name: value + epoch for name, value in FIGURES.items()}


def faces():
    """Ten pictures, each of one colour."""
    return np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None, None, None] * 20, (10, 4, 4, 3))


def fit(model, folder, first, epochs):
    """Train on 72 faces under gradual unfreezing, and return what `Run` kept."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (2 * STEPS, 32, 32, 3), dtype=np.uint8)
    targets = {name: random.uniform(-1, 1, 2 * STEPS).astype("float32") for name in ("valence", "arousal")}
    targets["expression"] = np.eye(8, dtype="float32")[random.integers(0, 8, 2 * STEPS)]
    groups, run = layer_groups(model), Run()
    callbacks = [GradualUnfreezing(groups), run, TensorBoard(folder, groups, faces)]
    order = {"initial_epoch": first, "epochs": epochs, "batch_size": 2, "shuffle": False, "verbose": 0}
    model.fit(pictures, targets, callbacks=callbacks, **order)
    return run


def read(folder):
    """Everything that lies in a folder of event files: tag -> [(step, value)]."""
    events = EventAccumulator(str(folder), size_guidance={TENSORS: 0}).Reload()
    tags = events.Tags()[TENSORS]
    return {tag: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)] for tag in tags}


def values(events, tag, first=1):
    """The values of a tag that has one for every epoch."""
    assert [step for step, _ in events[tag]] == list(range(first, first + len(events[tag])))
    return [value.item() for _, value in events[tag]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the events of three epochs, the model, and what the run kept."""
    folder, model = tmp_path_factory.mktemp("events") / "new" / "tensorboard", network()
    return folder, model, fit(model, folder, 0, 3)


@pytest.fixture(scope="module")
def events(trained):
    """What the three epochs wrote."""
    return read(trained[0])


def test_every_figure_of_an_epoch_lies_under_its_split(trained, events):
    assert values(events, "train/loss") == pytest.approx(trained[2].epoch_losses)
    assert values(events, "validation/loss") == pytest.approx([0.7, 1.7, 2.7])
    assert values(events, "validation/fer_plus/expression_uar") == [0.25, 1.25, 2.25]
    assert values(events, "validation/selection") == [0.5, 1.5, 2.5]
    figures = {"loss", "expression_loss", "valence_loss", "arousal_loss"}
    assert {tag for tag in events if tag.startswith("train/")} == {f"train/{name}" for name in figures}


def test_every_group_with_layers_has_the_rate_that_it_learns_at(events):
    assert values(events, "learning_rate") == pytest.approx(RATES[:3])
    below = {**BELOW, **dict.fromkeys(NEW, 0)}
    assert {tag for tag in events if tag.startswith("rate/")} == {f"rate/{name}" for name in below}
    for name, groups in below.items():
        assert values(events, f"rate/{name}") == pytest.approx([rate * 0.85**groups for rate in RATES[:3]])


def test_what_learned_in_an_epoch_is_marked_there(events):
    learned = {tag.removeprefix("trainable/"): values(events, tag) for tag in events if tag.startswith("trainable/")}
    # the pooling joins in the second epoch and has no weights, the top in the third
    frozen = {name: [0, 0, 0] for name in BELOW}
    assert learned == frozen | {name: [1, 1, 1] for name in NEW} | {"top": [0, 0, 1]}


def test_the_loss_of_the_epoch_so_far_has_a_point_every_fifty_steps(trained, events):
    losses = trained[2].losses
    assert len(losses) == 3 * STEPS
    assert [step for step, _ in events["step/loss"]] == [50, 100]
    assert [value.item() for _, value in events["step/loss"]] == pytest.approx([losses[49], losses[99]])


def test_the_faces_are_there_once_as_one_picture(events):
    [(step, (width, height, picture))] = events["augmented faces"]
    assert (step, int(width), int(height)) == (0, 46, 10)  # eight cells of four pixels and seven gaps of two
    decoded = tf.io.decode_png(picture).numpy()
    np.testing.assert_array_equal(decoded, grid(faces()))
    assert decoded[0, ::6, 0].tolist() == [0, 20, 40, 60, 80, 100, 120, 140]
    assert decoded[6, ::6, 0].tolist() == [160, 180, *6 * [255]]
    assert (decoded[4:6] == 255).all()
    assert (decoded[:, 4:6] == 255).all()


def test_fewer_faces_than_a_row_leave_no_room_empty():
    assert grid(faces()[:3]).shape == (4, 16, 3)
    assert grid(faces()[:8]).shape == (4, 46, 3)


def test_a_run_that_goes_on_adds_a_file_and_no_picture(trained, tmp_path):
    folder, model, _ = trained
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    fit(model, tmp_path, 3, 4)
    assert len(list(tmp_path.iterdir())) == 2
    events = read(tmp_path)
    assert values(events, "learning_rate") == pytest.approx(RATES)
    assert values(events, "trainable/block7") == [0, 0, 0, 1]
    assert len(events["augmented faces"]) == 1


def test_a_run_that_goes_on_amid_its_first_epoch_counts_on_and_shows_no_picture(tmp_path):
    model = network()
    model.optimizer.iterations.assign(20)
    fit(model, tmp_path, 0, 1)
    events = read(tmp_path)
    assert "augmented faces" not in events
    assert [step for step, _ in events["step/loss"]] == [50]


def test_batches_whose_gradients_are_gathered_make_one_step(tmp_path):
    model = network()
    optimizer = type(model.optimizer)(5e-3, model.optimizer.multipliers, gradient_accumulation_steps=2)
    model.compile(optimizer, {"expression": "mse", "valence": "mse", "arousal": "mse"}, jit_compile=False)
    optimizer.build(model.trainable_variables)
    run = fit(model, tmp_path, 0, 3)
    assert int(optimizer.iterations) == 3 * STEPS // 2
    [(step, loss)] = read(tmp_path)["step/loss"]
    assert step == 50
    assert loss == pytest.approx(run.losses[99])
