import hashlib
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import cv2
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from onnx import TensorProto, helper

from tests import ROOT
from tfaffect import contract as contracts
from tfaffect.errors import UsageError
from tfaffect.export import artefact
from tfaffect.export import onnx as exporter
from tfaffect.networks import model as models
from tfaffect.records import batches
from tfaffect.records.prepared import open_corpus

CONTRACT = contracts.Contract(input_size=8, trained=("expression", "valence", "arousal"), corpora={})


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """One run, exported."""
    out = tmp_path_factory.mktemp("exports") / "onnx"
    assert max(exporter.export(run, out).differences.values()) < 1e-4
    return out


@pytest.fixture(scope="module")
def session(folder):
    return onnxruntime.InferenceSession(str(folder / exporter.FILE), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def faces(config):
    corpus = open_corpus(config.records, "synthetic")
    (pictures, _), *_ = islice(batches.evaluation_batches(corpus, "test", config.image_size, 20), 1)
    return pictures.numpy()


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_the_file_gives_what_the_network_gives_at_any_batch_size(run, folder, faces, batch):
    model, contract = models.load(run)
    expected = models.predictor(model, contract).predict_on_batch(faces)
    received = exporter.load(folder / exporter.FILE)(faces[:batch])
    assert set(received) == set(expected)
    for name, values in expected.items():
        assert np.std(values, axis=0).max() > 0.01, "the network must have something to say"
        np.testing.assert_allclose(received[name], values[:batch], atol=1e-4)


def test_the_file_takes_pictures_as_bytes_and_names_what_it_gives(session):
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["batch", 32, 32, 3])
    assert [(output.name, output.type, output.shape) for output in session.get_outputs()] == [
        ("expression", "tensor(float)", ["batch", 8]),
        ("valence", "tensor(float)", ["batch"]),
        ("arousal", "tensor(float)", ["batch"]),
        ("embedding", "tensor(float)", ["batch", 256]),
    ]


def test_the_file_states_one_set_of_operators_and_holds_every_weight_once(folder, run):
    model = onnx.load(folder / exporter.FILE)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", exporter.OPSET)]
    assert "GlobalAveragePool" in {node.op_type for node in model.graph.node}
    weights = 4 * models.load(run)[0].count_params()
    assert 0.95 * weights < artefact.size(folder / exporter.FILE) < 1.2 * weights


def test_the_contract_lies_in_the_file_as_beside_it(folder, session):
    beside = contracts.read(folder)
    assert beside.weights_sha256 == hashlib.sha256((folder / exporter.FILE).read_bytes()).hexdigest()
    assert beside.corpora == {"synthetic": "1.1.0"}
    assert beside.scores["protocol"]["split"] == "validation"
    inside = session.get_modelmeta().custom_metadata_map
    assert set(inside) == {"model.json"}
    assert contracts.loads(inside["model.json"], "the file") == replace(beside, weights_sha256="", artefact=None)


def test_a_head_that_learned_nothing_stays_nan_in_the_file(run, faces, tmp_path):
    model, contract = models.load(run)
    contract = replace(contract, trained=("expression",))
    (tmp_path / "model.onnx").write_bytes(exporter.convert(models.predictor(model, contract), contract))
    outputs = exporter.load(tmp_path / "model.onnx")(faces)
    assert np.isnan(outputs["valence"]).all()
    assert np.isnan(outputs["arousal"]).all()
    assert np.isfinite(outputs["expression"]).all()
    assert np.isfinite(outputs["embedding"]).all()


def test_opencv_reads_a_network_that_averages_a_face_and_its_mirror_image(run, faces, tmp_path):
    model, contract = models.load(run)
    network = models.predictor(model, replace(contract, mirror=True))
    path = tmp_path / exporter.FILE
    path.write_bytes(exporter.convert(network, contract))
    exporter.check_standard(path)
    assert "Slice" in exporter.operators(path)
    assert "ReverseSequence" not in exporter.operators(path)
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(faces[:1])
    names = net.getUnconnectedOutLayersNames()
    received, expected = dict(zip(names, net.forward(names), strict=True)), network.predict_on_batch(faces[:1])
    for name, values in expected.items():
        np.testing.assert_allclose(received[name].reshape(values.shape), values, atol=1e-4)
        np.testing.assert_allclose(exporter.load(path)(faces[:1])[name], values, atol=1e-4)


def network(last):
    """Outputs as of a predictor, over what EfficientNet has beyond the small backbone: normalisation and excitation.

    `last` makes valence of 3 numbers.
    """
    picture = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = keras.layers.Normalization(mean=[10.0, 20.0, 30.0], variance=[4.0, 25.0, 100.0])(picture)
    excitation = keras.layers.Reshape((1, 1, 3))(keras.layers.GlobalAveragePooling2D()(x))
    x = keras.layers.GlobalAveragePooling2D()(x * excitation)
    outputs = {"expression": keras.layers.Softmax()(x), "valence": last(x), "arousal": x[:, 1], "embedding": x}
    return keras.Model(picture, outputs, name="predictor")


def test_the_constants_of_the_normalisation_stay_inside(tmp_path):
    """As inputs, which they become by another way of conversion, they would have to be given with each picture."""
    (tmp_path / "model.onnx").write_bytes(exporter.convert(network(lambda x: x[:, 0]), CONTRACT))
    assert [value.name for value in onnx.load(tmp_path / "model.onnx").graph.input] == ["image"]
    outputs = exporter.load(tmp_path / "model.onnx")(np.full((2, 8, 8, 3), 50, np.uint8))
    expected = [[((50 - 10) / 2) ** 2, ((50 - 20) / 5) ** 2, ((50 - 30) / 10) ** 2]] * 2
    np.testing.assert_allclose(outputs["embedding"], expected, rtol=1e-6)
    np.testing.assert_allclose(outputs["arousal"], [36, 36], rtol=1e-6)


def test_a_network_that_onnx_cannot_express_is_refused(tmp_path):
    class Foreign(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.cholesky(x[:, :, None] * x[:, None])[:, 0, 0]  # ONNX has no such operator

    (tmp_path / "model.onnx").write_bytes(exporter.convert(network(Foreign()), CONTRACT))
    with pytest.raises(artefact.ExportError, match="not standard: Cholesky"):
        exporter.check_standard(tmp_path / "model.onnx")


def write(path, nodes, *inputs):
    """Write a file that makes `y`, 4 numbers, of the inputs."""
    graph = helper.make_graph(nodes, "graph", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])])
    opsets = [helper.make_opsetid("", exporter.OPSET), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


def test_operators_of_one_vendor_are_refused_inside_branches_too(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    yes = helper.make_tensor_value_info("yes", TensorProto.BOOL, [])
    standard, foreign = (
        helper.make_graph([node], name, [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])])
        for name, node in (
            ("standard", helper.make_node("Relu", ["x"], ["z"])),
            ("foreign", helper.make_node("QuickGelu", ["x"], ["z"], domain="com.microsoft")),
        )
    )
    honest = helper.make_node("If", ["yes"], ["y"], then_branch=standard, else_branch=standard)
    exporter.check_standard(write(tmp_path / "honest.onnx", [honest], x, yes))
    mixed = helper.make_node("If", ["yes"], ["y"], then_branch=standard, else_branch=foreign)
    with pytest.raises(artefact.ExportError, match="not standard: QuickGelu"):
        exporter.check_standard(write(tmp_path / "mixed.onnx", [mixed], x, yes))


def test_a_file_whose_types_do_not_fit_is_refused(tmp_path):
    numbers = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])]
    numbers.append(helper.make_tensor_value_info("n", TensorProto.INT64, [4]))
    with pytest.raises(artefact.ExportError, match="not valid ONNX"):
        exporter.check_standard(write(tmp_path / "sum.onnx", [helper.make_node("Add", ["x", "n"], ["y"])], *numbers))


def test_a_file_that_disagrees_is_not_written(run, tmp_path, monkeypatch):
    honest = exporter.load

    def off(path):
        session = honest(path)
        return lambda pictures: {name: values + 0.01 for name, values in session(pictures).items()}

    monkeypatch.setattr(exporter, "load", off)
    with pytest.raises(artefact.ExportError, match=r"is off by 0\.01"):
        exporter.export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_standard_is_not_written(run, tmp_path, monkeypatch):
    honest = exporter.convert

    def convert(*given):
        model = onnx.load_from_string(honest(*given))
        model.graph.node[0].domain = "com.microsoft"
        return model.SerializeToString()

    monkeypatch.setattr(exporter, "convert", convert)
    with pytest.raises(artefact.ExportError, match="not standard: Cast"):
        exporter.export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten_unless_told(run, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "stale").touch()
    (out / "model.json").touch()  # an export, then, and no folder of somebody's
    with pytest.raises(UsageError, match="--overwrite"):
        exporter.main(run, out)
    exporter.main(run, out, overwrite=True)
    assert {path.name for path in out.iterdir()} == {"model.onnx", "model.json", "card.md"}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{out / 'model.onnx'}: 0.3 MB, ")
    assert "differs from the network by at most" in line


def test_help_imports_neither_onnx_nor_its_converter():
    command = [sys.executable, "-X", "importtime", "-m", "export.onnx", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "tyro" in imported
    assert not imported & {"tensorflow", "keras", "onnx", "tf2onnx", "onnxruntime"}
