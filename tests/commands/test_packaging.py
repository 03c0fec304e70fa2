"""What pyproject.toml says agrees with the tree and with the requirements files."""

import tomllib

import pytest

import tfaffect
from tests import ROOT, requirements

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_lists_every_package_of_the_tree():
    folders = {path.parent for top in ("tfaffect", "tfrecords_builders") for path in (ROOT / top).rglob("__init__.py")}
    found = {".".join(path.relative_to(ROOT).parts) for path in folders if "node_modules" not in path.parts}
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    data = {name for name in listed if name == "tfaffect.demo.page" or name.startswith("tfaffect.runtimes.models.")}
    assert listed - data == found


@pytest.mark.parametrize(("file", "text"), requirements.compose().items())
def test_the_requirements_files_are_those_of_pyproject(file, text):
    assert (ROOT / file).read_text() == text, "write them anew: python -m tests.requirements"


def test_every_list_of_requirements_is_read_whole():
    """What the requirements files are made of by lines is what a parser of TOML reads."""
    lists = {"dependencies": PROJECT["project"]["dependencies"], **PROJECT["project"]["optional-dependencies"]}
    text = (ROOT / "pyproject.toml").read_text()
    for name, _ in requirements.FILES.values():
        own = [each for each in lists[name] if not each.startswith("tfaffect[")]
        made = [line.split("#")[0].strip() for line in requirements.lines(name, text) if not line.startswith("-r")]
        assert made == own + (lists["onnx"] if name == "train" else [])
        assert all(" # " in line or line.startswith("-r") for line in requirements.lines(name, text)), "a reason each"


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 1600


def test_the_version_stands_in_one_place():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert f"## [{tfaffect.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {tfaffect.__version__}" in (ROOT / "CITATION.cff").read_text().replace('"', "")
