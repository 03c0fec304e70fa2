import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tfaffect.errors import UsageError
from tfaffect.evaluate import evaluate, main, report_folder
from tfaffect.labels import CLASSES
from tfaffect.media import faces
from tfaffect.networks import model as models
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.keras_model import KerasModel
from tfaffect.runtimes.opening import open_model
from tfaffect.runtimes.predictions import predict, tabulate
from tfaffect.scoring import scores


def test_training_leaves_a_report_on_validation(run, config):
    report = json.loads((run / "report" / "report.json").read_text())
    assert report["protocol"]["split"] == "validation"
    assert report["protocol"]["evaluated on"] == "synthetic 1.1.0"
    assert report["scores"]["pooled"]["records"] == open_corpus(config.records, "synthetic").size("validation")
    names = {path.name for path in (run / "report").iterdir()}
    assert {"report.html", "predictions.csv", "confusion.png", "reliability.png", "affect.png", "curves.png"} <= names


def test_the_report_agrees_with_the_history(run):
    history = pd.read_csv(run / "history.csv")
    best = history.loc[history["selection"].idxmax()]
    pooled = json.loads((run / "report" / "report.json").read_text())["scores"]["pooled"]
    assert pooled["expression"]["accuracy"]["value"] == pytest.approx(best["val_expression_accuracy"], abs=1e-5)
    assert pooled["expression"]["uar"]["value"] == pytest.approx(best["val_expression_uar"], abs=1e-5)
    for head in ("valence", "arousal"):
        assert pooled[head]["ccc"]["value"] == pytest.approx(best[f"val_{head}_ccc"], abs=1e-4)
        assert pooled[head]["rmse"]["value"] == pytest.approx(best[f"val_{head}_rmse"], abs=1e-4)


def test_predictions_stand_beside_their_records(run, config):
    network, corpus = open_model(run), open_corpus(config.records, "synthetic")
    predictions = predict(network, corpus, "test", batch_size=7)
    assert len(predictions) == corpus.size("test")
    assert predictions["key"].is_unique
    assert (predictions["corpus"] == "synthetic").all()
    np.testing.assert_allclose(predictions[[f"expression_{name}" for name in CLASSES]].sum(axis=1), 1, rtol=1e-5)
    again = predict(network, corpus, "test", batch_size=64)
    np.testing.assert_allclose(predictions["valence"], again["valence"], atol=1e-5)
    scores.validate(predictions)


def test_a_network_of_grey_pictures_is_scored_on_grey_ones(run, config):
    model, contract = models.load(run)
    network, corpus = open_model(run), open_corpus(config.records, "synthetic")
    grey = KerasModel(run, model, replace(contract, colour="grey"))
    received = predict(grey, corpus, "test")
    expected = tabulate(lambda pictures: network(faces.to_grey(pictures))._asdict(), corpus, "test", 32)
    np.testing.assert_allclose(received["valence"], expected["valence"], atol=1e-4)
    assert np.abs(received["valence"] - predict(network, corpus, "test")["valence"]).max() > 0.01


def test_another_split_goes_where_it_is_told(run, tmp_path):
    report = evaluate(run, split="test", out=tmp_path / "test")
    assert report["protocol"]["split"] == "test"
    assert (tmp_path / "test" / "report.html").exists()
    assert json.loads((run / "report" / "report.json").read_text())["protocol"]["split"] == "validation"


@pytest.mark.parametrize(
    ("protocol", "folder"),
    [
        ({}, "report"),
        ({"corpora": ("synthetic",), "split": "validation"}, "report"),
        ({"split": "test"}, "report-test"),
        ({"only": "strict"}, "report-strict"),
        ({"corpora": ("fer_plus",), "split": "test", "only": "strict"}, "report-fer_plus-test-strict"),
    ],
)
def test_each_protocol_has_its_own_report(run, protocol, folder):
    assert report_folder(run, **protocol) == run / folder


def test_an_earlier_report_in_out_is_replaced_on_request_only(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(UsageError, match=r"has a report already\. Name another folder, or replace it with --overwrite"):
        main(tmp_path / "run", out=tmp_path)
    with pytest.raises(UsageError, match=r"contains no model|There is no") as error:
        main(tmp_path / "run", records=tmp_path, out=tmp_path, overwrite=True)
    assert "has a report" not in str(error.value)
    assert (tmp_path / "report.json").read_text() == "{}"


def test_only_the_records_with_a_tag(run, tmp_path):
    with pytest.raises(UsageError, match="No record has the tag 'strict'"):
        evaluate(run, only="strict", out=tmp_path / "strict")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "no split 'dev'"),
        ({"corpora": ("raf_db",)}, "No records of 'raf_db'"),
    ],
)
def test_what_is_not_there_is_named(run, tmp_path, arguments, message):
    with pytest.raises(UsageError, match=message):
        evaluate(run, out=tmp_path / "report", **arguments)


def test_a_folder_that_is_no_run_is_refused(exported, tmp_path):
    with pytest.raises(UsageError, match=r"is not a run folder, so it needs --records and --out too\."):
        evaluate(exported)
    with pytest.raises(UsageError, match=r"is not a run folder, so it needs --out too\."):
        evaluate(exported, records=tmp_path)
    with pytest.raises(UsageError, match=r"contains no model\. Name a run folder"):
        evaluate(tmp_path)


def test_an_export_has_a_report_as_its_run_has(run, exported, config, tmp_path):
    report = evaluate(exported, records=config.records, out=tmp_path / "report")
    own = json.loads((run / "report" / "report.json").read_text())
    for head in ("expression", "valence", "arousal"):
        for figure, value in own["scores"]["pooled"][head].items():
            if isinstance(value, dict) and "value" in value:
                assert report["scores"]["pooled"][head][figure]["value"] == pytest.approx(value["value"], abs=1e-3)
    assert report["protocol"] | {"weights": "", "model": ""} == own["protocol"] | {"weights": "", "model": ""}
    assert (tmp_path / "report" / "report.html").exists()
