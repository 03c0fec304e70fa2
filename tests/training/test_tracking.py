import importlib.util
import json
import struct
import subprocess
import sys

import pytest

from tests import ROOT
from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.training.callbacks.tracking import trackers

needs_wandb = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="the package wandb is not installed")
# Beside a run that diverged, one of two epochs that is stopped, and its continuation with a new callback; in a process
# of its own, because wandb leaves threads.
PROCESS = """
import json, sys
from pathlib import Path
from tfaffect.config import Config
from tfaffect.training.callbacks.tracking import trackers
run, states = Path(sys.argv[1]), []
[diverged] = trackers("wandb", run.parent, Config()).values()
diverged.on_train_begin()
for epochs in ((0, 1), (2,)):
    [callback] = trackers("wandb", run, Config(corpora=("fer_plus",), learning_rate=2e-3)).values()
    if states:
        callback.restore(json.loads(states[-1]))
    callback.on_train_begin()
    live = callback.live
    callback.on_train_begin()
    assert callback.live is live
    for epoch in epochs:
        callback.on_epoch_end(epoch, {"loss": 2.0 - epoch, "val_fer_plus/expression_uar": 0.25 * epoch})
    states.append(json.dumps(callback.state()))
    callback.on_train_end()
    assert callback.live is None
print(json.dumps([diverged.state(), *map(json.loads, states)]))
"""


def call(*arguments, **environment):
    """Run Python away from the person's own wandb settings and login."""
    return subprocess.run(
        [sys.executable, "-c", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": "", "TF_CPP_MIN_LOG_LEVEL": "2", "WANDB_SILENT": "true", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def records(path):
    """The records of a .wandb file, a LevelDB log: blocks of 32 KiB, each record a checksum, a length and a kind."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = path.read_bytes(), 7, b""  # seven bytes name the format
    while place + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if 32768 - place % 32768 < 7:  # no header fits here: zeros to the end of the block
            place += 32768 - place % 32768
        if kind in (1, 4):  # whole in one piece, or the last piece of several
            yield Record.FromString(whole)
            whole = b""


def read(path):
    """The run's own record, and its figures by step."""
    found, history = list(records(path)), {}
    for record in found:
        if record.WhichOneof("record_type") == "history":
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            history[record.history.step.num] = {name: items[name] for name in items if not name.startswith("_")}
    [run] = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    return run, history


def test_no_tracker_is_no_callback(tmp_path):
    assert trackers("none", tmp_path, Config()) == {}


def test_an_unknown_tracker_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"must be none or wandb\. Received: tracker='wand'"):
        trackers("wand", tmp_path, Config())


def test_a_missing_package_is_named_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(
        UsageError,
        match=r'^--tracker wandb needs wandb, .* pip install "tfaffect\[wandb\]" .* requirements-wandb\.txt\)\.$',
    ):
        trackers("wandb", tmp_path, Config())


@needs_wandb
def test_a_resumed_run_is_the_same_run_and_has_every_figure(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    done = call(PROCESS, folder, HOME=str(tmp_path), WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    other, first, second = json.loads(done.stdout.splitlines()[-1])
    assert first == second != other
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"))
    assert [path.name for path in files] == 2 * [f"run-{first['identity']}.wandb"]
    runs, histories = zip(*map(read, files), strict=True)
    for run in runs:
        assert (run.project, run.display_name, run.run_id) == ("tfaffect", "faces", first["identity"])
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        assert config["corpora"] == ["fer_plus"]
        assert config["learning_rate"] == 2e-3
        assert config["records"] == "records"
        assert set(Config.__dataclass_fields__) <= set(config)
    uar = "val_fer_plus/expression_uar"
    assert histories == ({1: {"loss": 2.0, uar: 0.0}, 2: {"loss": 1.0, uar: 0.25}}, {3: {"loss": 0.0, uar: 0.5}})


@needs_wandb
def test_without_a_login_a_person_is_told_what_to_do(tmp_path):
    done = call(PROCESS, tmp_path, HOME=str(tmp_path))
    assert done.returncode == 1
    assert "UsageError: wandb could not start a run. Log in with `wandb login`, or" in done.stderr
    assert "Received: No API key configured." in done.stderr
