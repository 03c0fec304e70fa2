import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from tfaffect.labels import CLASSES
from tfaffect.scoring import scores
from tfaffect.scoring.scores import score, score_all

NONE = [np.nan]


def predict(truth=NONE, predicted=NONE, confidence=0.75, valence=(NONE, NONE), corpus="one", group=None, tags=""):
    """Predictions of classes (NaN: not annotated, or not trained) and of pairs of true and predicted valence."""
    n = max(len(truth), len(valence[0]))
    truth, predicted = (np.broadcast_to(np.asarray(part, float), n) for part in (truth, predicted))
    columns = {"corpus": corpus, "key": [f"face {i}" for i in range(n)], "tags": tags}
    columns["group"] = [f"face {i}" for i in range(n)] if group is None else group
    for index, name in enumerate(CLASSES):
        columns[f"true_{name}"] = (truth == index).astype(float)
        share = np.where(predicted == index, confidence, (1 - np.asarray(confidence)) / 7)
        columns[f"expression_{name}"] = np.where(np.isnan(predicted), np.nan, share)
    columns |= {"true_valence": valence[0], "valence": valence[1], "true_arousal": np.nan, "arousal": np.nan}
    return pd.DataFrame(columns, index=range(n))


def draw(n=400, groups=50, seed=3):
    """Random predictions of classes and valence, better than chance, in groups of unequal difficulty."""
    generator = np.random.default_rng(seed)
    group = generator.integers(groups, size=n)
    truth = generator.choice(7, size=n, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    right = generator.random(n) < generator.random(groups)[group]
    predicted = np.where(right, truth, generator.integers(8, size=n))
    valence = generator.uniform(-1, 1, n)
    guess = np.clip(0.6 * valence + 0.3 * generator.normal(size=groups)[group], -1, 1)
    return predict(truth, predicted, valence=(valence, guess), group=group)


def test_expression_by_hand():
    result = score(predict([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]))["expression"]
    assert result["n"] == result["groups"] == 6
    assert result["accuracy"]["value"] == pytest.approx(4 / 6)
    assert result["uar"]["value"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert result["macro_f1"]["value"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert [row[:3] for row in result["confusion"][:3]] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert result["classes"]["neutral"] == pytest.approx({"precision": 1, "recall": 2 / 3, "f1": 0.8, "support": 3})


def test_class_absent_from_truth_is_not_charged():
    result = score(predict([0, 0, 1, 1], [0, 7, 1, 1]))["expression"]
    assert result["uar"]["value"] == pytest.approx((1 / 2 + 1) / 2)
    assert result["macro_f1"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert result["classes"]["contempt"] == {"precision": 0, "recall": None, "f1": None, "support": 0}
    assert result["classes"]["fear"] == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_expression_agrees_with_scikit_learn():
    table = draw()
    truth, predicted = (table[[*names]].to_numpy().argmax(axis=1) for names in (scores.TRUE, scores.PREDICTED))
    result, labels = score(table)["expression"], np.unique(truth)
    assert 7 in predicted
    assert 7 not in labels
    assert result["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    recall = metrics.recall_score(truth, predicted, labels=labels, average="macro")
    assert result["uar"]["value"] == pytest.approx(recall)
    f1 = metrics.f1_score(truth, predicted, labels=labels, average="macro")
    assert result["macro_f1"]["value"] == pytest.approx(f1)
    assert result["confusion"] == metrics.confusion_matrix(truth, predicted, labels=range(8)).tolist()
    figures = metrics.precision_recall_fscore_support(truth, predicted, labels=labels)
    for label, expected in zip(labels, zip(*figures, strict=True), strict=True):
        assert list(result["classes"][CLASSES[label]].values()) == pytest.approx(expected)


def test_calibration_by_hand():
    table = predict([0] * 8, [0, 0, 1, 1, 0, 0, 0, 0], confidence=np.repeat([0.75, 0.95], 4))
    result = score(table)["expression"]
    assert result["ece"] == pytest.approx((4 * 0.25 + 4 * 0.05) / 8)
    rows = result["reliability"]
    assert [row["n"] for row in rows] == [0] * 11 + [4, 0, 0, 4]
    assert rows[11] == pytest.approx({"low": 11 / 15, "high": 12 / 15, "n": 4, "confidence": 0.75, "accuracy": 0.5})
    assert rows[0] == pytest.approx({"low": 0, "high": 1 / 15, "n": 0, "confidence": None, "accuracy": None})


def test_bins_hold_their_upper_edge():
    rows = score(predict([0, 0], [0, 0], confidence=np.array([1.0, 0.8])))["expression"]["reliability"]
    assert [row["n"] for row in rows] == [0] * 11 + [1, 0, 0, 1]


def test_class_is_the_largest_share_and_the_first_on_ties():
    table = predict([0, 0, 0], [4, 4, 2])
    votes = ["true_neutral", "true_sadness", "true_fear"]
    table[votes] = [[0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [0.4, 0.4, 0.2]]
    confusion = np.array(score(table)["expression"]["confusion"])
    assert np.argwhere(confusion).tolist() == [[0, 2], [2, 4], [4, 4]]


def test_affect_by_hand():
    result = score(predict(valence=([-0.5, 0, 0.5], [0, 0.25, 0.5])))["valence"]
    assert result["n"] == 3
    assert result["ccc"]["value"] == pytest.approx((2 / 12) / (1 / 6 + 1 / 24 + 1 / 16))
    assert result["rmse"]["value"] == pytest.approx(np.sqrt((0.25 + 0.0625) / 3))
    assert result["pcc"]["value"] == pytest.approx(1)
    assert result["sagr"]["value"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("offset", [0, 0.25])
def test_ccc_charges_a_bias_that_pcc_forgives(offset):
    truth = np.array([-0.5, -0.25, 0.25, 0.5])
    result = score(predict(valence=(truth, truth + offset)))["valence"]
    assert result["pcc"]["value"] == pytest.approx(1)
    assert result["ccc"]["value"] == pytest.approx(2 * 0.15625 / (2 * 0.15625 + offset**2))
    assert result["ccc"]["value"] <= 1
    assert result["rmse"]["value"] == pytest.approx(offset)


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ([0.1, 0.5, -0.3], [0.3, 0.3, 0.3]),
        ([0.3, 0.3, 0.3], [0.1, 0.5, -0.3]),
        ([0.3, 0.3, 0.3], [0.3, 0.3, 0.3]),
        ([0.1, 0.5, -0.3], [0.3, 0.3 + 1e-7, 0.3 - 1e-7]),
        ([0.1], [0.2]),
    ],
)
def test_constants_have_no_concordance(truth, predicted):
    result = score(predict(valence=(truth, predicted)))["valence"]
    assert result["ccc"]["value"] == 0
    assert result["pcc"] == {"value": None, "low": None, "high": None}
    json.dumps(result, allow_nan=False)


def test_only_labelled_records_count():
    table = predict([0, 1, np.nan], [0, 0, 1], valence=([np.nan, 0.5, -0.5], [0.9, 0.5, 0.5]))
    result = score(table)
    assert result["records"] == 3
    assert result["expression"]["n"] == 2
    assert result["expression"]["accuracy"]["value"] == 0.5
    assert result["valence"]["n"] == 2
    assert result["valence"]["rmse"]["value"] == pytest.approx(np.sqrt(0.5))
    assert result["arousal"] is None


def test_head_without_labels_or_training_is_none():
    labelled_only = predict([0, 1], valence=([0.1, 0.2], NONE * 2))
    trained_only = predict(NONE * 2, [0, 1], valence=(NONE * 2, [0.1, 0.2]))
    for table in (labelled_only, trained_only):
        assert score(table) == {"records": 2, "expression": None, "valence": None, "arousal": None}


def test_interval_of_two_groups_spans_both():
    table = predict([0, 0, 0, 0], [0, 0, 1, 1], group=["right", "right", "wrong", "wrong"])
    assert score(table)["expression"]["accuracy"] == {"value": 0.5, "low": 0, "high": 1}


def test_interval_of_independent_records_is_the_textbook_one():
    table = predict([0] * 400, [0] * 300 + [1] * 100)
    accuracy = score(table)["expression"]["accuracy"]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert accuracy["low"] == pytest.approx(0.75 - half, abs=0.005)
    assert accuracy["high"] == pytest.approx(0.75 + half, abs=0.005)


def test_frames_of_one_subject_add_no_certainty():
    table = predict([0, 1, 2, 0, 1] * 4, [0, 1, 1, 1, 1] * 4)
    frames = table.loc[table.index.repeat(30)]
    assert score(frames)["expression"]["accuracy"] == pytest.approx(score(table)["expression"]["accuracy"])
    frames["group"] = [f"frame {i}" for i in range(len(frames))]
    grouped, alone = (score(records)["expression"]["accuracy"] for records in (table, frames))
    assert alone["high"] - alone["low"] < 0.3 * (grouped["high"] - grouped["low"])


def test_intervals_agree_with_copying_the_records():
    table, resamples = draw(n=120, groups=12), 40
    members = [records for _, records in table.groupby("group")]
    picks = np.random.default_rng(5).integers(len(members), size=(resamples, len(members)))
    drawn = [score(pd.concat([members[pick] for pick in row]), resamples=0) for row in picks]
    result = score(table, seed=5, resamples=resamples)
    for head, name in (("expression", "uar"), ("expression", "macro_f1"), ("valence", "ccc"), ("valence", "sagr")):
        low, high = np.percentile([copy[head][name]["value"] for copy in drawn], [2.5, 97.5])
        assert result[head][name]["low"] == pytest.approx(low)
        assert result[head][name]["high"] == pytest.approx(high)


def test_intervals_follow_the_seed_alone(monkeypatch):
    table = draw()
    first = score(table)
    assert score(table.sample(frac=1, random_state=1))["expression"] == first["expression"]
    assert score(table, seed=1)["expression"]["uar"]["low"] != first["expression"]["uar"]["low"]
    monkeypatch.setattr(scores, "COUNTS_AT_ONCE", 120)
    assert score(table) == first


@pytest.mark.parametrize(("group", "resamples"), [("same", 100), (None, 0)])
def test_no_interval_without_groups_or_resamples(group, resamples):
    result = score(predict([0, 1, 1], [0, 1, 0], group=group), resamples=resamples)["expression"]
    assert result["accuracy"] == pytest.approx({"value": 2 / 3, "low": None, "high": None})


def test_many_groups_stay_within_memory():
    table = draw(n=30_000, groups=30_000)
    tracemalloc.start()
    score(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6


def test_sets_are_pooled_then_corpora_then_tags():
    one = predict([0, 1, 2], [0, 1, 1], tags=["strict, plurality", "plurality", ""])
    two = predict([0, 1], [1, 1], corpus="two", tags=["strict", None])
    result = score_all(pd.concat([two, one]))
    assert list(result) == ["pooled", "one", "two", "one:plurality", "one:strict", "two:strict"]
    assert [entry["records"] for entry in result.values()] == [5, 3, 2, 2, 1, 1]
    accuracies = [entry["expression"]["accuracy"]["value"] for entry in result.values()]
    assert accuracies == pytest.approx([3 / 5, 2 / 3, 1 / 2, 1, 1, 0])


def test_where_there_are_twins_the_records_without_one_are_a_set():
    table = predict([0, 1, 2], [0, 1, 1], tags=["twin,strict", "strict", ""])
    result = score_all(table)
    assert [(name, entry["records"]) for name, entry in result.items()][2:] == [
        ("one:strict", 2),
        ("one:twin", 1),
        ("one:no twin", 2),
    ]
    assert result["one:no twin"]["expression"]["accuracy"]["value"] == 0.5
    assert "one:no twin" not in score_all(table.assign(tags="twin"))


def test_what_people_score_is_the_mean_over_the_labelled_records():
    table = predict([0, 1, np.nan], [0, 1, 1]).assign(human_agreement=[0.5, 1.0, np.nan])
    assert score(table)["expression"]["human_agreement"] == 0.75
    assert score(table.drop(columns="human_agreement"))["expression"]["human_agreement"] is None


def test_single_corpus_is_the_pooled_set():
    result = score_all(draw())
    assert list(result) == ["pooled", "one"]
    assert result["pooled"] == result["one"]


def test_groups_of_two_corpora_are_distinct():
    table = pd.concat([predict([0], [0], group="a"), predict([0], [1], corpus="two", group="a")])
    assert score_all(table)["pooled"]["expression"]["groups"] == 2


def test_every_number_is_json():
    hard = predict([0, np.nan, 3], [7, 7, 7], valence=([0.5, 0.5, np.nan], [0, 0, 0]), group=["a", "b", "b"])
    json.dumps(score_all(hard), allow_nan=False)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("true_fear", 1.0, r"a sum of 1, or of 0 if not annotated, over .* Received: 1 rows .* \[2"),
        ("true_fear", np.nan, "a sum of 1"),
        ("true_neutral", -0.5, r"'true_neutral' in \[0, 1\]. Received: values from -0.5 to 0"),
        ("expression_fear", 0.5, r"a sum of 1 over .* Received: 1 rows"),
        ("expression_fear", np.nan, r"in every row, or in none if never trained. Received: NaN in 1 of 3 rows"),
        ("true_valence", 1.5, r"'true_valence' in \[-1, 1\]. Received: values from .* to 1.5"),
        ("valence", np.inf, r"finite numbers in 'valence'. Received: an infinity"),
        ("valence", np.nan, r"\['valence'\] in every row, .* NaN in 1 of 3"),
        ("true_valence", -np.inf, r"'true_valence' in \[-1, 1\]"),
        ("group", None, r"a group in every row. Received: 1 empty"),
        ("corpus", "pooled", "another corpus name"),
    ],
)
def test_faulty_values_are_named(column, value, message):
    table = predict([0, 1, 2], [0, 1, 2], valence=([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]))
    table.loc[0, column] = value
    with pytest.raises(ValueError, match=message):
        score(table)


def test_faulty_tables_are_named():
    table = predict([0], [0])
    with pytest.raises(ValueError, match=r"Received: a table without \['group', 'valence'\]"):
        score_all(table.drop(columns=["group", "valence"]))
    with pytest.raises(ValueError, match="at least one record"):
        score_all(table.iloc[:0])
    with pytest.raises(ValueError, match=r"numbers in 'arousal'. Received: dtype=str"):
        score_all(table.assign(arousal="high"))
