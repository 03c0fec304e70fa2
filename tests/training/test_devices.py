"""Which devices train together, and what is refused before anything is trained."""

from dataclasses import replace

import pandas as pd
import pytest

from tests import processes
from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.networks import model as models
from tfaffect.training import devices


def enter(config):
    with devices.distributed(config) as group:
        return group


def test_one_device_is_the_default():
    group = enter(Config())
    assert (group.strategy, group.replicas, group.share, group.writes) == ("single", 1, (0, 1), True)


@pytest.mark.parametrize(
    ("flags", "environment", "reason"),
    [
        ({"strategy": "mirrored"}, {}, r"needs at least two devices. TensorFlow sees: /device:CPU:0"),
        ({"strategy": "mirrored", "gradient_accumulation_steps": 2}, {}, r"keras issue 20582"),
        ({"strategy": "data_parallel"}, {}, r"requirements-jax.txt, and set KERAS_BACKEND=jax"),
        ({}, {devices.PROCESSES: "2"}, r"keras issue 20585"),
        ({}, {"SLURM_NTASKS": "2", "SLURM_STEP_NODELIST": "n[1-2]"}, r"keras issue 20585"),
    ],
)
def test_what_a_backend_cannot_do_is_refused_with_the_reason(flags, environment, reason, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=reason):
        enter(Config(**flags))


def test_a_batch_script_of_slurm_is_one_process(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert not devices.several_processes()
    monkeypatch.setenv("SLURM_STEP_NODELIST", "node[1-2]")
    assert devices.several_processes()


def test_nothing_is_made_when_the_devices_are_refused(config, tmp_path):
    from tfaffect.training.training import train

    with pytest.raises(UsageError, match="needs at least two devices"):
        train(replace(config, strategy="mirrored"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_mirrored_devices_train_with_both_techniques_what_one_trains(config, tmp_path):
    config = replace(
        config, epochs=3, gradual_unfreezing="on", discriminative_rates="on", groups_at_start=9, dropout=0.0
    )
    both = [
        processes.start(replace(config, strategy="mirrored"), tmp_path / "mirrored", devices=2),
        processes.start(config, tmp_path / "single"),
    ]
    for process in both:
        processes.end(process)
    mirrored, single = (pd.read_csv(tmp_path / name / "history.csv") for name in ("mirrored", "single"))
    assert mirrored.notna().all(axis=None)
    # BatchNorm and the RMSE see half a batch each, so the figures are near, not equal; unscaled ones would be double
    assert mirrored["loss"].tolist() == pytest.approx(single["loss"].tolist(), rel=0.15)
    # CCC after the first epoch, in which only the new layers learn; moments added up over replicas would halve it
    assert mirrored["valence_ccc"][:2].tolist() == pytest.approx(single["valence_ccc"][:2].tolist(), abs=0.06)
    assert mirrored["valence_ccc"][2] == pytest.approx(single["valence_ccc"][2], abs=0.1)  # 0.07 was seen
    assert mirrored["learning_rate"].tolist() == pytest.approx(single["learning_rate"].tolist(), rel=1e-6)
    assert models.load(tmp_path / "mirrored")[1] == replace(
        models.load(tmp_path / "single")[1], weights_sha256=models.load(tmp_path / "mirrored")[1].weights_sha256
    )


def test_a_batch_that_cannot_be_shared_out_evenly_is_refused():
    group = devices.Devices("mirrored", replicas=3)
    with pytest.raises(UsageError, match="--batch-size 64 for 3 devices"):
        devices._check_batch_size(Config(batch_size=64), group)
