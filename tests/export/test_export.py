import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from tests import ROOT
from tests.small_network import small_backbone
from tfaffect import contract as contracts
from tfaffect.errors import UsageError
from tfaffect.export import artefact, saved_model, tflite, tflite_metadata
from tfaffect.export.quantisation.graph import pack
from tfaffect.labels import CLASSES, HEADS
from tfaffect.media.faces import letterbox, to_grey
from tfaffect.networks import model as models
from tfaffect.records import batches, mixing
from tfaffect.records.prepared import open_corpus


@pytest.fixture(scope="module")
def folders(run, tmp_path_factory):
    """One run, exported in every format."""
    root = tmp_path_factory.mktemp("exports")
    saved_model.export(run, root / "saved_model")
    tflite.export(run, root / "tflite")
    return root


@pytest.fixture(scope="module")
def expected(run, faces):
    model, contract = models.load(run)
    return models.predictor(model, contract).predict_on_batch(faces)


@pytest.mark.parametrize("kind", ["saved_model", "tflite"])
def test_exports_give_what_the_network_gives(folders, faces, expected, kind):
    path = {"saved_model": folders / "saved_model", "tflite": folders / "tflite" / tflite.FILE}[kind]
    load = {"saved_model": saved_model.load, "tflite": tflite.load}[kind]
    received = load(path)(faces)
    assert set(received) == {"expression", "valence", "arousal", "embedding"}
    for name, values in expected.items():
        assert np.std(values, axis=0).max() > 0.01, "the network must have something to say"
        np.testing.assert_allclose(received[name], values, atol=1e-4)
    assert set(load(path, "classify")(faces)) == {"expression", "valence", "arousal"}
    np.testing.assert_allclose(load(path, "embed")(faces[:1])["embedding"], expected["embedding"][:1], atol=1e-4)


def test_the_saved_model_needs_nothing_but_tensorflow(folders):
    served = tf.saved_model.load(str(folders / "saved_model")).signatures
    assert set(saved_model.SIGNATURES) <= set(served)
    (name, spec), *_ = served["serving_default"].structured_input_signature[1].items()
    assert (name, spec.dtype, spec.shape.as_list()) == ("image", tf.uint8, [None, 32, 32, 3])


def test_the_saved_model_stores_every_weight_once(folders, run):
    weights = sum(weight.nbytes for weight in models.load(run)[0].get_weights())
    (stored,) = (folders / "saved_model" / "variables").glob("*.data-*")
    assert weights < stored.stat().st_size < 1.2 * weights + 20_000  # TensorFlow adds the names of the objects


@pytest.mark.parametrize("side", [32, 48])
def test_encoded_pictures_are_letterboxed_as_everywhere(folders, side):
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (8, 8, 3), np.uint8)
    pictures = [cv2.resize(coarse, shape) for shape in [(side, side), (side, 2 * side), (3 * side, side)]]
    encoded = [cv2.imencode(".png", picture[..., ::-1])[1].tobytes() for picture in pictures]
    crops = np.stack([letterbox(picture, 32) for picture in pictures])
    received = saved_model.load(folders / "saved_model", "serve_encoded")(np.array(encoded, object))
    for name, values in saved_model.load(folders / "saved_model")(crops).items():
        np.testing.assert_allclose(received[name], values, atol=0.02)  # a scaled pixel may differ by one level of 255
        if side == 32:
            np.testing.assert_allclose(received[name][0], values[0], atol=1e-6)


@pytest.mark.parametrize("shape", [(32, 32), (60, 80), (200, 133), (7, 40), (1, 90), (20, 20), (900, 11)])
def test_the_letterbox_in_the_graph_differs_by_one_level_at_most(shape):
    picture = cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8), shape[::-1])
    received = saved_model._letterbox(tf.constant(picture), 32).numpy().astype(int)
    assert np.abs(received - letterbox(picture, 32)).max() <= 1


@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_encoded_pictures_are_turned_grey_when_the_contract_says_so(tmp_path, colour):
    picture = keras.Input((32, 32, 3), dtype="uint8", name="image")
    pixels = keras.layers.Flatten()(picture)
    outputs = dict.fromkeys(saved_model.SIGNATURES["serving_default"], keras.ops.cast(pixels, "float32"))
    contract = contracts.Contract(input_size=32, trained=("expression",), corpora={}, colour=colour)
    saved_model.write(keras.Model(picture, outputs), tmp_path, contract)
    face = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    encoded = np.array([cv2.imencode(".png", face[..., ::-1])[1].tobytes()], object)
    received = saved_model.load(tmp_path, "serve_encoded")(encoded)["embedding"]
    assert np.array_equal(received.reshape(face.shape), to_grey(face) if colour == "grey" else face)


def test_jpeg_and_grey_pictures_are_served_too(folders):
    grey = np.full((40, 40), 90, np.uint8)
    encoded = [cv2.imencode(kind, grey)[1].tobytes() for kind in (".jpg", ".png")]
    served = saved_model.load(folders / "saved_model", "serve_encoded")(np.array(encoded, object))
    np.testing.assert_allclose(served["expression"].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(served["embedding"][0], served["embedding"][1], atol=0.02)


def test_the_contract_is_an_asset_of_the_saved_model(folders):
    inside = contracts.read(folders / "saved_model" / "assets")
    assert inside == replace(contracts.read(folders / "saved_model"), weights_sha256="", artefact=None)


def with_metadata(model, contract):
    tree = schema.ModelT.InitFromPackedBuf(model)
    tflite_metadata.put(tree, contract)
    return pack(tree)


def test_a_tflite_file_bears_a_contract_and_stays_the_same_model(folders, faces):
    model, contract = (folders / "tflite" / tflite.FILE).read_bytes(), contracts.read(folders / "tflite")
    once = with_metadata(model, contract)
    twice = with_metadata(once, replace(contract, input_size=33))
    assert tflite_metadata.read(once) == replace(contract, weights_sha256="")
    assert tflite_metadata.read(twice).input_size == 33
    assert len(twice) < len(once) + 100, "the earlier contract is gone"
    path = folders / "with_contract.tflite"
    path.write_bytes(twice)
    for name, values in tflite.load(folders / "tflite" / tflite.FILE)(faces).items():
        np.testing.assert_array_equal(tflite.load(path)(faces)[name], values)


@pytest.mark.parametrize("kind", ["saved_model", "tflite"])
def test_the_contract_lies_beside_the_artefact(folders, run, kind):
    contract = contracts.read(folders / kind)
    assert contract.classes == CLASSES
    assert contract.input_size == 32
    assert contract.trained == ("expression", "valence", "arousal")
    assert contract.corpora == {"synthetic": "1.1.0"}
    assert len(contract.weights_sha256) == 64
    report = json.loads((run / "report" / "report.json").read_text())
    assert contract.scores["protocol"]["split"] == "validation"
    assert contract.scores["expression"]["accuracy"] == report["scores"]["pooled"]["expression"]["accuracy"]


def test_the_tflite_file_has_builtin_operators_only(folders, tmp_path):
    tflite.refuse_custom_operators(folders / "tflite" / tflite.FILE)

    class Foreign(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def __call__(self, x):
            return {"y": tf.linalg.det(tf.linalg.diag(x))}  # TFLite has no determinant

    module = Foreign()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.__call__.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (tmp_path / "foreign.tflite").write_bytes(converter.convert())
    with pytest.raises(artefact.ExportError, match="FlexMatrixDeterminant"):
        tflite.refuse_custom_operators(tmp_path / "foreign.tflite")


def test_a_network_that_tflite_cannot_express_is_refused(tmp_path):
    class Foreign(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def call(self, x):
            return {"y": tf.linalg.det(tf.linalg.diag(x))}

    module = Foreign()
    endpoints = dict.fromkeys(saved_model.SIGNATURES, module.call)
    tf.saved_model.save(module, str(tmp_path / "foreign"), signatures=endpoints)
    with pytest.raises(artefact.ExportError, match="builtin operators"):
        tflite.convert(tmp_path / "foreign")


@pytest.mark.parametrize("exporter", [saved_model, tflite], ids=["saved_model", "tflite"])
def test_an_artefact_that_disagrees_is_not_written(run, tmp_path, monkeypatch, exporter):
    honest = exporter.load

    def off(path):
        served = honest(path)
        return lambda pictures: {name: values + 0.01 for name, values in served(pictures).items()}

    monkeypatch.setattr(exporter, "load", off)
    with pytest.raises(artefact.ExportError, match=r"is off by 0\.01"):
        exporter.export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_artefact_without_its_weights_is_not_written(run, tmp_path):
    network, _, _ = artefact.open_run(run, None)
    weights = 4 * network.count_params()
    (tmp_path / "half").write_bytes(bytes(weights // 2))
    (tmp_path / "twice").write_bytes(bytes(2 * weights + 6_000_000))
    (tmp_path / "whole").write_bytes(bytes(weights))
    assert artefact.check_size(tmp_path / "whole", network, bytes_per_weight=4) == weights
    for name in ("half", "twice"):
        with pytest.raises(artefact.ExportError, match=r"weights of 4 bytes need"):
            artefact.check_size(tmp_path / name, network, bytes_per_weight=4)


def test_an_artefact_that_is_slow_is_not_written(run):
    network, _, faces = artefact.open_run(run, None)
    assert artefact.check_milliseconds(lambda face: None, network, faces[:1])["milliseconds"] < 1
    reference = artefact.milliseconds(network.predict_on_batch, faces[:1])
    with pytest.raises(artefact.ExportError, match="ms a face, Keras"):
        artefact.check_milliseconds(lambda face: time.sleep(reference / 100), network, faces[:1])


def test_the_contract_says_what_was_measured(folders):
    measured = contracts.read(folders / "saved_model").artefact
    assert measured["format"] == "SavedModel"
    beside = sum((folders / "saved_model" / name).stat().st_size for name in ("model.json", "card.md"))
    assert measured["bytes"] == artefact.size(folders / "saved_model") - beside
    assert set(measured["differences"]) == {"expression", "valence", "arousal", "embedding"}
    assert max(measured["differences"].values()) < 1e-4
    assert measured["faces"] == 60  # all that the split has
    assert {"Conv2D", "DecodeImage"} <= set(measured["operators"])
    assert not any("inference" in name for name in measured["operators"]), "functions are no operators"


def test_what_is_there_is_not_overwritten_unless_told(run, folders, tmp_path):
    shutil.copytree(folders / "saved_model", tmp_path / "out")
    (tmp_path / "out" / "stale").touch()
    with pytest.raises(UsageError, match="--overwrite"):
        saved_model.export(run, tmp_path / "out")
    saved_model.export(run, tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "stale").exists()


def test_only_an_earlier_export_is_replaced(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="not an earlier export"):
        saved_model.export(run, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_an_export_that_cannot_be_checked_is_not_written(run, tmp_path):
    with pytest.raises(UsageError, match="checked on faces"):
        saved_model.export(run, tmp_path / "out", records=tmp_path / "nowhere")


def test_differences_by_hand():
    values = {"valence": np.array([0.1, 0.5, -0.4])}
    assert artefact.differences(values, {"valence": values["valence"] + 1e-4}) == {"valence": pytest.approx(1e-4)}
    with pytest.raises(artefact.ExportError, match="off by"):
        artefact.differences(values, {"valence": np.array([0.1, 0.5, np.nan])})
    with pytest.raises(artefact.ExportError, match="learned nothing"):
        artefact.differences({"valence": np.full(3, 0.1)}, {"valence": np.full(3, 0.1)})
    faint = np.array([0.1, 0.1 + 2e-6, 0.1 - 3e-6])
    assert artefact.differences({"valence": faint}, {"valence": faint + 4e-7}) == {"valence": pytest.approx(4e-7)}
    with pytest.raises(artefact.ExportError, match="off by 3e-06, more than 5e-07"):  # an artefact without weights
        artefact.differences({"valence": faint}, {"valence": np.full(3, 0.1 - 1e-6)})
    nothing = {"valence": np.full(3, np.nan)}
    assert artefact.differences(nothing, nothing) == {}
    with pytest.raises(artefact.ExportError, match="valence should be NaN"):
        artefact.differences(nothing, values)


def test_scores_of_other_weights_do_not_travel(run, tmp_path, config):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    model, contract = models.load(other)
    model.set_weights([weight * 0.5 for weight in model.get_weights()])
    models.save(model, contract, other / "model.keras")
    assert artefact.open_run(other, None)[1].scores is None
    assert artefact.open_run(run, None)[1].scores is not None


def test_scores_of_another_temperature_do_not_travel(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    contract = contracts.read(run)
    contracts.replace_in_archive(tmp_path / "run" / "model.keras", replace(contract, temperature=3.0))
    assert artefact.open_run(tmp_path / "run", None)[1].scores is None


@pytest.mark.slow
def test_the_backend_of_the_run_does_not_matter(run, tmp_path):
    """Where JAX is not installed this fails as well if the command asks for it."""
    done = subprocess.run(
        [sys.executable, "-m", "export.tflite", run, tmp_path / "out"],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.tflite").exists()


def test_a_head_that_learned_nothing_stays_nan_in_the_artefact(tmp_path, config, faces):
    from tfaffect.training.objective import compile_model

    model = models.build(config, small_backbone(config.image_size))
    corpora = [open_corpus(config.records, "synthetic")]
    compile_model(model, config, HEADS, mixing.class_counts(corpora, config), 10)
    model.fit(batches.training_batches(corpora, config), steps_per_epoch=10, shuffle=False, verbose=0)
    contract = contracts.Contract(input_size=32, trained=("expression",), corpora={})
    saved_model.write(models.predictor(model, contract), tmp_path / "saved")
    (tmp_path / "model.tflite").write_bytes(tflite.convert(tmp_path / "saved"))
    outputs = tflite.load(tmp_path / "model.tflite")(faces)
    assert np.isnan(outputs["valence"]).all()
    assert np.isnan(outputs["arousal"]).all()
    assert np.isfinite(outputs["expression"]).all()
