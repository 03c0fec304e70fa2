"""Means over large maps: the same numbers in every format, and no sum that is too large for float16."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tfaffect import contract as contracts
from tfaffect.config import Config
from tfaffect.export import onnx, pooling, saved_model, tflite
from tfaffect.export.quantisation.graph import KINDS
from tfaffect.labels import HEADS
from tfaffect.networks import model as models

SIDE = 72
"""Of the largest maps that `micro` pools for pictures of 144 pixels."""


@pytest.fixture(scope="module")
def network():
    model = models.build(Config(architecture="micro", image_size=2 * SIDE, weights="none"))
    contract = contracts.Contract(input_size=2 * SIDE, trained=HEADS, corpora={})
    faces = np.random.default_rng(0).integers(0, 256, (3, 2 * SIDE, 2 * SIDE, 3), np.uint8)
    faces //= np.array([1, 3, 50], np.uint8)[:, None, None, None]  # a fresh network notices light, not noise
    expected = models.predictor(model, contract).predict_on_batch(faces)
    pooling.split_large(model)
    return models.predictor(model, contract), contract, faces, expected


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pooling")
    saved_model.write(network[0], folder / "saved_model")
    (folder / tflite.FILE).write_bytes(tflite.convert(folder / "saved_model"))
    return folder / tflite.FILE


def steps(path):
    """The pooling operators of a file: kind, shape of what they read, and the sides of the window that they sum."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    body = model.subgraphs[0]
    for operator in body.operators:
        kind = KINDS[model.operatorCodes[operator.opcodeIndex].builtinCode]
        shape = tuple(map(int, body.tensors[operator.inputs[0]].shape))
        if kind == "AVERAGE_POOL_2D":
            yield kind, shape, (operator.builtinOptions.filterHeight, operator.builtinOptions.filterWidth)
        elif kind == "MEAN" and len(shape) == 4:
            yield kind, shape, shape[1:3]


def mean_in_float16(values):
    """Add one value after another in float16, as a phone's GPU may."""
    with np.errstate(over="ignore"):
        return np.add.accumulate(values.astype(np.float16).ravel())[-1] / np.float16(values.size)


def test_means_over_large_maps_stay_finite_in_float16(file):
    """A map of 20s sums to 103,680; float16 ends at 65,504."""
    assert mean_in_float16(np.full((SIDE, SIDE), 20.0)) == np.inf
    found = list(steps(file))
    assert all(height * width <= pooling.LARGEST_MAP for _, _, (height, width) in found)
    columns = [step for step in found if step[1][1:3] == (SIDE, SIDE) and step[2] == (SIDE, 1)]
    rests = [step for step in found if step[0] == "MEAN" and step[1][1:3] == (1, SIDE)]
    assert len(columns) == len(rests) == 2, "block1a and block1b"
    means = [mean_in_float16(np.full(columns[0][2], 20.0))] * SIDE
    assert mean_in_float16(np.array(means)) == pytest.approx(20, rel=1e-3)


def test_every_format_gives_what_the_network_gave_before(network, file, tmp_path):
    predictor, contract, faces, expected = network
    (tmp_path / onnx.FILE).write_bytes(onnx.convert(predictor, contract))
    served = {
        "SavedModel": saved_model.load(file.parent / "saved_model"),
        "TFLite": tflite.load(file),
        "ONNX": onnx.load(tmp_path / onnx.FILE),
    }
    for call in served.values():
        for name, values in call(faces).items():
            assert np.std(expected[name], axis=0).max() > 1e-3, "the network must have something to say"
            np.testing.assert_allclose(values, expected[name], atol=1e-5)
    assert {"AveragePool", "GlobalAveragePool"} <= set(onnx.operators(tmp_path / onnx.FILE))
    assert "ReduceMean" not in onnx.operators(tmp_path / onnx.FILE)
