"""`tfaffect evaluate --prior` on a run and on an export: probabilities, scores and the words of the report."""

import json

import numpy as np
import pandas as pd
import pytest

from tfaffect.contract import read
from tfaffect.errors import UsageError
from tfaffect.evaluate import evaluate, report_folder
from tfaffect.labels import CLASSES
from tfaffect.runtimes.opening import model_file
from tfaffect.scoring import priors
from tfaffect.scoring.scores import PREDICTED, TRUE

MOSTLY_CONTEMPT = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.93]


@pytest.fixture
def shares(tmp_path):
    path = tmp_path / "clinic.json"
    path.write_text(json.dumps(dict(zip(CLASSES, MOSTLY_CONTEMPT, strict=True))))
    return path


@pytest.mark.parametrize("runtime", ["run", "exported"])
def test_both_runtimes_answer_for_the_shares_of_a_file(runtime, request, records, shares, tmp_path, capsys):
    model = request.getfixturevalue(runtime)
    plain, turned = tmp_path / "plain", tmp_path / "turned"
    evaluate(model, ("synthetic",), records=records, out=plain)
    report = evaluate(model, ("synthetic",), records=records, out=turned, prior=str(shares))
    before, after = (pd.read_csv(folder / "predictions.csv") for folder in (plain, turned))
    answers = priors.answer_shares(read(model_file(model)))
    expected = before[[*PREDICTED]].to_numpy() * MOSTLY_CONTEMPT / answers
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after[[*PREDICTED]], expected, atol=1e-4)
    labelled = before[[*TRUE]].sum(axis=1) > 0
    right = expected[labelled].argmax(axis=1) == before.loc[labelled, [*TRUE]].to_numpy().argmax(axis=1)
    assert report["scores"]["pooled"]["expression"]["accuracy"]["value"] == pytest.approx(right.mean(), abs=0.02)
    others = [name for name in before if name not in PREDICTED]
    pd.testing.assert_frame_equal(before[others], after[others])
    assert report["protocol"]["prior"] == "clinic.json"
    assert "contempt 93.0 %" in report["protocol"]["class shares"]
    assert "prior" not in json.loads((plain / "report.json").read_text())["protocol"]
    assert capsys.readouterr().err.count("add up to") == 0


def test_an_estimate_is_printed_with_its_warning_and_training_shares_change_nothing(run, records, tmp_path, capsys):
    same = evaluate(run, out=tmp_path / "same", prior="training")
    first = json.loads((run / "report" / "report.json").read_text())
    assert same["scores"] == first["scores"]
    found = evaluate(run, out=tmp_path / "found", prior="estimate")
    predictions = pd.read_csv(run / "report" / "predictions.csv")
    answers = priors.answer_shares(read(model_file(run)))
    expected = priors.estimate_shares(predictions[[*PREDICTED]].to_numpy(), answers)
    assert found["protocol"]["class shares"] == priors.describe(expected)
    assert "looks the same" in " ".join(capsys.readouterr().err.split())


def test_a_report_with_a_prior_has_its_own_folder(run, shares):
    assert report_folder(run, prior="uniform") == run / "report-uniform"
    assert report_folder(run, split="test", prior=str(shares)) == run / "report-test-clinic"


def test_a_wrong_prior_is_refused_before_a_face_is_read(run, tmp_path):
    with pytest.raises(UsageError, match="must be training, uniform, estimate or a"):
        evaluate(run, records=tmp_path / "nowhere", out=tmp_path / "report", prior="unifrom")
