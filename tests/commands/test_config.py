import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tfaffect import config as configs
from tfaffect.config import Config
from tfaffect.errors import UsageError


def test_defaults_are_the_recipe():
    recipe = Config()
    assert (recipe.image_size, recipe.dropout, recipe.affect_range) == (240, 0.1, "bounded")
    assert (recipe.learning_rate, recipe.min_learning_rate, recipe.warmup_learning_rate) == (5e-3, 1e-4, 1e-5)
    assert (recipe.warmup_steps, recipe.annealing_period, recipe.weight_decay, recipe.patience) == (100, 5, 1e-4, 30)
    assert (recipe.expression_loss, recipe.focal_gamma, recipe.expression_loss_weight) == ("focal", 2.0, 10.5)
    assert (recipe.class_weights, recipe.affect_loss) == ("inverse_frequency", "rmse")
    assert (recipe.augmentation_probability, recipe.vertical_flip) == (0.05, False)


def test_survives_saving(tmp_path):
    saved = replace(
        Config(),
        corpora=("fer_plus", "synthetic"),
        corpus_weights=(0.5, 1.0),
        records=Path("/somewhere"),
        learning_rate=1e-3,
    )
    saved.save(tmp_path / "config.json")
    assert configs.load(tmp_path / "config.json") == saved


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 16),
        ("epochs", 0),
        ("dropout", 1.0),
        ("augmentation_probability", 1.5),
        ("learning_rate", 0.0),
        ("expression_loss", "hinge"),
        ("class_weights", "inverse"),
        ("seed", -1),
        ("gradient_accumulation_steps", 0),
        ("strategy", "multi_worker"),
        ("corpus_weights", (1.0, float("inf"))),
        ("corpora", ("fer_plus", "fer_plus")),
        ("architecture", "resnet"),
        ("keep", "first"),
        ("weight_averaging", 1.0),
        ("label_smoothing", 1.0),
        ("logit_adjustment", -0.1),
        ("distillation_weight", 1.1),
        ("mixup", -0.1),
    ],
)
def test_refuses_what_cannot_be(field, value):
    with pytest.raises(
        UsageError, match=rf"^--{field.replace('_', '-')} must be .* {re.escape(f'Received: {field}={value!r}')}"
    ):
        Config(**{field: value})


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"learning_rat": 1})])
def test_load_refuses_what_is_no_config(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match="config"):
        configs.load(tmp_path / "config.json")


def test_a_recipe_is_toml_with_the_knobs_that_it_changes(tmp_path):
    (tmp_path / "recipe.toml").write_text(
        '# tfaffect train ...\ncorpora = ["fer_plus"]\narchitecture = "micro"\nmixup = 0.2\n'
    )
    assert configs.load(tmp_path / "recipe.toml") == Config(corpora=("fer_plus",), architecture="micro", mixup=0.2)
    (tmp_path / "recipe.toml").write_text("mixupp = 0.2")
    with pytest.raises(UsageError, match="Unknown: \\['mixupp'\\]"):
        configs.load(tmp_path / "recipe.toml")
    (tmp_path / "recipe.toml").write_text("mixup = ")
    with pytest.raises(UsageError, match="No config could be read"):
        configs.load(tmp_path / "recipe.toml")


def test_load_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        configs.load(tmp_path / "nowhere.json")
