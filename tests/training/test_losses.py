import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.labels import CLASSES
from tfaffect.records.prepared import Prepared
from tfaffect.training import losses
from tfaffect.training.objective import class_shares, head_losses

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


def test_logit_adjustment_by_hand_on_votes():
    """Three faces of four have class 0. At logits of 0 the loss sees (3/4, 1/4) with tau 1, (3, 1) ** 0.5 with 1/2."""
    votes, logits = np.array([[0.5, 0.5]], np.float32), np.zeros((1, 2), np.float32)
    whole, half = (losses.Focal(gamma=0.0, offsets=losses.logit_offsets([0.75, 0.25], tau)) for tau in (1, 0.5))
    assert float(whole(votes, logits)) == pytest.approx(0.5 * math.log(4 / 3) + 0.5 * math.log(4), rel=1e-6)
    root = math.sqrt(3)
    assert float(half(votes, logits)) == pytest.approx(math.log(1 + root) - 0.5 * math.log(root), rel=1e-6)
    assert losses.logit_offsets([0.75, 0.25], 0) is None
    assert losses.logit_offsets([0.5, 0, 0.5], 2) == pytest.approx([-2 * math.log(2), 0, -2 * math.log(2)])
    again = losses.Focal.from_config(whole.get_config())
    assert float(again(votes, logits)) == float(whole(votes, logits))


FACES_OF_CLASS = {"neutral": 50.0, "happiness": 25.0, "sadness": 15.0, "surprise": 5.0, "fear": 3.0, "disgust": 2.0}


def corpus_of(counts, soft_labels=None, name="faces"):
    splits = {"train": {"records": int(sum(counts.values())), "expression": counts}}
    return Prepared(name, "1.0.0", None, {"splits": splits}, soft_labels=soft_labels)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"logit_adjustment": 1.0},
        {"logit_adjustment": 0.5, "label_smoothing": 0.1},
        {"class_weights": "inverse_frequency"},
        {"class_weights": "effective_number", "logit_adjustment": 0.7},
    ],
)
def test_the_loss_is_lowest_where_bayes_with_the_stated_shares_says(options):
    """A label distribution q is turned from the training shares to the shares of the answers: the loss has a minimum.

    Two classes have no faces, so that their probabilities are known only if nothing boosts them.
    """
    config = Config(**{"expression_loss": "cross_entropy", "class_weights": "none", **options})
    corpus = corpus_of(FACES_OF_CLASS)
    shares = class_shares([corpus], config)
    training, answers = (np.array([shares[name][label] for label in CLASSES]) for name in ("training", "answers"))
    labels = np.random.default_rng(0).dirichlet(np.ones(6), 5) @ np.eye(6, 8)
    labels = (1 - config.label_smoothing) * labels + config.label_smoothing / 8
    ratios = np.divide(answers, training, out=np.zeros(8), where=training > 0)
    logits = tf.Variable(np.log(np.maximum(labels * ratios, 1e-30)))
    loss = head_losses(config, corpus.labels("train")["expression"])["expression"]
    with tf.GradientTape() as tape:
        value = loss(labels, logits)
    np.testing.assert_allclose(tape.gradient(value, logits), np.zeros((5, 8)), atol=1e-8)
    assert (training.sum(), answers.sum()) == pytest.approx((1, 1))


def test_shares_of_a_contract_by_hand():
    """tau 1 makes the classes that have faces equal; tau 1/2 takes roots: 9 : 1 becomes 3 : 1."""
    corpus = corpus_of({"neutral": 90.0, "fear": 10.0})
    plain = class_shares([corpus], Config(class_weights="none"))
    assert plain["training"] == plain["answers"] == {**dict.fromkeys(CLASSES, 0.0), "neutral": 0.9, "fear": 0.1}
    for tau, expected in [(1.0, 0.5), (0.5, 0.75)]:
        shares = class_shares([corpus], Config(class_weights="none", logit_adjustment=tau))
        assert shares["training"] == plain["training"]
        assert shares["answers"]["neutral"] == pytest.approx(expected)
    weighted = class_shares([corpus], Config(class_weights="inverse_frequency"))
    assert weighted["answers"]["fear"] == pytest.approx(0.5)
    smooth = class_shares([corpus], Config(class_weights="none", label_smoothing=0.2))["training"]
    assert (smooth["neutral"], smooth["anger"]) == pytest.approx((0.8 * 0.9 + 0.2 / 8, 0.2 / 8))
    assert class_shares([corpus_of({})], Config()) is None


def test_shares_count_a_corpus_as_often_as_an_epoch_uses_it():
    two = [corpus_of({"neutral": 100.0}), corpus_of({"fear": 100.0}, name="more")]
    config = Config(corpora=("faces", "more"), corpus_weights=(1.0, 3.0), class_weights="none")
    assert class_shares(two, config)["training"]["fear"] == pytest.approx(0.75)


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
