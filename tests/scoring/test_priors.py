"""Class probabilities for other class shares: Bayes by hand, shares by EM, and the files that give shares."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tfaffect import contract as contracts
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.labels import CLASSES
from tfaffect.scoring import priors

FER_PLUS = np.array([0.34, 0.26, 0.13, 0.13, 0.03, 0.01, 0.09, 0.01])


def contract_with(training, answers=None):
    names = {"labels": training, "training": training, "answers": training if answers is None else answers}
    shares = {name: priors.named(values) for name, values in names.items()}
    return Contract(48, ("expression",), {}, class_shares=shares)


def test_two_classes_by_hand():
    """One of two faces is A in training, one of ten there: 2/3 becomes (2/3 * 1/5) / (2/3 * 1/5 + 1/3 * 9/5) = 2/11."""
    given = np.array([[2 / 3, 1 / 3], [1 / 4, 3 / 4], [1.0, 0.0]])
    found = priors.reweigh(given, np.array([0.5, 0.5]), np.array([0.1, 0.9]))
    np.testing.assert_allclose(found, [[2 / 11, 9 / 11], [1 / 28, 27 / 28], [1, 0]], atol=1e-9)


def test_eight_classes_by_hand():
    """An answer equal to the training shares knows nothing of the face: it becomes the target shares."""
    target = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3])
    np.testing.assert_allclose(priors.reweigh(FER_PLUS, FER_PLUS, target), target)
    even = np.full(8, 1 / 8)  # equal answers of a network that learned unequal shares speak for the rare classes
    inverse = 1 / FER_PLUS
    np.testing.assert_allclose(priors.reweigh(even, FER_PLUS, even), inverse / inverse.sum())


def test_nothing_changes_without_a_shift_and_no_face_stays_no_face():
    given = np.array([[0.3, 0.7], [np.nan, np.nan]], np.float32)
    assert priors.reweigh(given, np.array([0.9, 0.1]), np.array([0.9, 0.1])) is given
    shifted = priors.reweigh(given, np.array([0.9, 0.1]), np.array([0.5, 0.5]))
    assert shifted.dtype == np.float32
    assert np.isnan(shifted[1]).all()
    back = priors.reweigh(shifted, np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    np.testing.assert_allclose(back[0], given[0], atol=1e-6)


def test_accuracy_under_a_shift_is_that_of_the_theory():
    """A sign is seen at 8 of 10 faces of A and 4 of 10 of B. Both are equally frequent in training: the sign means A.

    Where one of ten is A, this rule is right for 0.1 * 0.8 + 0.9 * 0.6 = 62 %. By Bayes B is always likelier: 90 %.
    """
    answers, there = np.array([0.5, 0.5]), np.array([0.1, 0.9])
    faces = [(0, 1, 8), (0, 0, 2), (1, 1, 36), (1, 0, 54)]  # class, sign, number of 100 faces
    truth, sign = (np.repeat([face[place] for face in faces], [face[2] for face in faces]) for place in (0, 1))
    given = np.array([[1 / 4, 3 / 4], [2 / 3, 1 / 3]])[sign]
    assert (given.argmax(axis=1) == truth).mean() == pytest.approx(0.62)
    turned = priors.reweigh(given, answers, there)
    assert (turned.argmax(axis=1) == truth).mean() == pytest.approx(0.90)
    assert turned.mean(axis=0) == pytest.approx(there)  # calibrated again
    assert priors.estimate_shares(given, answers) == pytest.approx(there, abs=1e-4)  # the sign is seen at 44 of 100


def test_the_estimate_finds_the_shares_from_which_faces_were_drawn():
    """Eight classes as overlapping clouds, 20,000 faces of another mix, whose posteriors under FER_PLUS are exact."""
    rng = np.random.default_rng(5)
    there = np.array([0.10, 0.20, 0.05, 0.15, 0.20, 0.05, 0.05, 0.20])
    truth = rng.choice(8, 20_000, p=there)
    seen = np.eye(8)[truth] * 2.5 + rng.normal(size=(20_000, 8))
    posterior = FER_PLUS * np.exp(2.5 * seen)
    posterior /= posterior.sum(axis=1, keepdims=True)
    found = priors.estimate_shares(np.vstack([posterior, np.full((3, 8), np.nan)]), FER_PLUS)
    np.testing.assert_allclose(found, there, atol=0.012)
    before, after = (
        (table.argmax(axis=1) == truth).mean() for table in (posterior, priors.reweigh(posterior, FER_PLUS, found))
    )
    ideal = (priors.reweigh(posterior, FER_PLUS, there).argmax(axis=1) == truth).mean()
    assert before + 0.05 < after
    assert after == pytest.approx(ideal, abs=0.005)
    with pytest.raises(UsageError, match="no face with class probabilities"):
        priors.estimate_shares(np.full((2, 8), np.nan), FER_PLUS)


def test_training_and_uniform_of_a_network_that_answers_for_equal_shares():
    """A logit-adjusted network never saw contempt: `uniform` changes nothing, `training` turns back."""
    training = np.array([0.5, 0.2, 0.1, 0.1, 0.04, 0.03, 0.03, 0.0])
    contract = contract_with(training, [1 / 7] * 7 + [0.0])
    np.testing.assert_allclose(priors.target_shares("uniform", contract, []), [1 / 7] * 7 + [0.0])
    np.testing.assert_allclose(priors.target_shares("training", contract, []), training)
    np.testing.assert_allclose(priors.answer_shares(contract), [1 / 7] * 7 + [0.0])


def test_a_file_of_shares(tmp_path):
    contract, notes = contract_with(FER_PLUS), []
    counts = dict(zip(CLASSES, [40, 30, 10, 10, 4, 1, 4, 1], strict=True))
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    expected = np.array([*counts.values()]) / 100
    np.testing.assert_allclose(priors.target_shares(str(tmp_path / "counts.json"), contract, notes), expected)
    assert "add up to 100, so each was divided by 100" in notes[0]
    lines = [f"{name};{share:.2f}".replace(".", ",") for name, share in zip(CLASSES, expected, strict=True)]
    (tmp_path / "shares.csv").write_text("\n".join(["class;share", *reversed(lines)]))
    np.testing.assert_allclose(priors.target_shares(str(tmp_path / "shares.csv"), contract, notes), expected)
    assert len(notes) == 1


WHOLE = dict.fromkeys(CLASSES, 0.125)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"neutral": 1.0}), "Missing: happiness, .* Unknown: none"),
        (json.dumps({**WHOLE, "joy": 0.1}), "Missing: none. Unknown: joy"),
        (json.dumps({**WHOLE, "fear": -0.1}), "at least 0"),
        (json.dumps({**WHOLE, "fear": "much"}), "at least 0"),
        (json.dumps({**WHOLE, "fear": float("nan")}), "at least 0"),
        (json.dumps(dict.fromkeys(CLASSES, 0)), "not all 0"),
        (json.dumps(WHOLE)[:-1] + ', "fear": 0.1}', "names fear twice"),
        ("[0.5, 0.5]", "must be an object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    (tmp_path / "shares.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        priors.check(str(tmp_path / "shares.json"), contract_with(FER_PLUS))


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "table.csv").write_text("class,number\nfear,1\n")
    (tmp_path / "all.json").write_text(json.dumps(WHOLE))
    with pytest.raises(UsageError, match="columns class and share"):
        priors.check(str(tmp_path / "table.csv"), contract_with(FER_PLUS))
    with pytest.raises(UsageError, match="must be training, uniform, estimate or a"):
        priors.check("unifrom", contract_with(FER_PLUS))
    with pytest.raises(UsageError, match="gives a share to contempt, which no training label"):
        priors.check(str(tmp_path / "all.json"), contract_with([*[1 / 7] * 7, 0.0]))
    with pytest.raises(UsageError, match="has none: it was made by an earlier version"):
        priors.check("estimate", Contract(48, ("expression",), {}))
    with pytest.raises(UsageError, match="has none: it learned no classes"):
        priors.check("uniform", Contract(48, ("valence",), {}))


SHARES = dict.fromkeys(("labels", "training", "answers"), priors.named(FER_PLUS))


@pytest.mark.parametrize(
    "shares",
    [
        [1],
        {"training": priors.named(FER_PLUS)},
        {**SHARES, "answers": priors.named(2 * FER_PLUS)},
        {**SHARES, "labels": {"neutral": 1.0}},
        {**SHARES, "training": {**priors.named(FER_PLUS), "fear": "0.03"}},
    ],
)
def test_a_contract_keeps_its_shares_and_refuses_wrong_ones(shares):
    contract = contract_with(FER_PLUS)
    assert contracts.loads(contract.dumps(), "model.json").class_shares == contract.class_shares
    with pytest.raises(UsageError, match="class_shares"):
        contracts.loads(replace(contract, class_shares=shares).dumps(), "model.json")


def test_calibration_replaces_the_shares_of_votes_by_those_of_the_answers():
    """A temperature sharpens answers, so that rare classes become rarer: the mean of the answers counts, not the votes.

    This network answers for twice as much of class 1 as it saw, before and after. To calibrate twice changes nothing.
    """
    training, answers = np.array([0.5, 0.5, *[0.0] * 6]), np.array([1 / 3, 2 / 3, *[0.0] * 6])
    contract = contract_with(training, answers)
    scaled = np.array([[0.75, 0.25, *[0.0] * 6], [1 / 3, 2 / 3, *[0.0] * 6]])
    found = priors.calibrated_shares(contract, scaled)  # turned back: 6/7, 1/7 and 1/2, 1/2
    assert [*found["training"].values()] == pytest.approx([19 / 28, 9 / 28, *[0] * 6])
    assert [*found["answers"].values()] == pytest.approx([19 / 37, 18 / 37, *[0] * 6])
    assert found["labels"] == contract.class_shares["labels"]
    again = priors.calibrated_shares(replace(contract, class_shares=found), scaled)
    for name in found:
        assert [*again[name].values()] == pytest.approx([*found[name].values()])
