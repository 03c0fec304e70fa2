"""The house keeps its direction: a module imports from its own room only what stands above it here."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = [
    {"labels", "errors", "stores", "whole", "interruption", "replicas", "media.containers", "callbacks.position"}
    | {"kernels", "precision"}
    | {"features.ordered", "features.layout", "media.margin"},
    {"archive"},
    {"media.video", "media.faces", "media.disturbances"},
    {"scoring.page", "scoring.palette"},
    {
        "cli",
        "config",
        "shipped",
        "prepared",
        "versions",
        "scoring.scores",
        "scoring.raters",
        "scoring.disturbed",
        "pytorch.pickle",
    },
    {"scoring.mistakes", "scoring.figures"},
    {"contract", "devices", "mixing", "media.augmentation", "media.detector", "scoring.report", "pytorch.layers"}
    | {"scoring.calibration", "backbones.efficientnet_b1", "backbones.residual"},
    {"features.row", "features.sources", "features.tracks", "features.smoothing", "features.windows"},
    {"features.panel", "features.line"},
    {"features.drawing"},
    {"features.annotation", "features.tables", "features.timeline"},
    {"features.parts", "features.replay"},
    {"data", "losses", "metrics", "model", "optimizer", "schedule", "unfreezing"},
    {"objective", "runtimes.runtime"},
    {f"runtimes.{name}" for name in ("keras_model", "onnx_file", "saved_model", "tflite_file")},
    {"runtimes.opening"},
    {"distillation"},
    {
        f"callbacks.{name}"
        for name in ("averaging", "checkpoint", "corpus_figures", "progress", "selection", "tensorboard", "tracking")
    },
    {"callbacks.history"},
    {"training", "torch_weights"},
    {"evaluate"},
    {"calibrate", "robustness"},
    {"features.pipeline"},
    {"features.annotated", "features.embedder"},
    {"features.plan"},
    {"features.job"},
    {"embed"},
    {"tuning.settings", "tuning.measure", "tuning.records", "tuning.halving", "tuning.isolation", "tuning.statistics"},
    {"tuning.findings", "tuning.objectives", "tuning.space", "tuning.table", "tuning.board"},
    {"tuning.trials", "tuning.scales", "tuning.spelling", "tuning.verdict", "tuning.strategies"},
    {"tuning.parallel", "tuning.tables"},
    {"tuning.figures"},
    {"tuning.report"},
    {"tuning.session"},
    {"search"},
]
PACKAGES = ("tfaffect", "tfrecords_builders", "export", "demo")
ONE_FILE_ONLY = {"keras_tuner", "torch", "jax", "wandb", "onnx"}


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


def room(path):
    """The name of a module inside tfaffect."""
    return ".".join(path.relative_to(ROOT / "tfaffect").with_suffix("").parts)


@pytest.mark.parametrize("path", sources("tfaffect"), ids=room)
def test_modules_import_only_from_above(path):
    if path.stem == "__init__":
        assert not imports(path)
        return
    level = next((place for place, rooms in enumerate(ORDER) if room(path) in rooms), None)
    assert level is not None, f"{room(path)} has no place in ORDER"
    above = set().union(*ORDER[:level])
    used = {name.removeprefix("tfaffect.") for name in imports(path) if name.startswith("tfaffect.")}
    used = {name for name in used if (ROOT / "tfaffect" / f"{name.replace('.', '/')}.py").exists()}
    assert used <= above, f"{room(path)} imports {sorted(used - above)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_imports_builders_or_export(package):
    for path in sources(package):
        for other in {"tfrecords_builders", "export"} - {package}:
            assert not any(name.split(".")[0] == other for name in imports(path)), f"{path} imports {other}"


def test_the_vocabulary_costs_nothing():
    for module in ("labels", "errors"):
        assert imports(ROOT / "tfaffect" / f"{module}.py") <= {"enum", "enum.IntEnum"}


def test_an_optional_package_is_imported_in_one_file_only():
    for package in ONE_FILE_ONLY:
        users = [
            path for name in PACKAGES for path in sources(name) if package in {i.split(".")[0] for i in imports(path)}
        ]
        assert len(users) <= 1, f"{package} is imported in {users}"


def test_no_module_has_a_name_that_collects_everything():
    names = {path.stem for package in PACKAGES for path in sources(package)}
    assert not names & {"utils", "common", "helpers", "manager", "misc"}
