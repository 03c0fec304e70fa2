import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest

from tests import ROOT
from tfaffect.errors import UsageError
from tfaffect.export import onnx, saved_model, tflite
from tfaffect.media.faces import letterbox
from tfaffect.records import batches
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.opening import open_model
from tfaffect.runtimes.tflite_file import Signature

FORMATS = ("run", "keras", "saved_model", "tflite", "onnx")


@pytest.fixture(scope="module")
def artefacts(run, tmp_path_factory):
    """The same network in every format, by name."""
    root = tmp_path_factory.mktemp("artefacts")
    for exporter, name in ((saved_model, "saved_model"), (tflite, "tflite"), (onnx, "onnx")):
        exporter.export(run, root / name)
    shutil.copy(run / "model.keras", root / "alone.keras")
    return {"run": run, "keras": root / "alone.keras"} | {name: root / name for name in FORMATS[2:]}


@pytest.fixture(scope="module")
def networks(artefacts):
    return {name: open_model(artefacts[name]) for name in FORMATS}


@pytest.fixture(scope="module")
def crops(config):
    corpus = open_corpus(config.records, "synthetic")
    (pictures, _), *_ = islice(batches.evaluation_batches(corpus, "test", config.image_size, 60), 1)
    return pictures.numpy()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same_of_a_face(networks, crops, name):
    expected, received = networks["run"](crops), networks[name](crops)
    for field in expected._fields:
        values = getattr(received, field)
        assert values.dtype == np.float32
        assert np.std(getattr(expected, field), axis=0).max() > 0.01, "the network must have something to say"
        np.testing.assert_allclose(values, getattr(expected, field), atol=1e-4)
    assert received.expression.shape == (60, 8)
    assert received.embedding.shape == (60, 256)
    np.testing.assert_allclose(received.expression.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("sizes", [(1, 2, 2), (1, 4, 4, 2, 4), (2, 1, 7, 3, 7)])
def test_faces_do_not_depend_on_the_batches_before(crops, sizes):
    """The shipped network shows the fault of LiteRT 2.3, which the network of the tests does not."""
    faces = np.stack([letterbox(crop, 48) for crop in crops[:7]])
    alone = np.concatenate([open_model(ROOT / "models/fer_plus_micro").run(face[None])["embedding"] for face in faces])
    signature = Signature(ROOT / "models/fer_plus_micro" / "model.tflite")
    for size in sizes:
        np.testing.assert_allclose(signature(faces[:size])["embedding"], alone[:size], atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_faces_do_not_depend_on_those_beside_them(networks, crops, name):
    network = networks[name]
    together = network(crops[:7]).embedding
    alone = np.concatenate([network(crops[place : place + 1]).embedding for place in range(7)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_no_face_gives_empty_outputs(networks):
    outputs = networks["tflite"](np.zeros((0, 32, 32, 3), np.uint8))
    assert [values.shape for values in outputs] == [(0, 8), (0,), (0,), (0, 256)]


@pytest.mark.parametrize("name", ["keras", "tflite", "onnx", "saved_model"])
def test_several_threads_get_what_one_gets(networks, crops, name):
    network = networks[name]
    expected = network(crops).embedding
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda first: network(crops[first : first + 3]).embedding, range(0, 60, 3)))
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["saved_model", "tflite", "onnx"])
def test_another_network_beside_the_contract_is_refused(artefacts, tmp_path, name):
    folder = shutil.copytree(artefacts[name], tmp_path / name)
    inside = {"saved_model": "saved_model.pb", "tflite": "model.tflite", "onnx": "model.onnx"}[name]
    (folder / inside).write_bytes((folder / inside).read_bytes() + b" ")
    with pytest.raises(UsageError, match=r"not the model that its model\.json names"):
        open_model(folder)


@pytest.mark.parametrize("name", ["saved_model", "tflite", "onnx"])
def test_a_contract_of_another_input_is_refused(artefacts, tmp_path, name):
    folder = shutil.copytree(artefacts[name], tmp_path / name)
    contract = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**contract, "input_size": 48}))
    with pytest.raises(UsageError, match=r"32, 32, 3.*its contract says 48"):
        open_model(folder)


def test_a_contract_of_other_outputs_is_refused(artefacts, tmp_path):
    folder = shutil.copytree(artefacts["tflite"], tmp_path / "tflite")
    contract = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**contract, "embedding_size": 128}))
    with pytest.raises(UsageError, match=r"1, 256.*its contract says.*1, 128"):
        open_model(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_size", "48"),
        ("input_size", 0),
        ("trained", None),
        ("crop_margin", "wide"),
        ("input", {"colour": "BGR"}),
        ("input", 5),
        ("affect_range", [0, 9]),
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused(artefacts, tmp_path, field, value):
    folder = shutil.copytree(artefacts["tflite"], tmp_path / "tflite")
    contract = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**contract, field: value}))
    with pytest.raises(UsageError, match=r"model\.json"):
        open_model(folder)
    (folder / "model.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"no usable model\.json"):
        open_model(folder)


def test_a_model_is_named_by_its_folder_or_its_file(artefacts):
    for path in (artefacts["tflite"] / "model.tflite", artefacts["saved_model"] / "saved_model.pb"):
        assert open_model(path).contract.input_size == 32


def test_what_is_no_model_is_refused(artefacts, tmp_path):
    with pytest.raises(UsageError, match=r"There is no run folder or model at .*nowhere"):
        open_model(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"contains no model\. Name a run folder"):
        open_model(tmp_path)
    (tmp_path / "model.h5").touch()
    with pytest.raises(UsageError, match="not a model that can be run"):
        open_model(tmp_path / "model.h5")
    shutil.copy(artefacts["tflite"] / "model.tflite", tmp_path)
    with pytest.raises(UsageError, match=r"needs its model\.json beside it"):
        open_model(tmp_path / "model.tflite")
    shutil.copy(artefacts["onnx"] / "model.onnx", tmp_path)
    with pytest.raises(UsageError, match=r"contains model\.tflite and model\.onnx"):
        open_model(tmp_path)


@pytest.mark.parametrize(("name", "content"), [("model.tflite", b""), ("model.onnx", b"no"), ("model.keras", b"")])
def test_a_damaged_file_is_refused(artefacts, tmp_path, name, content):
    from tfaffect.contract import artefact_sha256

    (tmp_path / name).write_bytes(content)
    contract = json.loads((artefacts["tflite"] / "model.json").read_text())
    contract["weights_sha256"] = artefact_sha256(tmp_path / name)
    (tmp_path / "model.json").write_text(json.dumps(contract))
    with pytest.raises(UsageError, match=name.replace(".", r"\.")):
        open_model(tmp_path / name)


def test_a_package_that_is_missing_is_named(artefacts, monkeypatch):
    monkeypatch.delitem(sys.modules, "tfaffect.runtimes.onnx_file", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        UsageError, match=r"needs onnxruntime, which is not installed\. .* pip install \"tfaffect\[onnx\]\""
    ):
        open_model(artefacts["onnx"])


@pytest.mark.parametrize("name", ["tflite", "onnx"])
def test_small_formats_import_nothing_of_tensorflow(artefacts, name):
    script = f"""
import sys
import numpy as np
from tfaffect.embed import Embedder
print(Embedder({str(artefacts[name])!r})([np.zeros((40, 30, 3), np.uint8)]).embedding.shape)
print(sorted(set(sys.modules) & {{"tensorflow", "keras", "pandas", "scipy", "matplotlib", "tensorflow_datasets"}}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["(1, 256)", "[]"]
