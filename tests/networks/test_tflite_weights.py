"""The weights of exported files as a start for training, and the statistics of BatchNorm that training needs."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfaffect import contract as contracts
from tfaffect.config import Config, load_run
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.export import saved_model, tflite
from tfaffect.export.quantisation import making
from tfaffect.export.quantisation.graph import pack
from tfaffect.networks import model as models
from tfaffect.networks import statistics, tflite_weights
from tfaffect.runtimes import shipped
from tfaffect.runtimes.opening import open_model
from tfaffect.training.training import train

MICRO = shipped.FOLDER / "fer_plus_micro" / shipped.FILE


def pictures(count, size=48):
    """Return grey gradients with noise: uint8 (count, size, size, 3)."""
    rng = np.random.default_rng(0)
    coarse = keras.ops.convert_to_numpy(keras.ops.image.resize(rng.uniform(0, 255, (count, 6, 6, 1)), (size, size)))
    return np.repeat(np.clip(coarse + rng.normal(0, 8, coarse.shape), 0, 255), 3, axis=-1).astype(np.uint8)


def shake(network):
    """Give every BatchNorm statistics, scales and offsets of its own, as after training."""
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            values = (rng.uniform(low, high, channels) for low, high in ((0.5, 1.5), (-1, 1), (-1, 1), (0.5, 2)))
            layer.set_weights([*values])


def build(architecture, size):
    return models.build(Config(architecture=architecture, image_size=size, weights="none", dropout=0.0))


def export(network, contract, folder, recipe):
    """Write a network as the export does, by a recipe that needs no faces."""
    saved_model.write(models.predictor(network, contract), folder / "saved_model")
    (model,) = making.candidates(recipe, tflite._convert(folder / "saved_model"))
    (folder / "model.tflite").write_bytes(pack(model))
    return folder / "model.tflite"


@pytest.mark.parametrize(
    ("architecture", "size", "recipe", "tolerance"),
    [
        ("micro", 48, "float32", 1e-4),
        pytest.param("micro", 48, "float16", 5e-3, marks=pytest.mark.slow),
        ("micro", 48, "dynamic_int8", 5e-2),
        pytest.param("small", 48, "float32", 1e-4, marks=pytest.mark.slow),
        pytest.param("efficientnet_lite1", 64, "float32", 1e-4, marks=pytest.mark.slow),
        pytest.param("efficientnet_b1", 64, "float32", 1e-4, marks=pytest.mark.slow),
        pytest.param("efficientnet_b1", 64, "dynamic_int8", 1e-1, marks=pytest.mark.slow),
    ],
)
def test_a_network_filled_from_its_file_computes_the_same(architecture, size, recipe, tolerance, tmp_path):
    trained, empty = build(architecture, size), build(architecture, size)
    shake(trained)
    contract = Contract(input_size=size, trained=("expression",), corpora={}, mirror=True)
    tflite_weights.fill(empty, export(trained, contract, tmp_path, recipe))
    faces = pictures(4, size)
    for name, values in trained(faces).items():
        np.testing.assert_allclose(empty(faces)[name], values, atol=tolerance * max(1, np.abs(values).max()))


def test_a_shipped_int8_model_becomes_floats():
    contract, faces = contracts.read(MICRO), pictures(64)
    network = build("micro", 48)
    tflite_weights.fill(network, MICRO)
    ours = np.asarray(models.predictor(network, contract)(faces)["embedding"])
    theirs = open_model(MICRO)(faces).embedding
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosines.mean() > 0.98  # int8 rounds; unrelated networks have about 0


def test_statistics_do_not_change_the_answers_and_training_starts_from_them():
    network = build("micro", 48)
    tflite_weights.fill(network, MICRO)
    faces = pictures(64)
    before = network(faces)["expression"].numpy()
    untouched = network.get_layer("batchnorm").get_weights()
    folded = keras.models.clone_model(network)
    folded.set_weights(network.get_weights())
    models.renew_statistics(network, [faces[:32], faces[32:]])
    np.testing.assert_allclose(network(faces)["expression"], before, atol=1e-3 * np.abs(before).max())
    backbones = [keras.Model(net.inputs[0], net.get_layer("avg_pool").output) for net in (network, folded)]
    expected = backbones[0](faces).numpy()
    renewed, stale = (np.abs(backbone(faces, training=True).numpy() - expected).mean() for backbone in backbones)
    assert renewed < 1e-3 * np.abs(expected).mean()
    assert stale > 100 * renewed  # without them, training starts from another network
    for old, new in zip(untouched, network.get_layer("batchnorm").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # the new head keeps its own start


def test_renewed_statistics_are_those_of_the_pictures():
    picture = keras.Input((2, 2, 3), dtype="uint8")
    values = layers.Rescaling(1.0)(picture)
    network = keras.Model(picture, layers.BatchNormalization(epsilon=0, name="bn")(values))
    network.get_layer("bn").set_weights([np.full(3, 2.0), np.ones(3), np.zeros(3), np.full(3, 4.0)])  # x + 1
    batch = np.zeros((1, 2, 2, 3), np.uint8)
    batch[0, :, 0] = 8
    statistics.renew(network, [batch])
    scale, offset, mean, variance = network.get_layer("bn").get_weights()
    np.testing.assert_allclose((scale, offset, mean, variance), ([4] * 3, [5] * 3, [4] * 3, [16] * 3))
    np.testing.assert_allclose(network(batch)[0, 0], [[9] * 3, [1] * 3])


def test_another_architecture_is_refused():
    with pytest.raises(UsageError, match=r"holds the network micro\..*Add --architecture micro\.$"):
        models.make_backbone(Config(architecture="small", image_size=48, weights=str(MICRO)))


def test_a_file_with_other_layers_is_refused(tmp_path):
    other = keras.Sequential([keras.Input((48, 48, 3)), layers.Conv2D(4, 3, name="other")])
    (tmp_path / "other.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(other).convert())
    with pytest.raises(UsageError, match="0 operators for the layer stem_conv"):
        tflite_weights.fill(build("micro", 48), tmp_path / "other.tflite")


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "damaged.tflite").write_bytes(b"TFL3" * 8)
    with pytest.raises(UsageError, match="do not fit the network"):
        tflite_weights.fill(build("micro", 48), tmp_path / "damaged.tflite")


@pytest.mark.slow
def test_a_run_starts_from_a_shipped_model(brief, tmp_path):
    config = replace(brief, architecture="micro", weights="micro", image_size=48, epochs=1)
    table = train(config, tmp_path / "run")
    assert load_run(tmp_path / "run").weights == str(MICRO)
    assert np.isfinite(table["val_loss"]).all()
