"""A run that is killed at any moment goes on and ends as it would have ended."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from tests.networks import small_backbone
from tfaffect import config as configs
from tfaffect import model as models
from tfaffect.errors import UsageError
from tfaffect.selection import KeepBest
from tfaffect.training import train

ROOT = Path(__file__).parents[1]
PROCESS = """
import sys
from pathlib import Path
import keras
from tests.networks import small_backbone
from tfaffect.config import load
from tfaffect.training import train
keras.utils.set_random_seed(5)
train(load(Path(sys.argv[1])), Path(sys.argv[2]), small_backbone(32))
"""


def same_weights(first, second):
    pairs = zip(models.load(first)[0].get_weights(), models.load(second)[0].get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def kill_after(epochs, config, folder):
    """Train in a process of its own and kill it some steps after that many epochs."""
    settings = folder.parent / "settings.json"
    config.save(settings)
    process = subprocess.Popen([sys.executable, "-c", PROCESS, settings, folder], cwd=ROOT)
    state = folder / "checkpoint" / "state.json"
    while process.poll() is None:
        time.sleep(0.02)
        if state.is_file() and json.loads(state.read_text())["epochs_done"] >= epochs:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_run_ends_with_the_weights_of_the_uninterrupted_one(config, tmp_path):
    config = replace(
        config,
        epochs=6,
        dropout=0.3,
        augmentation_probability=0.2,
        gradual_unfreezing="on",
        discriminative_rates="on",
    )
    keras.utils.set_random_seed(5)  # of the backbone; the run seeds what it makes itself
    whole = train(config, tmp_path / "whole", small_backbone(32))
    kill_after(2, config, tmp_path / "killed")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {
        "config.json",
        "model.keras",
        "history.csv",
        "checkpoint",
    }
    resumed = train(
        configs.load(tmp_path / "killed" / "config.json"), tmp_path / "killed", small_backbone(32), resume=True
    )
    assert list(resumed["epoch"]) == list(range(1, 7))
    pd.testing.assert_frame_equal(resumed, whole, rtol=1e-6)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    assert not (tmp_path / "killed" / "checkpoint").exists()


def test_a_run_without_a_checkpoint_cannot_go_on(run, config):
    with pytest.raises(UsageError, match="the run is finished, or none of its epochs was"):
        train(config, run, small_backbone(32), resume=True)


def test_a_checkpoint_of_another_network_is_refused(config, tmp_path):
    kill_after(1, replace(config, epochs=200), tmp_path / "killed")
    with pytest.raises(UsageError, match="does not fit the network"):
        train(config, tmp_path / "killed", narrow_backbone(), resume=True)


def narrow_backbone():
    picture = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    return keras.Model(picture, keras.layers.Conv2D(5, 3, name="stem_conv")(x))


def test_best_value_and_patience_are_taken_back(tmp_path):
    keeper = KeepBest(tmp_path / "model.keras", None, patience=3)
    keeper.restore({"best": 0.7, "best_epoch": 4, "last_epoch": 6})
    assert keeper.state() == {"best": 0.7, "best_epoch": 4, "last_epoch": 6}
    assert not keeper.exhausted
    keeper.set_model(type("Model", (), {"stop_training": False})())
    keeper.on_epoch_end(7, {"selection": 0.69})
    assert keeper.exhausted
    assert keeper.model.stop_training


def test_other_flags_are_refused_when_a_run_goes_on(run):
    done = subprocess.run(
        [sys.executable, "train.py", "--resume", run, "--epochs", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Leave the other flags out" in done.stderr
