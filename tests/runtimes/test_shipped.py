"""The models in the repository: whole, small, what their contracts say, and right about faces."""

import re
import subprocess
import sys

import numpy as np
import pytest

from tests import ROOT
from tfaffect import contract as contracts
from tfaffect import models
from tfaffect.labels import AFFECT, CLASSES
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


def test_the_list_gives_the_protocol_and_the_licence_once(capsys):
    models.main()
    printed = capsys.readouterr().out
    assert printed.startswith(
        "Accuracy and macro F1 on fer_plus 1.1.0, validation, all records; 3,553 faces: fer_plus_small"
    )
    assert printed.count("validation") == printed.count("Weights carry the terms of the corpora") == 1
    assert all(str(model) in printed for model in MODELS)


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


def test_the_first_example_of_the_readme(face_detector, tmp_path):
    """A drawn face, with no model named: it is found, and gets one of the eight classes and no valence."""
    import cv2

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
