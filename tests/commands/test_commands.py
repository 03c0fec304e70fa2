"""The commands as a person types them, each in a process of its own."""

import json
import subprocess
import sys

import pytest

from tests import ROOT
from tests.fakes.fer_plus import pixels, votes, write_fer_plus_tables

COMMANDS = [
    ["train.py"],
    ["-m", "tfrecords_builders"],
    ["-m", "tfaffect.evaluate"],
    ["-m", "tfaffect.calibrate"],
    ["-m", "tfaffect.embed"],
    ["-m", "tfaffect.search"],
    ["-m", "tfaffect.robustness"],
    ["-m", "tfaffect.torch_weights"],
    ["-m", "export.saved_model"],
    ["-m", "export.tflite"],
    ["-m", "export.onnx"],
    ["-m", "export.verify"],
    ["-m", "export.card"],
    ["-m", "demo"],
]
HEAVY = {
    "tensorflow",
    "tensorflow_datasets",
    "keras",
    "pandas",
    "matplotlib",
    "sklearn",
    "onnx",
    "pyarrow",
    "keras_tuner",
    "cv2",
}


def call(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_help_imports_nothing_heavy(command):
    """Half a second is what --help may take; these imports alone take seven."""
    done = call("-X", "importtime", *command, "--help")
    assert done.returncode == 0
    assert "usage:" in done.stdout
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "tyro" in imported
    assert not imported & HEAVY


def test_the_list_of_corpora_imports_nothing_heavy_and_names_them_all():
    done = call("-X", "importtime", "-m", "tfrecords_builders")
    assert done.returncode == 0
    for name in ("fer_plus", "synthetic"):
        assert name in done.stdout
    assert "git clone https://github.com/microsoft/FERPlus" in done.stdout
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not imported & (HEAVY - {"cv2"})  # the corpora read pictures; 0.1 s


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-m", "tfrecords_builders", "fer_pluss"], "There is no corpus 'fer_pluss'. Did you mean fer_plus?"),
        (["-m", "tfrecords_builders", "fer_plus"], "--raw DIR"),
        (["-m", "tfrecords_builders", "fer_plus", "--raw", "/nowhere"], "There is no folder /nowhere"),
        (["-m", "tfaffect.evaluate", "/nowhere"], "/nowhere"),
        (["-m", "tfaffect.torch_weights", "/nowhere", "out"], "/nowhere"),
        (["train.py", "--corpora", "raf_db", "--records", "/nowhere"], "No records of 'raf_db' in /nowhere"),
        (["train.py", "--config", "/nowhere"], "No config could be read from /nowhere"),
        (["train.py", "--config", "/nowhere", "--resume", "/nowhere"], "Leave --config out"),
        (["-m", "tfaffect.search", "--corpora", "raf_db"], "Name the folder of the search with --out"),
        (["-m", "tfaffect.search", "--out", "out"], "A search needs corpora"),
        (["-m", "tfaffect.search", "--resume", "/nowhere"], "/nowhere is not the folder of a search"),
        (["-m", "tfaffect.search", "--resume", "/nowhere", "--trials", "5"], "Leave the other flags out"),
        (
            ["-m", "tfaffect.search", "--corpora", "a", "--out", "out", "--strategy", "combinations", "--trials", "5"],
            "runs 4 trials for each of --seeds",
        ),
        (["train.py", "--epochs", "0"], "epochs must be at least 1. Received: epochs=0"),
        (["-m", "export.tflite", "/nowhere", "out"], "/nowhere"),
        (["-m", "demo", "/nowhere"], "There is no model.tflite in /nowhere"),
        (["-m", "export.onnx", "/nowhere", "out"], "/nowhere"),
        (["-m", "tfaffect.embed", "/nowhere", "--model", "/nowhere", "--out", "/nowhere/faces.csv"], "/nowhere"),
    ],
)
def test_errors_of_use_say_what_to_do_without_a_traceback(arguments, expected):
    done = call(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_names_the_ones_there_are():
    done = call("train.py", "--learning-rat", "0.1")
    assert done.returncode == 2
    assert "--learning-rate" in done.stderr + done.stdout


def test_preparing_prints_a_table_and_leaves_its_report(tmp_path):
    rows = [("Training", f"fer{number:07d}.png", votes(fear=7, anger=3), pixels(number)) for number in range(9)]
    write_fer_plus_tables(tmp_path / "raw", [*rows, ("PublicTest", "fer0028638.png", votes(disgust=10), pixels(3))])
    done = call("-m", "tfrecords_builders", "fer_plus", "--raw", tmp_path / "raw", "--records", tmp_path / "records")
    assert done.returncode == 0, done.stderr
    assert "records kept" in done.stdout
    assert "8 of 9" in done.stdout  # one of nine has a twin in validation
    report = json.loads((tmp_path / "records" / "fer_plus" / "1.1.0" / "build_report.json").read_text())
    assert [split["records"] for split in report["splits"].values()] == [8, 1]
