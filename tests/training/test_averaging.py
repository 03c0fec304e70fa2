from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from tests.small_network import small_backbone
from tfaffect.config import Config
from tfaffect.networks import model as models
from tfaffect.training.callbacks.averaging import AveragedWeights
from tfaffect.training.objective import make_optimizer
from tfaffect.training.training import train


def test_the_average_by_hand():
    """Weight 1, gradient 1, rate 0.1: Adam moves it by 0.1 a step, to 0.9, 0.8, 0.7; no decay."""
    model = models.build(Config(image_size=32, weights="none"), small_backbone())
    config = Config(
        learning_rate=0.1, min_learning_rate=0.1, warmup_steps=0, weight_decay=0.0, weight_averaging=0.5, epochs=1
    )
    optimizer = make_optimizer(model, config, steps=100)
    bias = model.get_layer("expression").bias
    bias.assign(np.ones(8))
    optimizer.build(model.trainable_variables)
    for _ in range(3):
        optimizer.apply([keras.ops.ones(v.shape) for v in model.trainable_variables], model.trainable_variables)
    place = optimizer._get_variable_index(bias)
    np.testing.assert_allclose(bias, 0.7, rtol=1e-5)
    # the first step sets the average: 0.9; then (0.9 + 0.8) / 2 = 0.85, and (0.85 + 0.7) / 2 = 0.775
    np.testing.assert_allclose(optimizer._model_variables_moving_average[place], 0.775, rtol=1e-5)


def test_averages_judge_and_weights_learn():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.5), "mse")
    seen = {}
    averaging = AveragedWeights()

    def look(name):
        return keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.setdefault(name, []).append(kernel(model)))

    x = y = np.ones((1, 1))
    model.fit(
        x,
        y,
        validation_data=(x, y),
        epochs=2,
        verbose=0,
        callbacks=[averaging, look("judged"), averaging.swap_back, look("learns")],
    )
    # loss (w - 1)^2: w goes 0, 0.5, 0.75; its average 0.5, 0.625
    assert seen == {"judged": pytest.approx([0.5, 0.625]), "learns": pytest.approx([0.5, 0.75])}


def kernel(model):
    return float(model.layers[0].kernel.numpy().item())


@pytest.mark.slow
def test_validation_figures_and_the_kept_model_are_of_the_averages(brief, tmp_path):
    histories = {}
    for name, share in [("plain", 0.0), ("averaged", 0.99)]:
        config = replace(brief, weight_averaging=share, epochs=1, warmup_steps=0)
        histories[name] = train(config, tmp_path / name, small_backbone).iloc[0]
    assert histories["plain"]["loss"] == histories["averaged"]["loss"], "averaging must not change what is learned"
    assert histories["plain"]["val_loss"] != histories["averaged"]["val_loss"]
    first, second = (models.load(tmp_path / name)[0].get_layer("stem_conv").get_weights()[0] for name in histories)
    assert 1e-4 < np.abs(first - second).max() < 1


@pytest.mark.slow
def test_keep_last_keeps_the_last_epoch(brief, tmp_path):
    """The rate of 0.5 spoils what the first epoch learned."""
    config = replace(brief, epochs=2, keep="last")
    history = train(config, tmp_path / "last", small_backbone)
    first = train(replace(config, epochs=1), tmp_path / "first", small_backbone)
    pd.testing.assert_frame_equal(history.head(1), first)
    kept = [models.load(tmp_path / name)[0].get_layer("stem_conv").get_weights()[0] for name in ("last", "first")]
    assert not np.array_equal(*kept)
