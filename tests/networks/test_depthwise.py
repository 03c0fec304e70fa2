import keras
import numpy as np
import pytest
import tensorflow as tf

from tfaffect.networks import kernels

SIZES = [
    ((2, 2), 5, 1, "same"),
    ((3, 3), 5, 1, "same"),
    ((5, 5), 3, 2, "same"),
    ((4, 5), 3, 2, "same"),
    ((5, 5), 5, 2, "valid"),
    ((4, 3), 3, 1, "valid"),
]


def network(size, filter_side=3, stride=1, padding="same", **arguments):
    keras.utils.set_random_seed(0)
    maps = keras.Input((*size, 7))
    layer = keras.layers.DepthwiseConv2D(filter_side, stride, padding, use_bias=False, name="depthwise", **arguments)
    return keras.Model(maps, layer(maps))


def gradients(model, maps):
    with tf.GradientTape() as tape:
        tape.watch(maps)
        output = model(maps, training=True)
        loss = tf.reduce_sum(output**2)
    return [output, *tape.gradient(loss, [maps, model.trainable_variables[0].value])]


@pytest.mark.parametrize(("size", "filter_side", "stride", "padding"), SIZES)
def test_the_gradients_are_those_of_tensorflow(size, filter_side, stride, padding):
    maps = tf.constant(np.random.default_rng(0).normal(size=(6, *size, 7)).astype(np.float32))
    model = network(size, filter_side, stride, padding)
    own = gradients(model, maps)
    kernels.fuse(model)
    assert "call" in vars(model.get_layer("depthwise"))
    for expected, fast in zip(own, gradients(model, maps), strict=True):
        np.testing.assert_allclose(fast, expected, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_a_map_of_one_place():
    """Of a 3 x 3 filter only the centre meets the map, twice in a batch of two: d(x w)^2 / dw = 2 x^2 w."""
    model = network((1, 1))
    kernels.fuse(model)
    model.get_layer("depthwise").kernel.assign(np.full((3, 3, 7, 1), 0.5))
    *_, of_filter = gradients(model, tf.constant([2.0, 3.0], shape=(2, 1, 1, 1)) * tf.ones((1, 1, 1, 7)))
    expected = np.zeros((3, 3, 7, 1))
    expected[1, 1] = 2 * (2**2 + 3**2) * 0.5
    np.testing.assert_allclose(of_filter, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "arguments"),
    [((6, 6), {}), ((2, 2), {"dilation_rate": 2}), ((2, 2), {"activation": "relu"}), ((2, 2), {"depth_multiplier": 2})],
)
def test_other_layers_keep_the_code_of_keras(size, arguments):
    model = network(size, **arguments)
    kernels.fuse(model)
    assert "call" not in vars(model.get_layer("depthwise"))
