"""Whole searches with the small network, on records whose test split cannot be read."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from tests.small_network import small_backbone
from tfaffect import cli
from tfaffect import config as configs
from tfaffect import search as searching
from tfaffect.errors import UsageError
from tfaffect.evaluate import evaluate
from tfaffect.files import atomic
from tfaffect.networks import model as models
from tfaffect.records.prepared import open_corpus
from tfaffect.search import search
from tfaffect.training.training import train
from tfaffect.tuning import isolation, objectives, trial_records
from tfaffect.tuning.settings import Settings, load

pytestmark = pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")  # keras-tuner 1.4.8


@pytest.fixture(scope="module")
def base(config, tmp_path_factory):
    """A config of one epoch, on records without a readable test split."""
    folder = tmp_path_factory.mktemp("records")
    shutil.copytree(config.records / "synthetic", folder / "synthetic")
    shards = list(folder.rglob("*-test.tfrecord*"))
    assert shards
    for shard in shards:
        shard.write_bytes(b"a search has no business here")
    return replace(config, records=folder, epochs=1)


def out_of_memory(image_size):
    raise MemoryError("could not allocate\n4 GB")


@pytest.fixture(scope="module")
def found(base, tmp_path_factory):
    """A finished search, whose second trial of three failed: its folder and its best trial."""
    networks = iter([small_backbone, out_of_memory, small_backbone])
    out = tmp_path_factory.mktemp("searches") / "random"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base.records)  # a relative folder of records is another one elsewhere
        wanted = Settings(replace(base, records=Path(".")), trials=3, knobs=("learning_rate", "focal_gamma"))
        best = search(
            wanted, out, lambda size: next(networks)(size), isolate=False, command="python -m tfaffect.search"
        )
        return out, best


def table(out):
    return pd.read_csv(out / "trials.csv", dtype={"trial": str}, keep_default_na=False, na_values=[""])


def test_a_search_leaves_its_files_and_never_reads_the_test_split(found, base):
    out, _ = found
    assert {path.name for path in out.iterdir()} == {
        *("search.json", "trials", "trials.csv", "best", "report", "tuner")
    }
    files = {path.name for path in (out / "trials" / "2").iterdir()}
    assert files == {"config.json", "versions.json", "model.keras", "history.csv", "tensorboard"}
    settings = json.loads((out / "search.json").read_text())
    assert settings["config"]["records"] == str(base.records)
    assert [knob["name"] for knob in settings["knobs"]] == ["learning_rate", "focal_gamma"]
    assert (settings["direction"], settings["trials"], settings["seed"]) == ("max", 3, 0)
    assert settings["command"] == "python -m tfaffect.search"


def test_the_table_has_what_the_runs_have(found, base):
    out, best = found
    rows = table(out)
    assert list(rows) == [
        *("trial", "status", "reason", "score", "best_epoch", "epochs", "seconds", "seed"),
        *("learning_rate", "focal_gamma"),
    ]
    assert rows["trial"].tolist() == ["0", "1", "2"]
    for row in rows[rows["status"] == "done"].itertuples():
        history = pd.read_csv(out / "trials" / row.trial / "history.csv")
        assert row.score == pytest.approx(history["selection"].max())
        config = configs.load(out / "trials" / row.trial / "config.json")
        searched = {"learning_rate": row.learning_rate, "focal_gamma": row.focal_gamma}
        decided = {"gradual_unfreezing": "off", "discriminative_rates": "off", "strategy": "single"}
        assert config == replace(base, **searched, **decided)
    assert rows["learning_rate"][0] == base.learning_rate
    assert best["score"] == rows["score"].max()


def test_a_trial_that_failed_has_its_reason_and_the_search_went_on(found):
    rows = table(found[0])
    assert rows["status"].tolist() == ["done", "failed", "done"]
    assert rows["reason"][1] == "MemoryError: could not allocate"
    assert math.isnan(rows["score"][1])


def test_a_search_starts_from_a_recipe_and_its_flags(tmp_path, monkeypatch):
    """--strategy is that of the search, also where the flags of the config are read again over the recipe."""
    (tmp_path / "recipe.toml").write_text('corpora = ["one"]\nepochs = 8\ndropout = 0.3\n')
    words = ["--config", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "S"), "--epochs", "3"]
    monkeypatch.setattr(sys, "argv", ["search", *words, "--strategy", "combinations", "--seeds", "2"])
    received = []
    monkeypatch.setattr("tfaffect.search.search", lambda settings, *_, **__: received.append(settings))
    monkeypatch.setattr("tfaffect.search._print_result", lambda *_: None)
    cli.run(searching.main)
    (settings,) = received
    assert (settings.strategy, settings.trials) == ("combinations", 8)
    assert settings.config == configs.Config(corpora=("one",), epochs=3, dropout=0.3)


def test_train_takes_the_best_config_as_it_is(found, base):
    """As `python train.py --config FILE` does, short of training."""
    out, best = found
    code = "import sys; from tfaffect.config import Flags, load; sys.argv = ['train.py', '--config', *sys.argv[1:]]\n"
    code += "print(Flags.with_defaults(load(sys.argv[2])).dropout, Flags.with_defaults(load(sys.argv[2])))"
    done = subprocess.run(
        [sys.executable, "-c", code, out / "best" / "config.json", "--dropout", "0.25", "--corpora", "one", "two"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("0.25 ")
    assert f"learning_rate={best['learning_rate']}," in done.stdout
    assert "corpora=('one', 'two')" in done.stdout
    assert configs.load(out / "best" / "config.json").learning_rate == best["learning_rate"]


def test_a_finished_search_is_told_again_and_another_one_is_refused(found):
    out, best = found
    before = (out / "trials" / "0" / "model.keras").stat().st_mtime_ns
    saved = load(out)
    assert search(saved, out, small_backbone, isolate=False)["trial"] == best["trial"]
    auto = replace(saved, config=replace(saved.config, gradual_unfreezing="auto", weights="auto"))
    assert search(auto, out, small_backbone, isolate=False)["trial"] == best["trial"]
    assert (out / "trials" / "0" / "model.keras").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match=r"It started with trials 3, now 4; dropout 0\.1, now 0\.3"):
        search(replace(saved, trials=4, config=replace(saved.config, dropout=0.3)), out, small_backbone)
    with pytest.raises(UsageError, match="holds no search"):
        search(saved, out / "trials", small_backbone)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"knobs": ("layer_decay",)}, "change nothing with these corpora and this config: layer_decay"),
        ({"knobs": ("epochs",)}, "change nothing with these corpora and this config: epochs"),
        ({"trials": 0}, "must be at least 1"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(base, tmp_path, changes, says):
    with pytest.raises(UsageError, match=says):
        search(replace(Settings(base), **changes), tmp_path / "out", small_backbone)
    assert not (tmp_path / "out" / "search.json").exists()


def test_an_objective_needs_labels(base):
    corpora = [open_corpus(base.records, "synthetic")]
    for objective in objectives.METRICS:
        objectives.check_labels(objective, corpora)
    report = json.loads(json.dumps(corpora[0].report))
    report["splits"]["train"]["valence"] = 0
    unlabelled = [replace(corpora[0], report=report)]
    objectives.check_labels("ccc_arousal", unlabelled)
    with pytest.raises(UsageError, match=r"ccc needs labels of valence .* have expression, arousal"):
        objectives.check_labels("ccc", unlabelled)


def test_a_score_is_that_of_the_kept_model_by_hand(tmp_path):
    rows = {
        "epoch": [1, 2, 3],
        "selection": [0.5, 0.7, 0.6],
        "val_expression_accuracy": [0.3, 0.4, 0.9],
        "val_expression_uar": [0.2, 0.25, 0.3],
        "val_valence_ccc": [0.1, 0.2, 0.3],
        "val_arousal_ccc": [0.5, 0.6, 0.7],
    }
    pd.DataFrame(rows).to_csv(tmp_path / "history.csv", index=False)
    configs.Config().save(tmp_path / "config.json")
    expected = {"selection": 0.7, "accuracy": 0.4, "uar": 0.25, "ccc_valence": 0.2, "ccc_arousal": 0.6, "ccc": 0.4}
    for objective, value in expected.items():
        score = objectives.score(tmp_path, objective)
        assert score == {"score": pytest.approx(value), "best_epoch": 2, "epochs": 3}
    configs.Config(keep="last").save(tmp_path / "config.json")
    assert objectives.score(tmp_path, "accuracy") == {"score": 0.9, "best_epoch": 3, "epochs": 3}
    pd.DataFrame({**rows, "val_arousal_ccc": math.nan}).to_csv(tmp_path / "history.csv", index=False)
    with pytest.raises(ValueError, match="not a finite number"):
        objectives.score(tmp_path, "ccc")


def test_macro_f1_is_that_of_the_run_s_report(found):
    run = found[0] / "trials" / "0"
    reported = evaluate(run, out=found[0] / "evaluated")["scores"]["pooled"]["expression"]["macro_f1"]["value"]
    shutil.rmtree(found[0] / "evaluated")
    assert objectives.score(run, "macro_f1")["score"] == pytest.approx(reported)


@pytest.mark.slow
def test_a_run_that_stops_at_an_epoch_goes_on_and_ends_as_one_that_did_not(base, tmp_path):
    config = replace(base, epochs=2, dropout=0.3)
    straight = train(config, tmp_path / "whole", small_backbone)
    assert len(train(config, tmp_path / "halved", small_backbone, until=1)) == 1
    assert [path.name for path in (tmp_path / "halved" / "checkpoint").iterdir()] == ["000001-000000000"]
    assert len(train(config, tmp_path / "halved", small_backbone, resume=True, until=1)) == 1  # it is there already
    pd.testing.assert_frame_equal(train(config, tmp_path / "halved", small_backbone, resume=True), straight, rtol=1e-6)
    weights = [models.load(tmp_path / name)[0].get_weights() for name in ("whole", "halved")]
    assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
    assert not (tmp_path / "halved" / "checkpoint").exists()


def test_a_search_in_which_all_fail_has_no_best_and_tries_none_again(base, tmp_path):
    wanted = Settings(base, trials=2, knobs=("dropout",))
    assert search(wanted, tmp_path / "out", out_of_memory, isolate=False) is None
    assert search(wanted, tmp_path / "out", small_backbone, isolate=False) is None
    assert table(tmp_path / "out")["status"].tolist() == ["failed", "failed"]
    assert not (tmp_path / "out" / "best").exists()


PROCESS = """
import sys
from pathlib import Path
from tests.small_network import small_backbone
from tfaffect import search as searching
from tfaffect.search import search
from tfaffect.tuning.settings import Settings, load
from tfaffect.config import load as load_config
if __name__ == "__main__":
    out, isolate = Path(sys.argv[1]), sys.argv[2] == "True"
    wanted = Settings(load_config(Path(sys.argv[3])), sys.argv[4], trials=int(sys.argv[5]), knobs=("learning_rate",))
    print(search(wanted, out, small_backbone, isolate))
"""


def start(out, config, strategy, trials, isolate=False, **environment):
    config.save(out.with_suffix(".json"))
    words = [out, isolate, out.with_suffix(".json"), strategy, trials]
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, found, seconds=120):
    deadline = time.monotonic() + seconds
    while not found():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate()[1])
        time.sleep(0.02)


@pytest.mark.slow
def test_a_search_that_is_killed_amid_a_promoted_trial_goes_on_where_it_was(base, tmp_path):
    """Hyperband over 3 epochs and 2 trials: the config itself for 3, the other for 1, and then for all 3."""
    config, out = replace(base, epochs=3), tmp_path / "out"
    process = start(out, config, "hyperband", 2)
    wait_for(process, (out / "trials" / "0001" / "checkpoint" / "000002-000000000").exists)
    process.kill()
    process.communicate()
    assert table(out)["status"].tolist() == ["done", "running"]
    kept = [(out / "trials" / name / "history.csv").read_text() for name in ("0000", "0001")]

    best = search(Settings(config, "hyperband", trials=2, knobs=("learning_rate",)), out, small_backbone, isolate=False)
    rows = table(out)
    assert rows["status"].tolist() == ["done", "done"]
    assert rows["epochs"].tolist() == [3, 3]
    assert best["score"] == rows["score"].max()
    now = [(out / "trials" / name / "history.csv").read_text() for name in ("0000", "0001")]
    assert now[0] == kept[0]
    assert now[1].startswith(kept[1])  # no epoch was trained twice
    starts = [trial_records.load(trial_records.record_path(out, name)).starts for name in ("0000", "0001")]
    assert starts == [("",), ("", "000001-000000000", "000002-000000000")]


@pytest.mark.slow
def test_ctrl_c_saves_the_trial_in_its_own_process_and_the_search_goes_on(base, tmp_path):
    config = replace(base, epochs=100)  # the trial must not end before the signal comes
    out = tmp_path / "out"
    process = start(out, config, "random", 1, isolate=True)
    wait_for(process, lambda: any((out / "trials" / "0" / "checkpoint").glob("000001-*")))
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in error
    (saved,) = (out / "trials" / "0" / "checkpoint").iterdir()
    assert saved.name >= "000001-000000000"
    assert table(out)["status"].tolist() == ["stopped"]
    assert trial_records.load(trial_records.record_path(out, "0")).starts == ()
    assert "epochs of" in (out / "tuner" / "logs" / "0.txt").read_text()


@pytest.mark.slow
def test_a_chief_and_two_workers_share_a_search(base, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    out = tmp_path / "out"
    processes = {
        name: start(out, base, "random", 2, KERASTUNER_TUNER_ID=name, **address) for name in ("chief", "ada", "bob")
    }
    try:
        printed = {name: process.communicate(timeout=240) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    assert {name: process.returncode for name, process in processes.items()} == dict.fromkeys(processes, 0), printed
    rows = table(out)
    assert rows["status"].tolist() == ["done"] * 2
    assert rows["learning_rate"][0] == base.learning_rate
    assert len(list((out / "trials").glob("[0-9]"))) == 2
    assert "trial 1" in printed["chief"][0]
    assert (out / "report" / "report.html").exists()


def train_at_once(function, job, *_):
    """What a trial's process returns."""
    return {"status": "done", "reason": "", "score": 0.5 + job[0].focal_gamma / 100, "best_epoch": 1, "epochs": 1}


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband", "combinations"])
def test_a_space_that_is_used_up_ends_the_search_with_a_sentence(base, tmp_path, monkeypatch, capsys, strategy):
    """Two losses with three class weights are 6 configs; four combinations with one seed are 4."""
    monkeypatch.setattr(isolation, "call", train_at_once)
    grid = strategy == "combinations"
    knobs, configs = ((), 4) if grid else (("expression_loss", "class_weights"), 6)
    wanted = Settings(replace(base, weights="imagenet"), strategy, trials=9, seeds=1, knobs=knobs)
    said = f"The search ends after {configs} of 9 trials, because its space is used up: it has only {configs} different"
    for _ in range(2):  # the second time there is nothing left to do
        search(wanted, tmp_path / "out")
        printed = capsys.readouterr().out
        assert printed.count(said) == 1
        rows = table(tmp_path / "out")
        columns = ["gradual_unfreezing", "discriminative_rates", "seed"] if grid else [*knobs]
        assert len(rows) == len(rows.drop_duplicates(columns)) == configs
        assert said in (tmp_path / "out" / "report" / "report.html").read_text()


def test_a_space_that_is_large_enough_says_nothing(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(isolation, "call", train_at_once)
    for place, knobs in enumerate((("expression_loss", "class_weights"), ("expression_loss", "focal_gamma"))):
        out = tmp_path / str(place)
        search(Settings(base, trials=6, knobs=knobs), out)
        assert len(table(out)) == len(table(out).drop_duplicates([*knobs])) == 6
        assert "used up" not in capsys.readouterr().out + (out / "report" / "report.html").read_text()


def test_combinations_that_begin_from_random_weights_say_so(base, tmp_path, capsys):
    for strategy, said in (("combinations", True), ("random", False)):
        out = tmp_path / strategy
        out.mkdir()
        searching._load_or_create(Settings(replace(base, weights="none"), strategy), out, "")
        assert ("starts from random weights" in capsys.readouterr().err) == said


def test_a_folder_in_which_another_process_searches_is_left_alone(base, tmp_path):
    with (
        atomic.locked(tmp_path / "out" / "search.json"),
        pytest.raises(UsageError, match="Another process searches in"),
    ):
        search(Settings(base, "random", trials=1), tmp_path / "out", small_backbone, isolate=False)
