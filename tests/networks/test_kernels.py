import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.small_network import small_backbone
from tfaffect.networks import kernels


def network(**arguments):
    keras.utils.set_random_seed(0)
    picture = keras.Input((6, 5, 3))
    maps = keras.layers.BatchNormalization(momentum=0.9, name="bn", **arguments)(picture)
    return keras.Model(picture, maps)


def learn(model, pictures):
    """The output, the gradients of its squares, and the running statistics after two steps."""
    layer = model.get_layer("bn")
    for _ in range(2):
        with tf.GradientTape() as tape:
            output = model(pictures, training=True)
            loss = tf.reduce_sum(output**2 * np.arange(5, dtype=np.float32)[:, None])
        gradients = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
        if layer.trainable:
            for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
                weight.assign_sub(0.01 * gradient)
    return [output, *gradients, layer.moving_mean, layer.moving_variance]


def both_ways(pictures, trainable=True, **arguments):
    results = []
    for fused in (False, True):
        model = network(**arguments)
        model.get_layer("bn").trainable = trainable
        if fused:
            kernels.fuse(model)
            assert "call" in vars(model.get_layer("bn"))
        results.append([np.asarray(values) for values in learn(model, pictures)])
    return results


@pytest.mark.parametrize("trainable", [True, False])
def test_the_fused_kernel_computes_what_keras_does(trainable):
    pictures = np.random.default_rng(0).normal(3, 2, (4, 6, 5, 3)).astype(np.float32)
    for own, fused in zip(*both_ways(pictures, trainable), strict=True):
        np.testing.assert_allclose(own, fused, rtol=2e-4, atol=2e-5)


def test_running_variance_divides_by_n():
    """Channel values 0 and 2 in a batch of two: mean 1, variance 1, and not 2; 0.9 x 1 + 0.1 x 1 = 1."""
    model = network()
    kernels.fuse(model)
    pictures = np.zeros((2, 6, 5, 3), np.float32)
    pictures[1] = 2
    model(pictures, training=True)
    np.testing.assert_allclose(model.get_layer("bn").moving_variance, 1, rtol=1e-5)
    np.testing.assert_allclose(model.get_layer("bn").moving_mean, 0.1, rtol=1e-5)


def test_a_fused_network_is_saved_as_any_other(tmp_path):
    model = small_backbone()
    kernels.fuse(model)
    model.save(tmp_path / "fused.keras")
    again = keras.saving.load_model(tmp_path / "fused.keras")
    assert not any("call" in vars(layer) for layer in again.layers)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(model(pictures), again(pictures), atol=1e-6)


def test_an_epsilon_below_what_the_kernel_takes_stays_with_keras():
    model = network(epsilon=1e-5)
    kernels.fuse(model)
    assert "call" not in vars(model.get_layer("bn"))


def test_swish_has_the_gradient_of_keras():
    """At 0 the gradient is 1/2; far to the right 1, far to the left 0."""
    picture = keras.Input((1, 1, 5))
    model = keras.Model(picture, keras.layers.Activation("swish")(picture))
    pictures = tf.constant([-30.0, -1.0, 0.0, 1.0, 30.0], shape=(1, 1, 1, 5))
    both = []
    for fuse in (lambda model: None, kernels.fuse):
        fuse(model)
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            output = model(pictures, training=True)
        both.append((output.numpy(), tape.gradient(output, pictures).numpy()))
    for own, fused in zip(*both, strict=True):
        np.testing.assert_allclose(own, fused, atol=1e-6)
    np.testing.assert_allclose(both[1][1].ravel()[[0, 2, 4]], [0, 0.5, 1], atol=1e-6)
