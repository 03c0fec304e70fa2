"""Shipped models by name in the commands that open a model, and what the commands say that need a run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tfaffect import evaluate
from tfaffect.calibrate import calibrate
from tfaffect.config import Config
from tfaffect.demo.addresses import FROM_PACKAGES, PACKAGES
from tfaffect.errors import UsageError
from tfaffect.export import card, verify
from tfaffect.runtimes import shipped
from tfaffect.training import distillation, training

MICRO = shipped.FOLDER / "fer_plus_micro"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder in which nothing has the name of a model."""
    monkeypatch.chdir(tmp_path)


def test_evaluate(records, tmp_path, capsys):
    evaluate.main(Path("micro"), ("synthetic",), records=records, out=tmp_path / "report")
    assert f"Report: {tmp_path / 'report' / 'report.html'}" in capsys.readouterr().out
    assert json.loads((tmp_path / "report" / "report.json").read_text())["protocol"]["model"] == "fer_plus_micro"


def test_verify(records):
    found = verify.verify(Path("micro"), records, corpora=("synthetic",))
    assert found["artefact"] == "model.tflite"
    assert found["claimed on"]["evaluated on"] == "fer_plus 1.1.0"


def test_card_is_printed_for_a_name_and_written_for_a_path(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "models" / "fer_plus_micro"
    shutil.copytree(MICRO, folder)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "models")
    (folder / "card.md").unlink()
    expected = (MICRO / "card.md").read_text()
    card.main(Path("micro"))
    assert capsys.readouterr().out == expected + "\n"
    assert not (folder / "card.md").exists()
    card.main(folder)
    assert (folder / "card.md").read_text() == expected


def test_demo(face_detector, tmp_path):
    if not all((PACKAGES / name).is_file() for name in FROM_PACKAGES.values()):
        pytest.skip("npm packages of the demo are not installed")
    words = [sys.executable, "-m", "tfaffect", "demo", "micro", "--port", "0", "--face-detector", str(face_detector)]
    with subprocess.Popen(
        words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        process.kill()
        _, error = process.communicate()
    assert f"shows {MICRO}." in line, error


def test_a_teacher():
    assert distillation._open("micro").path == MICRO / "model.tflite"


@pytest.mark.parametrize("weights", ["micro", "fer_plus_micro", str(MICRO), str(MICRO / "model.tflite")])
def test_first_weights(weights):
    config = Config(weights=weights, architecture="micro")
    assert training.resolve_auto(config).weights == str(MICRO / "model.tflite")


def test_a_command_that_needs_a_run_says_that_shipped_models_are_none():
    with pytest.raises(UsageError, match=r"no run folder at micro\..* The models of `tfaffect models` are exports"):
        calibrate(Path("micro"))


@pytest.mark.parametrize("command", ["embed photo.png --model", "evaluate", "card", "demo"])
def test_an_unknown_name_leads_to_the_known_ones(command, tmp_path, face_detector):
    (tmp_path / "photo.png").touch()
    done = subprocess.run(
        [sys.executable, "-m", "tfaffect", *command.split(), "mirco"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "mirco" in done.stderr
    assert "`tfaffect models`" in done.stderr
