import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tfaffect.training import metrics


def in_batches(metric, true, predicted, weight, size=7):
    for start in range(0, len(true), size):
        part = slice(start, start + size)
        metric.update_state(true[part], predicted[part], weight[part])
    return float(metric.result())


@pytest.fixture
def affect():
    rng = np.random.default_rng(1)
    true = rng.uniform(-1, 1, 100).astype(np.float32)
    return true, (0.6 * true + rng.normal(0, 0.2, 100)).astype(np.float32), (rng.random(100) < 0.7).astype(np.float32)


def test_streaming_ccc_equals_the_ccc_of_the_whole_set(affect):
    true, predicted, weight = affect
    x, y = (values[weight > 0].astype(float) for values in (true, predicted))
    whole = 2 * np.mean((x - x.mean()) * (y - y.mean())) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert in_batches(metrics.ConcordanceCorrelation(), true, predicted, weight) == pytest.approx(whole, abs=1e-6)


def test_streaming_ccc_equals_the_original(oracles):
    import json

    reference = json.loads((oracles / "losses.json").read_text())
    for name, case in reference.items():
        arrays = np.load(oracles / f"loss_{name}.npz")
        for column, dimension in enumerate(("arousal", "valence")):
            if dimension in case["ccc"]:
                true, weight = np.nan_to_num(arrays[dimension]), np.isfinite(arrays[dimension]).astype(np.float32)
                ccc = in_batches(metrics.ConcordanceCorrelation(), true, arrays["arousal_valence"][:, column], weight)
                assert ccc == pytest.approx(case["ccc"][dimension], abs=1e-5)


def test_ccc_stays_exact_over_many_faces_far_from_zero():
    rng = np.random.default_rng(2)
    true = (0.9 + rng.normal(0, 0.01, 200_000)).astype(np.float32)
    predicted = (true + rng.normal(0, 0.01, 200_000)).astype(np.float32)
    x, y = true.astype(float), predicted.astype(float)
    whole = 2 * np.cov(x, y)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    ccc = in_batches(metrics.ConcordanceCorrelation(), true, predicted, np.ones_like(true), size=1000)
    assert ccc == pytest.approx(whole, abs=1e-3)


def test_rmse_equals_the_rmse_of_the_whole_set(affect):
    true, predicted, weight = affect
    whole = np.sqrt(np.mean((true - predicted)[weight > 0].astype(float) ** 2))
    assert in_batches(metrics.RootMeanSquaredError(), true, predicted, weight) == pytest.approx(whole, rel=1e-5)


def test_uar_and_accuracy_against_scikit_learn():
    rng = np.random.default_rng(3)
    true, logits = rng.integers(0, 6, 90), rng.normal(size=(90, 8)).astype(np.float32)  # classes 6 and 7 do not occur
    weight = (rng.random(90) < 0.8).astype(np.float32)
    votes = np.eye(8, dtype=np.float32)[true]
    kept, chosen = true[weight > 0], logits.argmax(1)[weight > 0]
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        expected = balanced_accuracy_score(kept, chosen)
    assert in_batches(metrics.UnweightedAverageRecall(), votes, logits, weight) == pytest.approx(expected, rel=1e-5)
    assert in_batches(metrics.Accuracy(), votes, logits, weight) == pytest.approx(np.mean(kept == chosen), rel=1e-5)


@pytest.mark.parametrize("kind", [metrics.Accuracy, metrics.UnweightedAverageRecall])
def test_no_labelled_face_is_not_zero_but_unknown(kind):
    metric = kind()
    metric.update_state(np.zeros((4, 8), np.float32), np.ones((4, 8), np.float32), np.zeros(4, np.float32))
    assert np.isnan(float(metric.result()))


@pytest.mark.parametrize("kind", [metrics.ConcordanceCorrelation, metrics.RootMeanSquaredError])
def test_unlabelled_batches_do_not_disturb(kind, affect):
    true, predicted, _ = affect
    alone, among = kind(), kind()
    alone.update_state(true, predicted)
    for batch in (np.zeros(100, np.float32), np.ones(100, np.float32), np.zeros(100, np.float32)):
        among.update_state(true, predicted, batch)
    assert float(among.result()) == pytest.approx(float(alone.result()), rel=1e-6)
    assert np.isnan(float(kind().result()))
