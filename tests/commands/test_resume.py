"""Every command that has --resume: what it says when it is stopped is the command that goes on, word for word."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import cv2
import pandas as pd
import pytest

from tests import ROOT
from tfrecords_builders.synthetic import Synthetic

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
TRAINING = ["--architecture", "micro", "--weights", "none", "--image-size", "32", "--batch-size", "32"]
TABLE = "import tfaffect.features.parts as p\np.ROWS = 8\n"
"""Parts of few rows, so that there is a middle to be stopped in."""

SLOW_OUTPUT = f"""{TABLE}
import time
import tfaffect.features.job as j
finish = j.Job._write_outputs
def write_outputs(job, *arguments):
    (job.out.parent / "all inputs are done").touch()
    time.sleep(60)
    return finish(job, *arguments)
j.Job._write_outputs = write_outputs
"""

SLOW_REPORT = """
import time
from pathlib import Path
import tfaffect.calibrate as c
finish = c.calibrate_and_evaluate
def calibrate_and_evaluate(*arguments, **named):
    Path("all epochs are done").touch()
    time.sleep(60)
    return finish(*arguments, **named)
c.calibrate_and_evaluate = calibrate_and_evaluate
"""


def start(words, folder, **environment):
    """Start a command as `python -m tfaffect`, in a folder whose sitecustomize.py it imports."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "tfaffect", *map(str, words)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )


def stopped(process, number, begun):
    """Stop a process when `begun` says so; return the command that it names."""
    while process.poll() is None and not begun():
        time.sleep(0.005)
    ended = process.poll()
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    assert ended is None, f"it ended with {ended} before it was to be stopped: {error}"
    assert process.returncode == 130, error
    (command,) = re.findall(r": (python -m tfaffect .*--resume.*)$", error, re.MULTILINE)
    return shlex.split(command)


def go_on(command, folder, **environment):
    assert command[:3] == ["python", "-m", "tfaffect"]
    process = start(command[3:], folder, **environment)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Sixty drawn faces in a folder whose name needs quotes in a shell."""
    folder = tmp_path_factory.mktemp("many") / "my 'faces'"
    folder.mkdir()
    for number, face in zip(range(60), Synthetic(subjects=6, pictures=10).faces(None), strict=True):
        assert cv2.imwrite(str(folder / f"{number:03d}.png"), cv2.resize(face.image(), (300, 300))[..., ::-1])
    return folder


@SIGNALS
def test_embed(number, pictures, face_detector, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(TABLE)
    table = tmp_path / "my table.csv"
    process = start(["embed", pictures, "--out", table, "--annotate", "drawn"], tmp_path, **named(face_detector))
    parts = tmp_path / "my table.csv.parts"
    command = stopped(process, number, lambda: len(list(parts.glob("*.arrow"))) >= 3)
    assert command[3:] == ["embed", str(pictures), "--out", str(table), "--annotate", "drawn", "--resume"]
    assert 0 < pd.read_csv(table)["path"].nunique() < 60
    go_on(command, tmp_path, **named(face_detector))
    assert pd.read_csv(table)["path"].nunique() == 60
    assert not parts.exists()


@SIGNALS
def test_embed_after_the_last_input_with_overwrite(number, pictures, face_detector, tmp_path):
    """--overwrite would start anew, so the command that goes on does not have it."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_OUTPUT)
    (tmp_path / "faces.csv").write_text("an older table")
    process = start(["embed", pictures, "--overwrite", "--out", "faces.csv"], tmp_path, **named(face_detector))
    command = stopped(process, number, (tmp_path / "all inputs are done").exists)
    assert command[3:] == ["embed", str(pictures), "--out", "faces.csv", "--resume"]
    (tmp_path / "sitecustomize.py").unlink()
    go_on(command, tmp_path, **named(face_detector))
    assert pd.read_csv(tmp_path / "faces.csv")["path"].nunique() == 60


def named(face_detector):
    return {"TFAFFECT_FACE_DETECTOR": str(face_detector)}


@pytest.mark.slow
def test_train(records, tmp_path):
    words = ["train", "--corpora", "synthetic", "--records", records, "--run", "my run", "--epochs", "3", *TRAINING]
    process = start(words, tmp_path)
    # written when the first epoch begins; earlier, an import of TensorFlow may swallow the KeyboardInterrupt
    command = stopped(process, signal.SIGINT, (tmp_path / "my run" / "versions.json").exists)
    assert command[3:] == ["train", "--resume", "my run"]
    go_on(command, tmp_path)
    assert len(pd.read_csv(tmp_path / "my run" / "history.csv")) == 3
    assert json.loads((tmp_path / "my run" / "report" / "report.json").read_text())["scores"]


@pytest.mark.slow
def test_train_between_its_last_epoch_and_its_report(records, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SLOW_REPORT)
    words = ["train", "--corpora", "synthetic", "--records", records, "--run", "run", "--epochs", "1", *TRAINING]
    process = start(words, tmp_path)
    command = stopped(process, signal.SIGTERM, (tmp_path / "all epochs are done").exists)
    assert command[3:] == ["train", "--resume", "run"]
    assert not (tmp_path / "run" / "report" / "report.json").exists()
    (tmp_path / "sitecustomize.py").unlink()
    go_on(command, tmp_path)
    assert json.loads((tmp_path / "run" / "report" / "report.json").read_text())["scores"]


@pytest.mark.slow
def test_search(records, tmp_path):
    flags = ["--epochs", "3", "--knobs", "learning_rate", "--trials", "1", "--objective", "ccc_valence", "--out"]
    words = ["search", "--corpora", "synthetic", "--records", records, *TRAINING, *flags, "my search"]
    process = start(words, tmp_path)
    command = stopped(process, signal.SIGTERM, lambda: any(tmp_path.glob("my search/trials/*/checkpoint")))
    assert command[3:] == ["search", "--resume", "my search"]
    go_on(command, tmp_path)
    assert [*pd.read_csv(tmp_path / "my search" / "trials.csv")["status"]] == ["done"]
