"""`kill -9` at random moments: the same command then ends with the same result, and nobody ever saw half a file.

TFAFFECT_KILLS says how often each command is killed, twice without it: docs/reliability.md has the result of more.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from tests.fakes.folder import write_table
from tfaffect.networks import model as models
from tfaffect.records.prepared import open_corpus

KILLS = int(os.environ.get("TFAFFECT_KILLS", "2"))
pytestmark = pytest.mark.slow
SMALL = """
corpora = ["synthetic"]
architecture = "micro"
weights = "none"
image_size = 32
epochs = 4
batch_size = 32
warmup_steps = 10
"""


@dataclass(frozen=True)
class Job:
    """A command that is killed: how it is typed for an output, at first and again, and what it leaves."""

    begin: Callable[[Path], list]
    again: Callable[[Path], list]
    last: str | None
    """What it writes last: where that is there, nothing is left to do. None: the command is typed again in any case."""

    result: Callable[[Path], object]
    """What must be the same in the end; it reads the whole output."""

    look: Callable[[Path], None]
    """Raises where something unfinished lies under a finished name."""


def run_for(words, seconds=None):
    """Run a command, kill it after so many seconds; return whether it ended before, and how."""
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    assert process.returncode == 0, printed
    return True


def killed_at_random(job, tmp_path):
    """Hold a job to its promise; it begins anew whenever it ended before it was killed."""
    begun = time.monotonic()
    assert run_for(job.begin(tmp_path / "undisturbed"))
    seconds = time.monotonic() - begun
    expected = job.result(tmp_path / "undisturbed")
    rng, kills, number, words = random.Random(0), 0, 0, job.begin
    while kills < KILLS:
        out = tmp_path / str(number)
        ended = run_for(words(out), rng.uniform(0, seconds))
        job.look(out)
        if ended:
            assert job.result(out) == expected
            number, words = number + 1, job.begin
        else:
            kills, words = kills + 1, job.again
            if job.last and (out / job.last).exists():
                assert job.result(out) == expected
                number, words = number + 1, job.begin
    out = tmp_path / str(number)
    assert run_for(words(out))
    assert job.result(out) == expected
    left = {path.name for path in tmp_path.iterdir()}
    assert not {name for name in left if name.startswith(".")}, "what a killed process left beside its output"


def fingerprint(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_build(tmp_path):
    classes = ("neutral", "happiness", "sadness", "anger")
    rows = [(f"{number}.png", classes[number % 4], f"p{number % 40}") for number in range(1200)]
    write_table(tmp_path / "raw", ("path", "class", "group"), rows)

    def command(out):
        return ["-m", "tfrecords_builders", "folder", "--raw", tmp_path / "raw", "--records", out]

    def result(out):
        (version,) = (out / "folder").iterdir()
        return {path.name: fingerprint(path) for path in version.iterdir()}

    def look(out):
        if (out / "folder").exists() and any(path.name[0] != "." for path in (out / "folder").iterdir()):
            result(out)
            corpus = open_corpus(out, "folder")
            splits = [split for split in ("train", "validation", "test") if corpus.size(split)]
            assert sum(1 for split in splits for _ in corpus.records(split)) == 1200

    killed_at_random(Job(command, command, "folder/1.0.0", result, look), tmp_path)


def weights_of(run):
    """The hash of a run's weights. Raises UsageError for half a file."""
    network, _ = models.load(run)
    return hashlib.sha256(b"".join(np.asarray(value).tobytes() for value in network.get_weights())).hexdigest()


def test_a_training(records, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SMALL)

    def begin(out):
        return ["train.py", "--config", recipe, "--records", records, "--run", out]

    def again(out):
        return ["train.py", "--resume", out] if (out / "config.json").exists() else begin(out)

    def result(out):
        scores = json.loads((out / "report" / "report.json").read_text())["scores"]
        return pd.read_csv(out / "history.csv").to_csv(), weights_of(out), json.dumps(scores)

    def look(out):
        if (out / "model.keras").exists():
            weights_of(out)
            assert len(pd.read_csv(out / "history.csv")) >= 1

    killed_at_random(Job(begin, again, "report/report.json", result, look), tmp_path)


def test_a_search(records, tmp_path):
    flags = [
        "--architecture",
        "micro",
        "--weights",
        "none",
        "--image-size",
        "32",
        "--batch-size",
        "32",
        "--warmup-steps",
        "10",
        "--epochs",
        "1",
    ]
    flags += ["--knobs", "learning_rate", "--strategy", "random", "--trials", "2", "--objective", "ccc_valence"]

    def begin(out):
        return ["-m", "tfaffect.search", "--corpora", "synthetic", "--records", records, "--out", out, *flags]

    def again(out):
        return ["-m", "tfaffect.search", "--resume", out] if (out / "search.json").exists() else begin(out)

    def result(out):
        return pd.read_csv(out / "trials.csv").drop(columns="seconds").to_csv()

    def look(out):
        if (out / "trials.csv").exists():
            table = pd.read_csv(out / "trials.csv")
            assert set(table["status"]) <= {"done", "running", "stopped"}

    killed_at_random(Job(begin, again, None, result, look), tmp_path)


def test_an_embedding(exported, face_detector, portraits_folder, tmp_path):
    def begin(out):
        words = ["-m", "tfaffect.embed", portraits_folder, "--model", exported, "--out", out / "faces.parquet"]
        return [*words, "--face-detector", face_detector]

    def again(out):
        return [*begin(out), *(["--resume"] if (out / "faces.parquet.parts" / "run.json").exists() else [])]

    def result(out):
        table = pd.read_parquet(out / "faces.parquet")
        return table["path"].nunique(), table.round(4).to_csv()

    def look(out):
        if (out / "faces.parquet").exists():
            assert result(out)[0] == 120

    killed_at_random(Job(begin, again, "faces.parquet", result, look), tmp_path)


@pytest.fixture
def portraits_folder(tmp_path):
    """120 pictures of drawn people."""
    import cv2

    from tfrecords_builders.synthetic import Synthetic

    folder = tmp_path / "portraits"
    folder.mkdir()
    for number, (_, face) in enumerate(zip(range(120), Synthetic(subjects=6, pictures=20).faces(None), strict=False)):
        assert cv2.imwrite(str(folder / f"{number:03d}.png"), face.image()[..., ::-1])
    return folder


def test_an_export(run, tmp_path):
    def command(out):
        return ["-m", "export.tflite", run, out]

    def result(out):
        return fingerprint(out / "model.tflite"), sorted(path.name for path in out.iterdir())

    def look(out):
        if out.exists():
            assert result(out)[1] == ["card.md", "model.json", "model.tflite"]
            assert json.loads((out / "model.json").read_text())["weights_sha256"] == result(out)[0]

    killed_at_random(Job(command, command, "model.tflite", result, look), tmp_path)
