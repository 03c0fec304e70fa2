import json

import keras
import numpy as np
import pytest

from tfaffect.training.schedule import WarmupCosine


def test_every_step_equals_the_original(oracles):
    for case in json.loads((oracles / "warmup_cosine.json").read_text()).values():
        schedule = WarmupCosine(
            case["max_lr"],
            case["min_lr"],
            case["warmup_start"],
            case["warmup_steps"],
            case["period_epochs"],
            case["steps_per_epoch"],
        )
        expected = case["learning_rate_per_step"]
        rates = keras.ops.vectorized_map(schedule, np.arange(len(expected)))
        np.testing.assert_allclose(rates, expected, atol=1e-8)


def test_points_by_hand():
    schedule = WarmupCosine(1.0, 0.2, 0.5, warmup_steps=10, period=4, steps_per_epoch=10)
    # start and middle of the warm-up, its end, half way down (epoch 1 + 2), the floor, and the top again
    points = {0: 0.5, 5: 0.75, 10: 1.0, 30: 0.6, 50: 0.2, 90: 1.0}
    assert [float(schedule(step)) for step in points] == pytest.approx(list(points.values()), abs=1e-6)


def test_without_warmup_the_first_step_is_at_the_peak():
    assert float(WarmupCosine(1.0, 0.1, 0.0, warmup_steps=0, period=3, steps_per_epoch=7)(0)) == 1.0


def test_survives_saving():
    schedule = WarmupCosine(5e-3, 1e-4, 1e-5, 100, 5, 65)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(again(step)) for step in (3, 300)] == [float(schedule(step)) for step in (3, 300)]
