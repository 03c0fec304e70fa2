"""A disk that is full, read-only or somebody else's: one clear line, nothing half-written, and what was there stays."""

import os
import shutil
import subprocess
import sys

import pytest

from tests import ROOT
from tests.fakes.folder import write_table


@pytest.fixture
def disk(tmp_path):
    """Mounts a small file system at a folder."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def mount(*options):
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", place]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small file system needs root")
        mounted.append(place)
        return place

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def commands(run, exported, records, face_detector, tmp_path):
    """Commands that write, by name: how each is typed for an output."""
    write_table(tmp_path / "raw", ("path", "class", "group"), [(f"{n}.png", "neutral", f"p{n}") for n in range(200)])
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'corpora = ["synthetic"]\narchitecture = "micro"\nweights = "none"\nimage_size = 32\nepochs = 1\n'
    )
    photos = ["-m", "tfaffect.embed", tmp_path / "raw", "--model", exported, "--face-detector", face_detector]
    return {
        "build": lambda out: ["-m", "tfrecords_builders", "folder", "--raw", tmp_path / "raw", "--records", out],
        "train": lambda out: ["train.py", "--config", recipe, "--records", records, "--run", out],
        "evaluate": lambda out: ["-m", "tfaffect.evaluate", run, "--out", out],
        "embed": lambda out: [*photos, "--no-detect", "--out", out.with_suffix(".csv")],
        "saved_model": lambda out: ["-m", "export.saved_model", run, out],
        "tflite": lambda out: ["-m", "export.tflite", run, out],
    }


def call(words, before=()):
    return subprocess.run([*before, sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True)


def refused(done, words):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert words in done.stderr.splitlines()[-1]


FINAL = {"model.tflite", "model.keras", "report.json", "saved_model.pb", "out.csv", "build_report.json"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "train", "evaluate", "embed", "saved_model", "tflite"])
def test_a_full_disk(name, commands, disk):
    place = disk("size=48k")
    (place / "kept").write_text("an earlier result")
    refused(call(commands[name](place / "out")), "No space left on device")
    assert (place / "kept").read_text() == "an earlier result"
    assert not FINAL & {path.name for path in place.rglob("*")}
    subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
    again = call(commands[name](place / "out2"))
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "train", "evaluate", "embed", "tflite"])
def test_a_read_only_disk(name, commands, disk):
    place = disk("ro")
    refused(call(commands[name](place / "out")), "Read-only file system")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "train", "evaluate", "embed", "tflite"])
def test_a_folder_of_somebody_else(name, commands, tmp_path):
    place = tmp_path / "theirs"
    place.mkdir(mode=0o555)
    before = []
    if os.access(place, os.W_OK):  # root may write anywhere, but for one that gave the right away
        if not shutil.which("setpriv"):
            pytest.skip("root may write anywhere, and setpriv is not installed")
        before = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    refused(call(commands[name](place / "out"), before), "Permission denied")
    assert not list(place.iterdir())
