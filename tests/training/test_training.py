import shutil
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from tests.small_network import small_backbone
from tfaffect import config as configs
from tfaffect.errors import UsageError
from tfaffect.evaluate import evaluate
from tfaffect.networks import model as models
from tfaffect.records import batches
from tfaffect.records.prepared import open_corpus
from tfaffect.training import training
from tfaffect.training.callbacks.progress import Progress
from tfaffect.training.callbacks.selection import KeepBest, selection
from tfaffect.training.training import train
from tfrecords_builders.base import Face
from tfrecords_builders.prepare import prepare
from tfrecords_builders.synthetic import Synthetic


def test_a_run_leaves_its_files(run, config):
    files = {"config.json", "versions.json", "model.keras", "history.csv", "tensorboard", "report"}
    assert files == {path.name for path in run.iterdir()}
    # from random weights nothing is frozen or slowed down, and the config says so
    assert configs.load(run / "config.json") == replace(
        config, gradual_unfreezing="off", discriminative_rates="off", strategy="single"
    )
    history = pd.read_csv(run / "history.csv")
    assert history["epoch"].tolist() == list(range(1, config.epochs + 1))
    assert history.notna().all(axis=None)


def test_a_run_learns(run):
    history = pd.read_csv(run / "history.csv")
    assert history["loss"].iloc[-1] < 0.7 * history["loss"].iloc[0]
    assert history["val_expression_accuracy"].max() > 0.3
    assert history["val_valence_ccc"].max() > 0.2


def test_the_kept_model_is_that_of_the_best_epoch(run, config):
    history = pd.read_csv(run / "history.csv")
    best = history.loc[history["selection"].idxmax()]
    corpora = [open_corpus(config.records, name) for name in config.corpora]
    model, contract = models.load(run)
    assert contract.trained == ("expression", "valence", "arousal")
    assert contract.corpora == {"synthetic": "1.1.0"}
    assert contract.terms == {"synthetic": "drawn by this project; no person is shown"}
    outputs, truths, weights = [], [], []
    for pictures, targets, weight in batches.validation_batches(corpora, config):
        outputs.append(model.predict_on_batch(pictures)["valence"])
        truths.append(targets["valence"].numpy())
        weights.append(weight["valence"].numpy())
    error = (np.concatenate(outputs) - np.concatenate(truths))[np.concatenate(weights) > 0]
    assert np.sqrt(np.mean(error**2)) == pytest.approx(best["val_valence_rmse"], rel=1e-4)


def test_the_contract_names_the_network_and_how_its_faces_are_framed(run, config):
    corpus = open_corpus(config.records, "synthetic")
    tight = replace(corpus, crop_margin=0.0)
    assert models.load(run)[1].crop_margin == 0.1
    assert training.contract(replace(config, architecture="micro"), [tight]).architecture == "micro"
    assert training.contract(config, [tight]).crop_margin == 0.0
    assert training.contract(config, [tight, corpus]).crop_margin == 0.1  # of a mix, the widest


def test_a_network_is_one_of_grey_pictures_when_all_its_corpora_are_grey(run, config):
    drawn = open_corpus(config.records, "synthetic")
    assert models.load(run)[1].colour == "rgb"
    splits = {name: part | {"grey": part["records"]} for name, part in drawn.report["splits"].items()}
    grey = replace(drawn, report=drawn.report | {"splits": splits})
    assert training.contract(config, [grey]).colour == "grey"
    assert training.contract(config, [grey, drawn]).colour == "rgb"


def test_selection_by_hand():
    logs = {"val_expression_uar": 0.6, "val_valence_rmse": 0.3, "val_arousal_rmse": 0.5}
    assert selection(logs, ("expression", "valence", "arousal")) == pytest.approx((0.6 + 0.7 + 0.5) / 3)
    assert selection(logs, ("expression",)) == pytest.approx(0.6)
    assert selection(logs, ("valence", "arousal")) == pytest.approx(0.6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(brief, tmp_path):
    runs = []
    for name, seed in [("one", 0), ("two", 0), ("other", 1)]:
        train(replace(brief, seed=seed, epochs=1), tmp_path / name, small_backbone)
        runs.append(models.load(tmp_path / name)[0].get_weights())
    assert all(np.array_equal(*pair) for pair in zip(runs[0], runs[1], strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(runs[0], runs[2], strict=True))


@pytest.mark.parametrize("kind", ["class", "valence", "none"])
def test_corpora_with_one_kind_of_label_train_that_head_and_no_other(tmp_path, brief, kind):
    class OneKind(Synthetic):
        name = "one_kind"

        def faces(self, root):
            for number, item in enumerate(Synthetic(subjects=12, pictures=10).faces(root)):
                yield Face(
                    key=item.key,
                    group=item.group,
                    image=item.image,
                    expression={"fear": 1} if kind == "class" and number % 2 else None,
                    valence=0.5 if kind == "valence" else None,
                )

    prepare(OneKind(), tmp_path, tmp_path)
    config = replace(brief, records=tmp_path, corpora=("one_kind",))
    if kind == "none":
        with pytest.raises(UsageError, match="No label in a validation split"):
            train(config, tmp_path / "run", small_backbone)
        assert not (tmp_path / "run").exists()
        return
    history = train(config, tmp_path / "run", small_backbone)
    assert history.notna().all(axis=None)
    head = {"class": "expression", "valence": "valence"}[kind]
    assert models.load(tmp_path / "run")[1].trained == (head,)
    assert {name.split("_")[1] for name in history if name.startswith("val_")} == {head, "loss"} | (
        {"valence", "arousal", "expression"} & {name.split("_")[1] for name in history if name.endswith("_loss")}
    )


def test_patience_ends_a_run_without_progress(tmp_path):
    model = models.build(replace(configs.Config(), image_size=32), small_backbone(32))
    keeper = KeepBest(tmp_path / "model.keras", models_contract(), patience=2)
    keeper.set_model(model)
    model.stop_training = False
    stopped = []
    for epoch, value in enumerate([0.5, 0.4, 0.6, 0.6, 0.59]):
        keeper.on_epoch_end(epoch, {"selection": value})
        stopped.append(model.stop_training)
    assert stopped == [False, False, False, False, True]
    assert keeper.best_epoch == 2


def backbone_weights(model):
    new = ("embedding", "batchnorm", "expression", "affect")
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights and layer.name not in new}


@pytest.mark.slow
@pytest.mark.parametrize("rates", ["on", "off"])
@pytest.mark.parametrize("unfreezing", ["on", "off"])
def test_the_two_techniques_run_in_every_combination(config, tmp_path, unfreezing, rates):
    config = replace(config, epochs=3, gradual_unfreezing=unfreezing, discriminative_rates=rates, groups_at_start=9)
    before, moved = {}, []

    class Watch(Progress):
        def on_train_begin(self, logs=None):
            super().on_train_begin(logs)
            before.update(backbone_weights(self.model))

        def on_epoch_end(self, epoch, logs=None):
            now = backbone_weights(self.model)
            moved.append({name.split("_")[0] for name in now if not np.array_equal(now[name][0], before[name][0])})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Progress", Watch)
        train(config, tmp_path / "run", small_backbone)
    everything = {"stem", "top", *(f"block{number}a" for number in range(1, 8))}
    # 17 groups: the newest nine are the new layers, the pooling and the top; then one block joins with every epoch
    expected = [{"top"}, {"top", "block7a"}, {"top", "block7a", "block6a"}] if unfreezing == "on" else [everything] * 3
    assert moved == expected
    optimizer = keras.saving.load_model(tmp_path / "run" / "model.keras").optimizer
    # twelve groups lie above the stem and below the heads; pooling, identity and dropout count
    slow = {"on": pytest.approx(0.85**12), "off": 1}[rates]
    assert optimizer.multipliers["stem_conv"] == slow
    assert optimizer.multipliers["embedding"] == 1


def test_each_corpus_of_a_mix_is_scored_on_its_own(brief, records, tmp_path):
    shutil.copytree(records / "synthetic", tmp_path / "synthetic")
    prepare(Afraid(), tmp_path, tmp_path)
    config = replace(brief, records=tmp_path, corpora=("synthetic", "afraid"), corpus_weights=(0.5, 1.0))
    history = train(config, tmp_path / "run", small_backbone)
    assert history.notna().all(axis=None)
    scores = evaluate(tmp_path / "run")["scores"]
    best = history.loc[history["selection"].idxmax()]
    for corpus in config.corpora:
        assert best[f"val_{corpus}/expression_accuracy"] == pytest.approx(
            scores[corpus]["expression"]["accuracy"]["value"], abs=1e-6
        )
    assert best["val_synthetic/valence_ccc"] == pytest.approx(scores["synthetic"]["valence"]["ccc"]["value"], abs=1e-4)
    assert "val_afraid/valence_ccc" not in history  # it has no label for it
    sizes = [scores[corpus]["records"] for corpus in config.corpora]
    shares = [best[f"val_{corpus}/expression_accuracy"] for corpus in config.corpora]
    labelled = [scores[corpus]["expression"]["n"] for corpus in config.corpora]
    assert best["val_expression_accuracy"] == pytest.approx(np.average(shares, weights=labelled), abs=1e-6)
    assert sizes == [60, 10]


class Afraid(Synthetic):
    """A corpus of one class, without valence and arousal."""

    name = "afraid"

    def faces(self, root):
        for item in Synthetic(subjects=10, pictures=10).faces(root):
            yield Face(key=item.key, group=item.group, image=item.image, expression="fear")


def test_a_folder_named_like_a_choice_of_weights_is_not_taken_for_it(brief, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    train(replace(brief, epochs=1), tmp_path / "run", small_backbone)
    assert configs.load(tmp_path / "run" / "config.json").weights == "none"


def test_the_schedule_counts_steps_of_the_optimizer_when_gradients_are_accumulated(brief, tmp_path):
    history = train(replace(brief, gradient_accumulation_steps=3), tmp_path / "run", small_backbone)
    # 30 batches are 10 steps; the tenth and the twentieth step of a warm-up from 1e-5 to 5e-3 in twenty
    assert history["learning_rate"].tolist() == pytest.approx([2.2555e-3, 4.7505e-3], rel=1e-5)
    assert history.notna().all(axis=None)


def test_a_corpus_without_faces_to_train_on_is_refused_before_anything_is_made(brief, records, tmp_path):
    shutil.copytree(records / "synthetic", tmp_path / "synthetic")
    prepare(Unseen(), tmp_path, tmp_path)
    with pytest.raises(UsageError, match="Nothing to train on in the train split of: unseen"):
        train(replace(brief, records=tmp_path, corpora=("synthetic", "unseen")), tmp_path / "run", small_backbone)
    assert not (tmp_path / "run").exists()


class Unseen(Synthetic):
    """A corpus of validation faces alone."""

    name = "unseen"

    def faces(self, root):
        for item in Synthetic(subjects=2, pictures=4).faces(root):
            yield Face(key=item.key, group=item.group, image=item.image, expression="fear", split="validation")


def test_a_last_step_that_breaks_the_weights_leaves_the_epoch_before(brief, tmp_path):
    class Break(Progress):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.position.epoch == 1 and self.position.step == self.steps:
                self.model.get_layer("embedding").bias.assign(np.full(256, np.nan))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Progress", Break)
        with pytest.raises(UsageError, match="the validation loss is nan after epoch 2"):
            train(brief, tmp_path / "run", small_backbone)
    assert all(np.isfinite(weight).all() for weight in models.load(tmp_path / "run")[0].get_weights())
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["000001-000000000"]


def test_divergence_ends_a_run_with_a_remedy(brief, tmp_path):
    config = replace(brief, learning_rate=1e30, warmup_learning_rate=1e30)
    with pytest.raises(UsageError, match=r"diverged: the loss is nan at batch \d+ of epoch 1, which holds synthetic/"):
        train(config, tmp_path / "run", small_backbone)


def models_contract():
    from tfaffect.contract import Contract

    return Contract(input_size=32, trained=("expression",), corpora={})


def test_a_folder_with_a_run_is_never_written_over(run, config):
    before = (run / "model.keras").read_bytes()
    with pytest.raises(UsageError, match="is not empty"):
        train(config, run, small_backbone)
    assert (run / "model.keras").read_bytes() == before


def test_an_unknown_corpus_is_refused_before_anything_is_made(config, tmp_path):
    with pytest.raises(UsageError, match="No records of 'raf_db'"):
        train(replace(config, corpora=("raf_db",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
