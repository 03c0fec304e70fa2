"""The space of a search: what is offered, how far it reaches, and that its centre is the config itself."""

from dataclasses import replace

import keras_tuner
import pytest

from tfaffect.config import Config
from tfaffect.tuning.space import describe, suggest

TRANSFER = Config(corpora=("fer_plus",), weights="imagenet", gradual_unfreezing="on", discriminative_rates="on")


def space(config=TRANSFER, heads=("expression", "valence", "arousal"), knobs=()):
    hp = keras_tuner.HyperParameters()
    suggest(hp, config, heads, knobs)
    return {knob["name"]: knob for knob in describe(hp)}


def drawn(values, config=TRANSFER, heads=("expression", "valence", "arousal"), knobs=()):
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return suggest(hp, config, heads, knobs)


def test_without_values_of_its_own_a_trial_is_the_config():
    assert suggest(keras_tuner.HyperParameters(), TRANSFER) == TRANSFER
    odd = replace(TRANSFER, learning_rate=0.00123456789, dropout=0.7, weight_decay=0.0)
    assert suggest(keras_tuner.HyperParameters(), odd) == odd


def test_all_knobs_of_the_issue_are_offered_with_the_recipe_inside_their_ranges():
    offered = space()
    assert list(offered) == [
        *("learning_rate", "weight_decay", "warmup_steps", "annealing_period", "layer_decay", "groups_at_start"),
        *("expression_loss_weight", "expression_loss", "focal_gamma", "class_weights", "affect_loss"),
        *("augmentation_probability", "dropout", "stochastic_depth"),
    ]
    for name, knob in offered.items():
        assert knob["default"] == getattr(TRANSFER, name)
        if knob["kind"] == "choice":
            assert knob["default"] in knob["choices"]
        else:
            assert knob["low"] <= knob["default"] <= knob["high"]
    assert {name for name, knob in offered.items() if knob["log"]} == {
        *("learning_rate", "weight_decay", "warmup_steps", "annealing_period", "expression_loss_weight")
    }
    rate = offered["learning_rate"]
    assert (rate["kind"], rate["low"], rate["high"]) == ("float", pytest.approx(5e-4), pytest.approx(1.5e-2))
    assert (offered["warmup_steps"]["kind"], offered["warmup_steps"]["low"]) == ("int", 25)


@pytest.mark.parametrize(
    ("changes", "heads", "absent"),
    [
        ({"discriminative_rates": "off"}, None, {"layer_decay"}),
        ({"gradual_unfreezing": "off"}, None, {"groups_at_start"}),
        ({}, ("expression",), {"affect_loss", "expression_loss_weight"}),
        (
            {},
            ("valence", "arousal"),
            {"expression_loss", "focal_gamma", "class_weights", "expression_loss_weight"},
        ),
        ({"weight_decay": 0.0}, None, {"weight_decay"}),
    ],
)
def test_a_knob_that_cannot_matter_is_not_offered(changes, heads, absent):
    heads = heads or ("expression", "valence", "arousal")
    assert set(space()) - set(space(replace(TRANSFER, **changes), heads)) == absent


def test_the_focus_of_the_focal_loss_is_drawn_for_the_focal_loss_alone():
    values = {"expression_loss": "cross_entropy", "focal_gamma": 3.5}
    assert drawn(values).focal_gamma == TRANSFER.focal_gamma
    assert drawn(values | {"expression_loss": "focal"}).focal_gamma == 3.5
    # where the loss itself is not searched, it is the config's that counts
    assert "focal_gamma" in space(knobs=("focal_gamma",))
    entropy = replace(TRANSFER, expression_loss="cross_entropy")
    assert space(entropy, knobs=("focal_gamma",)) == {}


def test_knobs_that_are_not_asked_for_stay_as_the_config_has_them():
    assert list(space(knobs=("dropout", "learning_rate"))) == ["learning_rate", "dropout"]
    config = drawn({"dropout": 0.4, "learning_rate": 1e-3, "weight_decay": 1e-3}, knobs=("dropout",))
    assert config == replace(TRANSFER, dropout=0.4)


def test_of_several_corpora_the_weights_of_all_but_the_first_are_drawn():
    assert not any(name.startswith("corpus_weights") for name in space())
    mixed = replace(TRANSFER, corpora=("fer_plus", "raf_db", "expw"), corpus_weights=(1.0, 2.0, 0.5))
    offered = space(mixed, knobs=("corpus_weights",))
    assert list(offered) == ["corpus_weights/raf_db", "corpus_weights/expw"]
    assert (offered["corpus_weights/raf_db"]["low"], offered["corpus_weights/raf_db"]["high"]) == (0.5, 8.0)
    assert drawn({"corpus_weights/raf_db": 0.75}, mixed).corpus_weights == (1.0, 0.75, 0.5)
    unweighted = replace(mixed, corpus_weights=())
    assert drawn({"corpus_weights/expw": 0.75}, unweighted).corpus_weights == (1.0, 1.0, 0.75)


def test_a_drawn_value_has_four_digits():
    assert drawn({"learning_rate": 0.00123456}).learning_rate == 0.001235


@pytest.mark.parametrize("name", ["dropout", "stochastic_depth", "augmentation_probability", "layer_decay"])
def test_both_ends_of_every_range_are_configs(name):
    knob = space()[name]
    for value in (knob["low"], knob["high"]):
        assert getattr(drawn({name: value}), name) == value


def test_a_rate_is_never_searched_below_the_lowest_point_of_the_cosine():
    low = space(replace(TRANSFER, learning_rate=5e-4, min_learning_rate=1e-4))["learning_rate"]["low"]
    assert low == pytest.approx(1e-4)
