import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.labels import CLASSES
from tfaffect.training import losses
from tfaffect.training.objective import head_losses

NAMES = ["all_labels", "mixed", "no_va", "no_class"]


@pytest.fixture(params=NAMES)
def case(request, oracles):
    """Inputs, weights as `batches.targets` would give them, and the original's numbers."""
    arrays = dict(np.load(oracles / f"loss_{request.param}.npz"))
    reference = json.loads((oracles / "losses.json").read_text())[request.param]
    label = arrays["label"]
    known = np.isfinite(label)
    targets = {"expression": np.eye(8, dtype=np.float32)[np.where(known, label, 0).astype(int)] * known[:, None]}
    weights = {"expression": known.astype(np.float32)}
    for name in ("valence", "arousal"):
        weights[name] = np.isfinite(arrays[name]).astype(np.float32)
        targets[name] = np.nan_to_num(arrays[name])
    return arrays, targets, weights, reference


def total_and_gradients(arrays, targets, weights, counts):
    """The recipe's total loss and its gradients to logits and to (arousal, valence)."""
    config = Config()
    heads = head_losses(config, np.asarray(counts, float))
    logits, affect = tf.constant(arrays["logits"]), tf.constant(arrays["arousal_valence"])
    with tf.GradientTape() as tape:
        tape.watch([logits, affect])
        outputs = {"expression": logits, "arousal": affect[:, 0], "valence": affect[:, 1]}
        parts = {name: heads[name](targets[name], outputs[name], weights[name]) for name in heads}
        total = parts["arousal"] + parts["valence"] + config.expression_loss_weight * parts["expression"]
    return parts, total, tape.gradient(total, [logits, affect])


def test_losses_and_gradients_equal_the_original(case):
    arrays, targets, weights, reference = case
    parts, total, gradients = total_and_gradients(arrays, targets, weights, reference["class_counts"])
    expected = reference["expected"]
    for head, key in [("expression", "focal"), ("valence", "valence_rmse"), ("arousal", "arousal_rmse")]:
        assert float(parts[head]) == pytest.approx(expected[key] or 0.0, rel=1e-5)
    assert float(total) == pytest.approx(expected["total"], rel=1e-5)
    np.testing.assert_allclose(gradients[0], arrays["grad_logits"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(gradients[1], arrays["grad_arousal_valence"], rtol=1e-5, atol=1e-7)


def test_class_weights_equal_the_original(case):
    *_, reference = case
    weights = losses.class_weights(reference["class_counts"], "inverse_frequency")
    np.testing.assert_allclose(weights, reference["class_weights"], rtol=1e-6)


def test_class_weights_by_hand():
    assert losses.class_weights([1, 3], "inverse_frequency") == pytest.approx([0.75, 0.25])
    assert losses.class_weights([5, 0, 5], "inverse_frequency") == pytest.approx([0.5, 0, 0.5])
    assert losses.class_weights([5, 1], "none") is None
    one, many = losses.class_weights([1, 1e9], "effective_number")
    assert one / many == pytest.approx(1e4)  # a class counts as 1 / (1 - 0.9999) faces at most


def test_focal_by_hand_on_votes():
    logits = np.log([[0.5, 0.25, 0.25]]).astype(np.float32)
    votes = np.array([[0.5, 0.5, 0.0]], np.float32)
    loss = losses.Focal(alpha=[0.2, 0.3, 0.5], gamma=2.0)(votes, logits)
    by_hand = 0.5 * 0.2 * 0.5**2 * math.log(2) + 0.5 * 0.3 * 0.75**2 * math.log(4)
    assert float(loss) == pytest.approx(by_hand, rel=1e-6)


def test_focal_without_gamma_and_alpha_is_cross_entropy():
    rng = np.random.default_rng(0)
    logits, votes = rng.normal(size=(6, 8)).astype(np.float32), rng.dirichlet(np.ones(8), 6).astype(np.float32)
    reference = keras.losses.CategoricalCrossentropy(from_logits=True)(votes, logits)
    assert float(losses.Focal(gamma=0.0)(votes, logits)) == pytest.approx(float(reference), rel=1e-5)


@pytest.mark.parametrize("kind", ["rmse", "mse", "ccc"])
def test_a_batch_without_labels_gives_zero_and_zero_gradients(kind):
    heads = head_losses(Config(affect_loss=kind), np.ones(8))
    logits, affect = tf.random.normal((4, len(CLASSES))), tf.random.normal((4,))
    with tf.GradientTape() as tape:
        tape.watch([logits, affect])
        nothing, no_votes = np.zeros(4, np.float32), np.zeros((4, 8), np.float32)
        total = heads["expression"](no_votes, logits, nothing) + heads["valence"](nothing, affect, nothing)
    assert float(total) == 0.0
    for gradient in tape.gradient(total, [logits, affect]):
        assert np.array_equal(gradient, np.zeros_like(gradient))


def test_a_perfect_prediction_has_no_gradient_and_no_nan():
    values = tf.constant([0.1, -0.4, 0.9])
    for loss in (losses.RootMeanSquaredError(), losses.MeanSquaredError(), losses.ConcordanceLoss()):
        with tf.GradientTape() as tape:
            tape.watch(values)
            error = loss(tf.identity([0.1, -0.4, 0.9]), values)
        assert float(error) == pytest.approx(0.0, abs=1e-6)
        np.testing.assert_allclose(tape.gradient(error, values), np.zeros(3), atol=1e-5)


def test_concordance_loss_by_hand():
    # means 0 and 0.5, variances 1 and 1, covariance 1: CCC = 2 / (2 + 0.25)
    loss = losses.ConcordanceLoss()(np.array([-1.0, 1.0, 0.3]), np.array([-0.5, 1.5, 9.0]), np.array([1, 1, 0]))
    assert float(loss) == pytest.approx(1 - 2 / 2.25, rel=1e-6)


def test_one_labelled_face_counts_as_much_as_a_full_batch_of_it():
    one = losses.RootMeanSquaredError()(np.array([0.5, 0, 0]), np.array([0.1, 9, 9]), np.array([1, 0, 0]))
    assert float(one) == pytest.approx(0.4, rel=1e-6)
