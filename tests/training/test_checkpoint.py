"""A run that is killed at any moment goes on and ends as it would have ended."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from tests import ROOT, processes
from tests.small_network import small_backbone
from tfaffect import config as configs
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.networks import model as models
from tfaffect.records import mixing
from tfaffect.records.prepared import open_corpus
from tfaffect.training import training
from tfaffect.training.callbacks.checkpoint import Checkpoint
from tfaffect.training.callbacks.position import Position
from tfaffect.training.callbacks.selection import KeepBest
from tfaffect.training.training import train


@pytest.fixture(scope="module")
def busy(config):
    """A config with all that a resumed run could forget."""
    return replace(
        config,
        epochs=6,
        dropout=0.3,
        augmentation_probability=0.2,
        affine_strength=0.5,
        erasing_probability=0.2,
        mixup=0.3,
        weight_averaging=0.9,
        gradual_unfreezing="on",
        discriminative_rates="on",
    )


@pytest.fixture(scope="module")
def uninterrupted(busy, tmp_path_factory):
    """The run folder and the history of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return folder, train(busy, folder, small_backbone)


def same_weights(first, second):
    pairs = zip(models.load(first)[0].get_weights(), models.load(second)[0].get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def stop_after(epochs, config, folder, number):
    """Train in a process of its own and send it a signal some steps after that many epochs; return how it ended."""
    process = processes.start(config, folder)
    return processes.interrupt(process, folder, epochs, number), process.returncode


def go_on(folder):
    return train(configs.load(folder / "config.json"), folder, small_backbone, resume=True)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_the_uninterrupted_one(busy, uninterrupted, tmp_path):
    _, status = stop_after(2, busy, tmp_path / "killed", signal.SIGKILL)
    assert status == -signal.SIGKILL
    left = {path.name for path in (tmp_path / "killed").iterdir() if not path.name.startswith(".")}
    assert left == {"config.json", "versions.json", "model.keras", "history.csv", "tensorboard", "checkpoint"}
    resumed = go_on(tmp_path / "killed")
    assert list(resumed["epoch"]) == list(range(1, 7))
    pd.testing.assert_frame_equal(resumed, uninterrupted[1], rtol=1e-6)
    assert same_weights(uninterrupted[0], tmp_path / "killed")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == left - {"checkpoint"}


def test_ctrl_c_saves_the_step_it_was_at_and_the_run_goes_on_from_there(busy, uninterrupted, tmp_path):
    folder = tmp_path / "interrupted"
    steps = mixing.steps_per_epoch([open_corpus(busy.records, "synthetic")], busy)
    error, status = stop_after(1, busy, folder, signal.SIGINT)
    assert status == -signal.SIGINT  # how Python leaves after KeyboardInterrupt
    assert "Stopping after this step" in error
    assert "KeyboardInterrupt" in error
    (saved,) = (folder / "checkpoint").iterdir()
    epoch, step = map(int, saved.name.split("-"))
    assert epoch >= 1
    assert 0 <= step < steps
    resumed = go_on(folder)
    pd.testing.assert_frame_equal(resumed, uninterrupted[1], rtol=1e-6)
    assert same_weights(uninterrupted[0], folder)


def test_the_figures_of_an_epoch_are_those_of_all_its_steps_when_it_was_interrupted(busy, uninterrupted, tmp_path):
    """Stop at a known step, in this process: what a signal asks for is asked here by a callback."""
    config = replace(busy, epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.interruption, "stop_signals", lambda enabled: asking(5))
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", small_backbone)
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["000000-000000005"]
    pd.testing.assert_frame_equal(go_on(tmp_path / "run"), uninterrupted[1].head(1), rtol=1e-6)


def test_a_clock_that_jumps_changes_nothing(busy, uninterrupted, tmp_path, monkeypatch):
    moments = cycle([1.8e9, 1.7e9, 4e8, 4e9])  # a .keras is a ZIP, which knows no time before 1980
    monkeypatch.setattr(time, "time", lambda: next(moments))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.interruption, "stop_signals", lambda enabled: asking(5))
        with pytest.raises(KeyboardInterrupt):
            train(replace(busy, epochs=1), tmp_path / "run", small_backbone)
    pd.testing.assert_frame_equal(go_on(tmp_path / "run"), uninterrupted[1].head(1), rtol=1e-6)


@contextmanager
def asking(step):
    """Ask to stop after a number of steps; the checkpoint asks once per step."""
    calls = iter(range(1, 10_000))
    yield lambda: next(calls) >= step


def test_a_finished_run_cannot_go_on(uninterrupted, busy):
    with pytest.raises(UsageError, match="the run is finished"):
        train(busy, uninterrupted[0], small_backbone, resume=True)


def test_a_run_that_was_killed_before_it_saved_anything_begins_again(busy, uninterrupted, tmp_path):
    config = replace(busy, epochs=1)
    process = processes.start(config, tmp_path / "run")
    while process.poll() is None and not (tmp_path / "run" / "checkpoint").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not list((tmp_path / "run" / "checkpoint").iterdir())
    begun = go_on(tmp_path / "run")
    pd.testing.assert_frame_equal(begun, uninterrupted[1].head(1), rtol=1e-6)


def test_a_checkpoint_of_another_network_is_refused(busy, tmp_path):
    stop_after(1, busy, tmp_path / "killed", signal.SIGKILL)
    with pytest.raises(UsageError, match="does not fit the network"):
        train(busy, tmp_path / "killed", narrow_backbone, resume=True)


def narrow_backbone(image_size):
    picture = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    return keras.Model(picture, keras.layers.Conv2D(5, 3, name="stem_conv")(x))


def test_other_records_than_those_of_before_are_refused(busy):
    corpus = open_corpus(busy.records, "synthetic")
    kept = mixing.RecordVersions([corpus]).state()
    mixing.RecordVersions([corpus]).restore(json.loads(json.dumps(kept)))
    with pytest.raises(UsageError, match="The records have changed since this run started"):
        mixing.RecordVersions([replace(corpus, version="9.9.9")]).restore(kept)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_in_which_another_process_trains_is_left_alone(busy, tmp_path, resume):
    with (
        atomic.locked(tmp_path / "run" / "config.json"),
        pytest.raises(UsageError, match="Another process trains in"),
    ):
        train(busy, tmp_path / "run", small_backbone, resume=resume)


def test_what_a_kill_left_before_there_was_a_config_does_not_stand_in_the_way(brief, tmp_path):
    for name in (".config.json-x1", ".config.json-x2/config.json"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / Path(name).parts[0] / atomic.LOCK).touch()
    train(brief, tmp_path / "run", small_backbone)
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name[0] == "."]


@pytest.mark.slow
def test_of_two_processes_with_one_run_folder_one_trains(brief, tmp_path):
    folder = tmp_path / "run"
    both = [processes.start(brief, folder) for _ in range(2)]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    (refused,) = [error for process, error in zip(both, errors, strict=True) if process.returncode]
    assert "Another process trains in" in refused or "is not empty" in refused
    train(brief, tmp_path / "alone", small_backbone)
    assert same_weights(folder, tmp_path / "alone")


def test_of_two_checkpoints_that_a_kill_left_the_newer_counts(tmp_path):
    model = models.build(configs.Config(image_size=32), small_backbone(32))
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    position = Position()
    checkpoint = Checkpoint(tmp_path, position, {}, steps=9)
    checkpoint.set_model(model)
    position.restore({"epoch": 4, "step": 0})
    checkpoint.on_epoch_end(3)
    shutil.copytree(tmp_path / "checkpoint" / "000004-000000000", tmp_path / "checkpoint" / "000003-000000000")
    shutil.copytree(tmp_path / "checkpoint" / "000004-000000000", tmp_path / "checkpoint" / ".000005-000000000-x" / "0")
    position.restore({"epoch": 0, "step": 0})
    checkpoint.restore(model)
    assert position.state() == {"epoch": 4, "step": 0}


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
