import json
import platform
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import ROOT
from tfaffect.files import versions


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The list of a run that was started, and resumed after three epochs."""
    path = tmp_path_factory.mktemp("run") / "versions.json"
    versions.record(path, 1)
    versions.record(path, 4)
    return path


def test_every_start_of_a_run_adds_an_entry(path):
    entries = json.loads(path.read_text())
    assert [entry["from_epoch"] for entry in entries] == [1, 4]
    times = [datetime.fromisoformat(entry["time"]) for entry in entries]
    assert times == sorted(times)
    assert timedelta(0) <= datetime.now(UTC) - times[0] < timedelta(minutes=30)
    assert times[0].utcoffset() == timedelta(0)
    assert [file.name for file in path.parent.iterdir()] == ["versions.json"]


def test_an_entry_says_what_figures_may_depend_on(path):
    entry = json.loads(path.read_text())[0]
    assert set(entry) == {"from_epoch", "time", "python", "platform", "backend", "packages", "devices"}
    assert entry["python"] == ".".join(map(str, sys.version_info[:3]))
    assert entry["platform"].startswith(platform.system())
    assert entry["backend"] == keras.backend.backend()
    assert any(device.startswith("cpu:") for device in entry["devices"])
    modules = {"numpy": np, "keras": keras, "tensorflow": tf}
    assert {name: entry["packages"][name] for name in modules} == {name: modules[name].__version__ for name in modules}


def test_an_entry_names_no_machine_and_no_folder(path):
    text = path.read_text()
    assert f'"{platform.node()}"' not in text
    assert "/" not in text
    assert "\\" not in text


def test_a_package_that_is_not_installed_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("numpy", "tfaffect-no-such-package"))
    versions.record(tmp_path / "versions.json", 1)
    [entry] = json.loads((tmp_path / "versions.json").read_text())
    assert entry["packages"] == {"numpy": np.__version__}


def test_importing_it_imports_nothing_heavy():
    check = "import sys, tfaffect.files.versions; sys.exit(bool({'keras', 'tensorflow', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
