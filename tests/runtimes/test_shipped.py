"""The models in the repository: whole, small, what their contracts say, and right about faces."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

import tfaffect
from tests import ROOT
from tfaffect import contract as contracts
from tfaffect import models
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.media import detector_file, faces
from tfaffect.records import corruptions
from tfaffect.runtimes import shipped
from tfaffect.runtimes.opening import open_model

MODELS = sorted(path.parent for path in shipped.FOLDER.glob("*/model.tflite"))


def test_all_of_them_are_known_and_together_small():
    assert MODELS, "nothing is shipped"
    assert {path.name for path in MODELS} <= set(shipped.BY_ACCURACY)
    assert sum(path.stat().st_size for path in shipped.FOLDER.rglob("*") if path.is_file()) < 12e6


def test_the_one_that_is_taken_first_is_right_most_often():
    shares = {path.name: contracts.read(path).scores["expression"]["accuracy"]["value"] for path in MODELS}
    assert sorted(shares, key=shares.get, reverse=True) == [name for name in shipped.BY_ACCURACY if name in shares]
    assert shipped.default_model().name == max(shares, key=shares.get)


def test_names_of_models_that_a_wheel_has_are_those_of_the_wheel():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    packaged = {Path(folder).name for folder in packages.values()}
    assert packaged == set(shipped.BY_ACCURACY) - set(shipped.CHECKOUT_ONLY)


@pytest.mark.parametrize("name", shipped.BY_ACCURACY)
def test_short_and_full_names_open_the_model_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in (name, name.removeprefix("fer_plus_"), Path(name)):
        assert shipped.find(word) == shipped.FOLDER / name
        assert open_model(word).path == shipped.FOLDER / name / "model.tflite"


def test_the_python_interface_takes_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tfaffect.Embedder("micro").contract == contracts.read(shipped.FOLDER / "fer_plus_micro")


def test_a_run_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    """Here it is the export of another model, so that the input tells which of both was opened."""
    shutil.copytree(shipped.FOLDER / "fer_plus_b1", tmp_path / "micro")
    monkeypatch.chdir(tmp_path)
    assert open_model("micro").contract.input_size == 96
    assert open_model("fer_plus_micro").contract.input_size == 48
    assert shipped.find("./micro") == Path("micro")


def test_a_folder_of_that_name_without_a_model_is_an_error_that_names_both(tmp_path, monkeypatch):
    (tmp_path / "micro").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^micro contains no model\.") as caught:
        open_model("micro")
    assert str(caught.value).endswith(
        f"This path comes before the model that tfaffect has: {shipped.FOLDER / 'fer_plus_micro'}."
    )
    with pytest.raises(UsageError) as caught:
        open_model(tmp_path)
    assert "comes before" not in str(caught.value)


@pytest.mark.parametrize("word", ["mirco", "fer_plus", "Micro", "runs/micro"])
def test_a_name_that_is_unknown_lists_the_known_ones(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError, match=rf"no run folder or model at {word}\..* or a model of `tfaffect models`: small, micro, b1\.$"
    ):
        open_model(word)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The folder of the models of a pip install: the wheel's two."""
    for name in set(shipped.BY_ACCURACY) - set(shipped.CHECKOUT_ONLY):
        shutil.copytree(shipped.FOLDER / name, tmp_path / "models" / name)
    monkeypatch.setattr(shipped, "PACKAGED", tmp_path / "models")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "models")
    return tmp_path / "models"


def test_a_pip_install_says_where_the_largest_model_is(installed):
    with pytest.raises(UsageError, match=r"no model fer_plus_b1\. It is part of a checkout only: get the repository, "):
        open_model("b1")
    with pytest.raises(UsageError, match=r"Or name one that is installed: small, micro\.$"):
        open_model("fer_plus_b1")
    shutil.rmtree(installed / "fer_plus_micro")
    with pytest.raises(UsageError, match=r"no model fer_plus_micro\. The installation is incomplete"):
        open_model("micro")


def test_the_list_gives_size_figures_protocol_and_terms_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    models.main()
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(len(line) for line in lines if line not in map(str, MODELS)) <= 80
    (row,) = [line for line in lines if "fer_plus_micro │" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("fer_plus_micro", "micro", "0.3", "48 px", "84.0 %", "66.4 %", "fer_plus 1.1.0")
    ]
    assert "Accuracy and macro F1: fer_plus 1.1.0, validation, all records; 3,553 faces." in lines
    assert "Outputs: expression; 256 features." in lines
    assert printed.count("Weights carry the terms of the corpora") == 1
    assert all(str(model) in lines for model in MODELS)


def test_the_list_as_json_has_the_same_facts(capsys):
    models.main(as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == [*shipped.BY_ACCURACY]
    assert [row["default"] for row in rows] == [True, False, False]
    for row in rows:
        contract = contracts.read(Path(row["path"]) / "model.tflite")
        assert row["bytes"] == (Path(row["path"]) / "model.tflite").stat().st_size
        assert row["accuracy"] == contract.scores["expression"]["accuracy"]["value"]
        assert row["protocol"]["records"] == contract.scores["records"] == 3553
        assert row["licence"] == contract.licence


def test_list_and_check_are_not_mixed():
    with pytest.raises(UsageError, match="--check and --json"):
        models.main(check=True, as_json=True)


def checked(capsys):
    """The exit status of `tfaffect models --check`, and its lines."""
    with pytest.raises(SystemExit) as ended:
        models.main(check=True)
    return ended.value.code, capsys.readouterr().out.splitlines()


def test_the_check_finds_all_files(face_detector, monkeypatch, capsys):
    monkeypatch.setenv("TFAFFECT_FACE_DETECTOR", str(face_detector))
    assert checked(capsys) == (
        0,
        [
            f"Models in {shipped.FOLDER}:",
            "  fer_plus_small: 1.3 MB, its sha256 is right",
            "  fer_plus_micro: 0.3 MB, its sha256 is right",
            "  fer_plus_b1: 8.5 MB, its sha256 is right",
            "Face detector, named by TFAFFECT_FACE_DETECTOR:",
            f"  {face_detector}: 0.2 MB, its sha256 is right",
        ],
    )


def test_the_check_of_a_pip_install_does_not_miss_the_largest_model(installed, face_detector, monkeypatch, capsys):
    monkeypatch.setenv("TFAFFECT_FACE_DETECTOR", str(face_detector))
    status, lines = checked(capsys)
    assert status == 0
    assert lines[3] == "  fer_plus_b1: not part of a pip install, only of a checkout"


def test_the_check_says_what_is_damaged_or_missing(installed, face_detector, monkeypatch, capsys):
    monkeypatch.setenv("TFAFFECT_FACE_DETECTOR", str(face_detector))
    content = bytearray((installed / "fer_plus_small" / "model.tflite").read_bytes())
    content[1000] ^= 1
    (installed / "fer_plus_small" / "model.tflite").write_bytes(content)
    (installed / "fer_plus_micro" / "card.md").unlink()
    status, lines = checked(capsys)
    assert status == 1
    assert "model.tflite is not the model that its model.json names: its hash is " in lines[1]
    assert lines[2].startswith("  fer_plus_micro: card.md not there.")


def test_the_check_looks_for_the_detector_and_fetches_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TFAFFECT_FACE_DETECTOR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(detector_file, "URLS", ("http://127.0.0.1:1/nobody answers",))
    status, lines = checked(capsys)
    place = tmp_path / "tfaffect" / detector_file.FILE
    assert status == 1
    assert lines[4:6] == ["Face detector, downloaded when it is first needed:", f"  {place} is not there."]
    assert lines[6].endswith(f"sha256 {detector_file.SHA256}):")
    assert not place.parent.exists()
    place.parent.mkdir()
    place.write_bytes(b"half")
    status, lines = checked(capsys)
    assert status == 1
    assert re.match(rf"  {place} is not {detector_file.FILE}\. Received: sha256 [0-9a-f]{{64}}\. Expected", lines[5])


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_the_contract_says_what_the_file_is(model):
    contract = contracts.read(model / "model.tflite")
    assert contract.trained == ("expression",)
    assert contract.corpora.keys() == {"fer_plus"}
    assert contracts.artefact_sha256(model / "model.tflite") == contract.weights_sha256
    figures = contract.scores["expression"]
    assert figures["accuracy"]["value"] > 0.8, "figures of a model worth shipping"
    assert (model / "card.md").is_file()


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_probabilities_and_features_come_out_and_affect_does_not(model):
    network = open_model(model)
    size = network.contract.input_size
    outputs = network(np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8))
    np.testing.assert_allclose(outputs.expression.sum(axis=1), 1, atol=1e-5)
    assert outputs.embedding.shape == (3, 256)
    assert np.isfinite(outputs.embedding).all()
    for name in AFFECT:
        assert np.isnan(getattr(outputs, name)).all(), "never trained on FER+"


def tinted(size):
    """A face of size x size pixels from the page of the documentation, under the light of a lamp."""
    photo = faces.read(ROOT / "docs" / "annotated.jpg")[20:290, 90:360]
    return corruptions.cast(faces.letterbox(photo, size), 40, np.random.default_rng(0))


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_the_colour_of_light_does_not_matter_to_a_network_of_grey_pictures(model, tmp_path):
    embedder, face = tfaffect.Embedder(model), tinted(96)
    grey = faces.to_grey(faces.letterbox(face, embedder.contract.input_size))
    expected = embedder([grey])
    np.testing.assert_array_equal(embedder([face]).embedding, expected.embedding)
    np.testing.assert_array_equal(open_model(model).run(grey[None])["embedding"], expected.embedding)
    cv2.imwrite(str(tmp_path / "face.png"), face[..., ::-1])
    (row,) = embedder.rows(tmp_path / "face.png", detect=False)
    np.testing.assert_array_equal(row.embedding, expected.embedding[0])


def test_a_contract_of_an_earlier_version_keeps_the_colours(tmp_path):
    shutil.copytree(shipped.FOLDER / "fer_plus_micro", tmp_path / "copy")
    path, face = tmp_path / "copy" / "model.json", tinted(48)[None]
    given = json.loads(path.read_text())
    assert (
        contracts.loads(contracts.loads(json.dumps(given), path).dumps(), path).colour == given.pop("colour") == "grey"
    )
    path.write_text(json.dumps(given))
    network = open_model(tmp_path / "copy")
    assert network.contract.colour == "rgb"
    np.testing.assert_array_equal(network(face).embedding, network.run(face)["embedding"])
    assert np.abs(network(face).embedding - network(faces.to_grey(face)).embedding).max() > 0.01
    with pytest.raises(UsageError, match="colour is 'bgr', not one of rgb, grey"):
        contracts.loads(json.dumps({**given, "colour": "bgr"}), path)


def test_the_python_of_the_card_turns_pictures_grey(tmp_path, monkeypatch, capsys):
    model, face = shipped.FOLDER / "fer_plus_micro", tinted(48)
    (tmp_path / "model.tflite").symlink_to(model / "model.tflite")
    (tmp_path / "model.json").symlink_to(model / "model.json")
    cv2.imwrite(str(tmp_path / "face.png"), face[..., ::-1])
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", (model / "card.md").read_text(), re.DOTALL)[1], names)
    assert faces.is_grey(names["image"][0])
    assert np.abs(names["image"].astype(int) - faces.to_grey(face)).max() <= 1  # Pillow rounds at other places
    np.testing.assert_allclose(names["outputs"]["expression"], open_model(model)(names["image"]).expression, atol=1e-5)


def test_the_first_example_of_the_readme(face_detector, tmp_path):
    """A drawn face, with no model named: it is found, and gets one of the eight classes and no valence."""
    from tfrecords_builders.synthetic import Synthetic

    face = next(iter(Synthetic(subjects=1, pictures=1).faces(None)))
    assert cv2.imwrite(str(tmp_path / "photo.png"), cv2.resize(face.image(), (300, 300))[..., ::-1])
    done = subprocess.run(
        [sys.executable, "-m", "tfaffect.embed", tmp_path / "photo.png", "--face-detector", face_detector],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(rf".*photo\.png: face 0 at [\d,]+: (({'|'.join(CLASSES)}) \d+ %(, )?)+\n", done.stdout)
