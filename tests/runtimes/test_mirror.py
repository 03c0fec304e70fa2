"""Answers that are means over a face and its mirror image, in the network and in everything that is made of it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.small_network import small_backbone
from tfaffect import calibrate, evaluate
from tfaffect import contract as contracts
from tfaffect.config import Config
from tfaffect.contract import MIRRORED, Contract
from tfaffect.errors import UsageError
from tfaffect.export import card, onnx, saved_model, tflite
from tfaffect.labels import HEADS
from tfaffect.networks import model as models
from tfaffect.runtimes.opening import open_model


@pytest.fixture(scope="module")
def mirrored(run, tmp_path_factory):
    """The run of all tests, which answers by means from now on."""
    folder = tmp_path_factory.mktemp("mirrored") / "run"
    shutil.copytree(run, folder)
    calibrate.calibrate(folder, mirror=True)
    evaluate.evaluate(folder)
    return folder


def test_an_answer_is_the_mean_of_two(run, faces):
    network, _ = models.load(run)
    contract = Contract(32, HEADS, {}, mirror=True, temperature=2.0)
    received = models.predictor(network, contract)(faces)
    once, again = network(faces), network(faces[:, :, ::-1])
    assert np.abs(once["valence"] - again["valence"]).max() > 1e-3, "a network that mirror images tell nothing new"
    logits = (once["expression"] + again["expression"]) / 2 / 2.0
    powers = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(received["expression"], powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(received["valence"], (once["valence"] + again["valence"]) / 2, atol=1e-6)
    features = models.predictor(network, replace(contract, mirror=False))
    expected = (features(faces)["embedding"] + features(faces[:, :, ::-1])["embedding"]) / 2
    np.testing.assert_allclose(received["embedding"], expected, atol=1e-6)


def test_heads_that_learned_nothing_still_say_so(faces):
    network = models.build(Config(image_size=32, weights="none"), small_backbone())
    received = models.predictor(network, Contract(32, ("valence",), {}, mirror=True))(faces[:1])
    assert {name: values.shape for name, values in received.items()} == {
        "expression": (1, 8),
        "valence": (1,),
        "arousal": (1,),
        "embedding": (1, 256),
    }
    assert np.isnan(received["expression"]).all()
    assert np.isfinite(received["valence"]).all()


@pytest.mark.parametrize("kind", ["saved_model", "float32", "int8", "onnx"])
def test_what_is_made_of_a_run_answers_as_it_does(mirrored, faces, kind, tmp_path):
    out = tmp_path / "out"
    if kind == "saved_model":
        saved_model.export(mirrored, out)
    elif kind == "onnx":
        onnx.export(mirrored, out)
    else:
        tflite.export(mirrored, out, recipe=kind)
    made, network = open_model(out), open_model(mirrored)
    assert made.contract.mirror
    assert f"| every output | {MIRRORED} |" in (out / contracts.CARD).read_text()
    received, turned = made(faces)._asdict(), made(np.ascontiguousarray(faces[:, :, ::-1]))._asdict()
    for name, values in network(faces)._asdict().items():
        np.testing.assert_allclose(received[name], values, atol=0.1 if kind == "int8" else 1e-4)
        np.testing.assert_allclose(turned[name], received[name], atol=1e-5)


def test_a_run_can_be_told_to_and_not_to(run, mirrored, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(mirrored, folder)
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["protocol"]["answers"] == MIRRORED
    calibrate.calibrate(folder)
    assert contracts.read(folder).mirror, "as before"
    calibrate.calibrate(folder, mirror=False)
    assert not contracts.read(folder).mirror
    assert contracts.read(folder).temperature == pytest.approx(contracts.read(run).temperature, rel=1e-5)
    assert "answers" not in json.loads((run / "report" / "report.json").read_text())["protocol"]


def test_figures_of_other_answers_are_not_those_of_an_export(run, mirrored, tmp_path):
    from tfaffect.export.claims import scores_of_run

    contract = contracts.read(mirrored)
    assert scores_of_run(mirrored, contract) is not None
    assert scores_of_run(mirrored, replace(contract, mirror=False)) is None
    assert "every output" not in card.compose(contracts.read(run))


def test_a_contract_says_yes_or_no():
    with pytest.raises(UsageError, match="mirror is 3"):
        contracts.loads(Contract(32, HEADS, {}).dumps().replace('"mirror": false', '"mirror": 3'), "model.json")
