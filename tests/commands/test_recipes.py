"""The recipes: files of knobs that open with their command."""

import re
import tomllib

import pytest

from tests import ROOT
from tfaffect import config as configs

RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


def test_there_are_recipes():
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_its_command_and_holds_only_what_it_changes(path):
    text = path.read_text()
    opening = re.match(r"(#.*\n)+", text)[0]
    assert f"python train.py --config recipes/{path.name} " in opening
    values = tomllib.loads(text)
    config, defaults = configs.load(path), configs.Config()
    changed = {name for name in vars(config) if getattr(config, name) != getattr(defaults, name)}
    assert set(values) == changed, "a knob that stands there as it is by default says nothing"
    assert config.corpora, "a recipe names the corpora that it is for"
