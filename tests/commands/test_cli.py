"""How a command ends: a user error is one line and status 2, whoever raised it; a bug keeps its traceback."""

import errno
import os
import re
import sys
import tomllib

import pytest
import tensorflow as tf

from tests import ROOT
from tfaffect import cli, train
from tfaffect.config import DRAWN_FACES, Flags
from tfaffect.errors import EXTRAS, UsageError, counted
from tfaffect.records.prepared import parse

FULL = os.strerror(errno.ENOSPC)
NODE = "{{function_node __wrapped__IteratorGetNext_device_/job:localhost}} "


def foreign_examples():
    """What TensorFlow raises of no example at all, of one without a field, of another length and of another type."""
    whole = {"image": b"x", "key": b"x", "expression": [0.0] * 8, "valence": [0.0], "arousal": [0.0]}
    for change in (None, {"key": None}, {"expression": [0.0] * 7}, {"image": [0.0]}):
        features = {name: feature(value) for name, value in (whole | (change or {})).items() if value is not None}
        message = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            parse({"example": tf.constant([message if change else b"x"]), "corpus": tf.constant(["x"])})
        yield raised.value


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=value))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UsageError("No such thing."), "error: No such thing."),
        (OSError(errno.ENOSPC, FULL), f"{FULL}. No incomplete file has its final name."),
        (
            tf.errors.ResourceExhaustedError(None, None, f"{NODE}/x/part-0; {FULL} [Op:SaveV2]"),
            f"error: /x/part-0; {FULL}.",
        ),
        (RuntimeError(f"Failed to finalize writing of split train:\n/x; {FULL}"), f"error: /x; {FULL}."),
        (
            tf.errors.DataLossError(None, None, f"{NODE}corrupted record at 877 [Op:IteratorGetNext] name: "),
            "error: The records are damaged: corrupted record at 877. Build them again with --overwrite.",
        ),
        (
            tf.errors.FailedPreconditionError(None, None, f"{NODE}Input dataset was expected to contain 480 elements"),
            "error: The records are damaged: Input dataset was expected to contain 480 elements. Build",
        ),
        *((raised, "error: The records are damaged: ") for raised in foreign_examples()),
    ],
)
def test_what_a_user_can_mend_is_one_line(error, words, capsys):
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        cli.run(command, [], "a command")
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a fault"),
        OSError(errno.EIO, "broken"),
        tf.errors.FailedPreconditionError(None, None, "not initialised"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
    ],
)
def test_a_fault_keeps_its_trace(error):
    def command() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        cli.run(command, [], "a command")
    assert raised.value is error


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            "tensorflow",
            '`tfaffect train` needs tensorflow, which is not installed. Install the extra: pip install "tfaffe',
        ),
        ("tensorflow", 'ct[train]" (in a checkout: pip install -r requirements.txt).'),
        ("onnxruntime.capi", 'onnxruntime, which is not installed. Install the extra: pip install "tfaffect[onnx]"'),
        ("jax", 'pip install "tfaffect[jax]" (in a checkout: pip install -r requirements-jax.txt).'),
    ],
)
def test_a_missing_package_names_its_extra(module, words, capsys):
    def command() -> None:
        raise ModuleNotFoundError(name=module)

    with pytest.raises(SystemExit) as ended:
        cli.run(command, [], "tfaffect train")
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("module", ["tfaffect.nothing", "numpy", None])
def test_a_module_of_no_extra_keeps_its_trace(module):
    def command() -> None:
        raise ModuleNotFoundError(name=module)

    with pytest.raises(ModuleNotFoundError):
        cli.run(command, [], "tfaffect train")


@pytest.mark.parametrize("extra", ["train", "onnx", "jax", "wandb", "beam", "excel", "annotations", "storage"])
def test_every_package_of_an_extra_is_known(extra):
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    names = {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in listed if not line.startswith("tfaffect")}
    packages = {"sklearn": "scikit_learn", "pympi": "pympi_ling", "yaml": "PyYAML"}
    assert names == {packages.get(module, module) for module, known in EXTRAS.items() if known == extra}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "EfficientNet-B1 learns drawn faces of 40 pixels for 5 epochs, about 4 minutes on two cores. This shows"),
        (["--epochs", "1"], "EfficientNet-B1 learns drawn faces of 40 pixels for 1 epoch. This shows"),
        (["--architecture", "small", "--image-size", "48"], "the network small learns drawn faces of 48 pixels for 5"),
    ],
)
def test_training_without_a_corpus_says_what_it_trains(flags, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "synthetic").mkdir()
    monkeypatch.setattr(sys, "argv", ["train.py", "--records", str(tmp_path), *flags])
    assert train.draw_faces().learning_rate == DRAWN_FACES.learning_rate
    assert f"No corpus was named: {words}" in capsys.readouterr().out


def test_a_run_on_drawn_faces_says_at_its_end_what_it_knows(run, monkeypatch, capsys):
    monkeypatch.setattr(train, "only_report_missing", lambda run: True)
    monkeypatch.setattr("tfaffect.calibrate.calibrate_and_evaluate", lambda run: ({"half_width": {}}, {"scores": {}}))
    train.main(Flags(), resume=run)
    assert "This network knows drawn faces only. It does not read photos.\n\nReport:" in capsys.readouterr().out


def test_counted_nouns():
    assert [counted(number, "epoch") for number in (0, 1, 2000)] == ["0 epochs", "1 epoch", "2,000 epochs"]
