"""The recipes: files of settings that start with their command."""

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
    assert f"tfaffect train --config recipes/{path.name} " in opening
    values = tomllib.loads(text)
    config, defaults = configs.load(path), configs.Config()
    changed = {name for name in vars(config) if getattr(config, name) != getattr(defaults, name)}
    assert set(values) == changed, "a recipe must not repeat defaults"
    assert config.corpora, "a recipe names its corpora"
