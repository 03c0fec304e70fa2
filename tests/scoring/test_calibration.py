import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from tfaffect import calibrate as command
from tfaffect import contract as contracts
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.networks import model as models
from tfaffect.scoring import calibration
from tfaffect.scoring.scores import PREDICTED, TRUE, TRUE_AFFECT, expected_calibration_error


def table(probabilities, classes, groups=None, affect=None):
    """Predictions of n faces; `affect` holds the residuals of valence."""
    count = len(probabilities)
    rows = pd.DataFrame(probabilities, columns=[*PREDICTED])
    rows[[*TRUE]] = np.eye(8)[classes]
    rows[[*AFFECT]], rows[[*TRUE_AFFECT]] = np.nan, np.nan
    if affect is not None:
        rows["valence"], rows["true_valence"] = 0.0, np.asarray(affect)
        rows["arousal"] = 0.0
    names = [str(number) for number in range(count)]
    return rows.assign(corpus="corpus", key=names, group=groups or names, tags="")


def sure(count, right, top):
    """Faces that are class 1 with probability `top` to the network, of which the first `right` are."""
    probabilities = np.full((count, 8), (1 - top) / 7)
    probabilities[:, 1] = top
    classes = np.full(count, 2)
    classes[:right] = 1
    return probabilities, classes


def test_the_temperature_makes_the_network_as_sure_as_it_is_right():
    """Right for 70 of 100 and sure of 0.9: at the optimum the top probability is 0.7, and the temperature follows."""
    probabilities, classes = sure(100, 70, 0.9)
    classes[70:] = np.resize([0, 2, 3, 4, 5, 6, 7], 30)  # wrong evenly, as the network says
    temperature = calibration.fit_temperature(probabilities, classes)
    # softmax of two levels: log(top / rest) / T = log(0.7 / (0.3 / 7)) with log(0.9 / (0.1 / 7)) before
    assert temperature == pytest.approx(np.log(63) / np.log(49 / 3), rel=1e-3)
    assert calibration.with_temperature(probabilities, temperature)[0, 1] == pytest.approx(0.7, abs=1e-3)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_a_temperature_divides_logits():
    logits = np.random.default_rng(0).normal(size=(5, 8))
    np.testing.assert_allclose(calibration.with_temperature(softmax(logits), 2.5), softmax(logits / 2.5), rtol=1e-6)


def test_a_network_that_answers_for_equal_shares_is_calibrated_after_its_answers_are_turned_back():
    """Logits 1.7 times too large, of a network that was taught to forget that class 0 has 65 of 100 faces."""
    rng, shares = np.random.default_rng(3), np.array([0.65, *[0.05] * 7])
    truth = rng.choice(8, 20_000, p=shares)
    means = np.array([0.5, *[2.0] * 7])  # of a normal feature for each class, so that likelihoods are known
    evidence = means * (np.diag(means)[truth] + rng.normal(size=(20_000, 8))) - means**2 / 2
    answers = table(softmax(1.7 * evidence), truth)
    turned, plain = (calibration.calibrate(answers, ratios=ratios) for ratios in (shares * 8, None))
    assert turned["temperature"] == pytest.approx(1.7, rel=0.02)
    assert plain["temperature"] > 1.9, "rare classes make the network seem surer than it is"
    assert turned["ece"]["after"] < 0.01 < 0.05 < turned["ece"]["before"]


def test_a_network_that_is_always_right_is_not_made_certain():
    assert calibration.fit_temperature(*sure(50, 50, 0.9)) == pytest.approx(0.1, rel=0.1)


def test_certainties_of_zero_and_one_are_borne():
    probabilities = np.zeros((4, 8))
    probabilities[:, 1] = 1
    temperature = calibration.fit_temperature(probabilities, np.array([1, 1, 1, 2]))
    assert temperature == pytest.approx(10, rel=0.1)
    assert np.isfinite(calibration.with_temperature(probabilities, temperature)).all()


@pytest.mark.parametrize(
    ("count", "coverage", "expected"),
    [(9, 0.9, 0.9), (19, 0.9, 1.8), (9, 0.5, 0.5), (8, 0.9, None), (0, 0.5, None)],
)
def test_an_interval_is_the_order_statistic_of_split_conformal_prediction(count, coverage, expected):
    """Residuals 0.1, -0.2, 0.3 ...: of 9 the ceil(10 * 0.9) = 9th; of 8 a 9th is wanted, which is not there."""
    residuals = 0.1 * np.arange(1, count + 1) * np.resize([1, -1], count)
    assert calibration.half_width(residuals, coverage) == (expected and pytest.approx(expected))


def test_intervals_hold_what_they_promise_on_other_faces():
    generator = np.random.default_rng(1)
    held = [
        np.mean(np.abs(generator.normal(size=1000)) <= calibration.half_width(generator.normal(size=99), 0.8))
        for _ in range(300)
    ]
    assert np.mean(held) == pytest.approx(0.8, abs=0.015)


def test_the_error_after_is_that_of_faces_whose_temperature_others_gave():
    """One half is right as often as it says; the other says 0.9 and is right for 0.5: each spoils the other's."""
    fine, unsure = sure(100, 90, 0.9), sure(100, 50, 0.9)
    probabilities, classes = (np.concatenate(parts) for parts in zip(fine, unsure, strict=True))
    order = np.argsort(np.resize(np.arange(100), 200), kind="stable")  # groups alternate: fine, unsure, fine ...
    groups = [f"{number:03d}" for number in range(200)]
    found = calibration.calibrate(table(probabilities[order], classes[order], groups))
    assert found["ece"]["before"] == pytest.approx(0.2)
    swapped = np.concatenate(
        [
            calibration.with_temperature(fine[0], calibration.fit_temperature(*unsure)),
            calibration.with_temperature(unsure[0], calibration.fit_temperature(*fine)),
        ]
    )
    expected = expected_calibration_error(swapped.max(axis=1), swapped.argmax(axis=1) == classes)
    assert found["ece"]["after"] == pytest.approx(expected)
    assert found["ece"]["after"] > 0.25


def test_a_group_lends_its_faces_no_temperature():
    probabilities, classes = sure(40, 20, 0.9)
    found = calibration.calibrate(table(probabilities, classes, groups=["one"] * 40))
    assert found["ece"]["after"] == found["ece"]["before"]


def test_a_threshold_says_how_many_faces_get_a_class_and_how_often_it_is_right():
    probabilities, classes = (
        np.concatenate(parts) for parts in zip(sure(60, 57, 0.95), sure(40, 22, 0.55), strict=True)
    )
    found = calibration.calibrate(table(probabilities, classes))
    (row,) = [row for row in found["abstain"] if row["threshold"] == 0.8]
    assert (row["share"], row["accuracy"]) == (pytest.approx(0.6), pytest.approx(57 / 60))


def test_heads_without_labels_are_left_alone():
    probabilities, classes = sure(20, 10, 0.9)
    assert calibration.calibrate(table(probabilities, classes))["half_width"] == {"valence": None, "arousal": None}
    rows = table(probabilities, classes, affect=np.linspace(-1, 1, 20))
    rows[[*TRUE]] = 0.0
    found = calibration.calibrate(rows, coverage=0.5)
    assert found["temperature"] == 1
    assert "ece" not in found
    assert found["half_width"]["valence"] == pytest.approx(11 / 19)  # the 11th of 1/19, 1/19, 3/19, 3/19 ...
    assert found["half_width"]["arousal"] is None


@pytest.mark.parametrize("coverage", [0, 1, 1.5, float("nan")])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(UsageError, match="between 0 and 1"):
        calibration.calibrate(table(*sure(10, 5, 0.9)), coverage)


def test_a_run_keeps_its_calibration_and_answers_by_it(run):
    model, contract = models.load(run)
    assert contract.temperature != 1
    assert contract.calibration["corpora"] == {"synthetic": "1.1.0"}
    assert set(contract.calibration["half_width"]) == set(AFFECT)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    expected = softmax(model.predict_on_batch(pictures)["expression"] / contract.temperature)
    received = models.predictor(model, contract).predict_on_batch(pictures)["expression"]
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_the_report_is_about_the_calibrated_network(run):
    protocol = json.loads((run / "report" / "report.json").read_text())["protocol"]
    assert protocol["temperature"] == round(contracts.read(run).temperature, 4)


def test_calibrating_again_finds_the_same_and_touches_no_weight(run, tmp_path):
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("config.json", "model.keras"):
        (copy / name).write_bytes((run / name).read_bytes())
    before = contracts.read(copy)
    found = command.calibrate(copy, coverage=0.8)
    after = contracts.read(copy)
    assert after.temperature == pytest.approx(before.temperature, rel=1e-6)
    assert after.weights_sha256 == before.weights_sha256
    assert all(found["half_width"][name] < before.calibration["half_width"][name] for name in AFFECT)
    with zipfile.ZipFile(copy / "model.keras") as archive:
        assert archive.testzip() is None
        assert archive.namelist().count("model.json") == 1
    assert f"temperature {after.temperature:.3f}" in command.summarise(found)
    assert "80 % of the faces" in command.summarise(found)


def test_classes_and_their_order_stand_in_the_contract_still(run):
    assert contracts.read(run).classes == CLASSES
