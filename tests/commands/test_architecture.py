"""Imports go one way, and each optional package has one door."""

import ast
import subprocess

from tests import ROOT

PACKAGES = ("tfaffect", "tfrecords_builders")
ONE_FILE_ONLY = {"torch", "jax", "wandb", "onnx", "openpyxl", "pympi"}


def imports(path):
    """Every module that a file imports, at any depth, but for those under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def test_modules_import_only_from_layers_below():
    """The contracts in pyproject.toml: layers, no circles, builders and exports apart."""
    done = subprocess.run(["lint-imports", "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_vocabulary_costs_nothing():
    for module in ("labels", "errors"):
        assert imports(ROOT / "tfaffect" / f"{module}.py") <= {"enum", "enum.IntEnum"}


def test_an_optional_package_is_imported_in_one_file_only():
    for package in ONE_FILE_ONLY:
        users = [
            path for name in PACKAGES for path in sources(name) if package in {i.split(".")[0] for i in imports(path)}
        ]
        assert len(users) <= 1, f"{package} is imported in {users}"
    users = [path for name in PACKAGES for path in sources(name) if "keras_tuner" in imports(path)]
    assert {path.parent.name for path in users} == {"tuning"}


def test_no_module_has_a_name_that_collects_everything():
    names = {path.stem for package in PACKAGES for path in sources(package)}
    assert not names & {"utils", "common", "helpers", "manager", "misc"}
