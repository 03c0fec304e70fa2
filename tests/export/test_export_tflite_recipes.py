"""Smaller TFLite files: what the recipes do to a network, their limits, and that nothing is written beyond them."""

import json
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from tfaffect import contract as contracts
from tfaffect.errors import UsageError
from tfaffect.export import artefact, saved_model, tflite, tflite_metadata
from tfaffect.export.quantisation import faces as faces_of
from tfaffect.export.quantisation import fidelity, recipes, weights
from tfaffect.export.quantisation.fidelity import Fidelity
from tfaffect.export.quantisation.graph import KINDS, pack
from tfaffect.export.quantisation.integers import parameters
from tfaffect.export.quantisation.making import LEAST_SIDE, candidates
from tfaffect.export.quantisation.observation import choose_range
from tfaffect.export.quantisation.recipes import RECIPES, Limits
from tfaffect.networks import model as models
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes import predictions
from tfaffect.runtimes.opening import open_model
from tfaffect.scoring.scores import score

REDUCED = ("float16", "dynamic_int8", "int8")
NONE_LOST = Fidelity(1000, 0, 0.0, {"valence": 0.0}, 1.0, 1.0, 0.0, {"embedding": 0.0})


@pytest.fixture(scope="module")
def folders(run, tmp_path_factory):
    """One run by every recipe."""
    root = tmp_path_factory.mktemp("recipes")
    for recipe in ("float32", *REDUCED):
        tflite.export(run, root / recipe, recipe=recipe)
    return root


@pytest.fixture(scope="module")
def validation(config):
    return faces_of.read(config, None, "validation", 1000, config.image_size)


def convolutions(content):
    """Of each convolution of a file: the number type of what it reads, that of its weights, and how many these are."""
    tree = schema.ModelT.InitFromPackedBuf(content)
    names = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    body = tree.subgraphs[0]
    for operator in body.operators:
        if tree.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.CONV_2D:
            read, kernel = (body.tensors[place] for place in operator.inputs[:2])
            yield names[read.type], names[kernel.type], int(np.prod(kernel.shape))


def separable_backbone(size):
    """The large maps of EfficientNet in small: expansion, swish, depthwise convolution, gate, projection, residual."""
    picture = keras.Input((size, size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    x = layers.Conv2D(16, 3, 2, padding="same", activation="silu", name="stem_conv")(x)
    y = layers.Conv2D(64, 1, activation="silu", name="block1a_expand")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="silu", name="block1a_dwconv")(y)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="block1a_se_squeeze")(y)
    gate = layers.Conv2D(64, 1, activation="sigmoid", name="block1a_se_expand")(gate)
    y = layers.Conv2D(16, 1, name="block1a_project")(layers.Multiply(name="block1a_se_excite")([y, gate]))
    x = layers.Add(name="block1a_add")([x, y])
    return keras.Model(picture, layers.Conv2D(128, 3, 8, padding="same", activation="silu", name="top_conv")(x))


@pytest.fixture(scope="module")
def separable(config, tmp_path_factory):
    """The float file of a network with depthwise convolutions and an untrained head."""
    source = tmp_path_factory.mktemp("source")
    contract = contracts.Contract(input_size=LEAST_SIDE, trained=("expression", "valence"), corpora={})
    saved_model.write(models.predictor(models.build(config, separable_backbone(LEAST_SIDE)), contract), source)
    return tflite._convert(source)


def test_each_recipe_is_smaller_by_its_weights(folders):
    """The graph, 27 kB, and weights of small layers stay: of EfficientNet-B1 int8 is less than a third."""
    sizes = {recipe: (folders / recipe / tflite.FILE).stat().st_size for recipe in RECIPES}
    shares = {recipe: size / sizes["float32"] for recipe, size in sizes.items()}
    assert 0.5 < shares["float16"] < 0.65
    assert 0.25 < shares["dynamic_int8"] < 0.45
    assert sizes["int8"] == sizes["dynamic_int8"], "integer arithmetic does not pay in this network"


def test_other_runtimes_find_names_and_options(folders):
    """OpenVINO refuses an operator without options, and ai-edge-quantizer a name that two tensors have."""
    without = {"LOGISTIC", "RELU", "RELU6", "TANH", "CAST"}  # TensorFlow's converter writes none for these
    for recipe in RECIPES:
        model = schema.ModelT.InitFromPackedBuf((folders / recipe / tflite.FILE).read_bytes())
        for body in model.subgraphs:
            for operator in body.operators:
                kind = KINDS[model.operatorCodes[operator.opcodeIndex].builtinCode]
                assert operator.builtinOptions is not None or kind in without, kind
        names = [tensor.name.decode() for body in model.subgraphs for tensor in body.tensors]
        assert len(names) == len(set(names))
        for body, (key, outputs) in zip(model.subgraphs, saved_model.SIGNATURES.items(), strict=True):
            assert [body.tensors[index].name.decode() for index in body.inputs] == [f"{key}/image"]
            assert [body.tensors[index].name.decode() for index in body.outputs] == [f"{key}/{o}" for o in outputs]


def test_dynamic_int8_has_integer_weights_where_it_pays(folders):
    found = {recipe: list(convolutions((folders / recipe / tflite.FILE).read_bytes())) for recipe in RECIPES}
    assert {kinds[:2] for kinds in found["float32"]} == {("FLOAT32", "FLOAT32")}
    for read, kernel, size in found["dynamic_int8"]:
        assert (read, kernel) == ("FLOAT32", "FLOAT32" if size < weights.MIN_WEIGHTS else "INT8")
    assert any(size >= weights.MIN_WEIGHTS for *_, size in found["dynamic_int8"])
    assert found["int8"] == found["dynamic_int8"], "without depthwise convolutions it is the faster one"


def test_float16_has_weights_and_biases_of_half_the_size(folders):
    """In WebAssembly a convolution with one of both in float32 runs outside XNNPACK, five times as slow."""
    content = (folders / "float16" / tflite.FILE).read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content)
    for body in model.subgraphs:
        kinds = [KINDS[model.operatorCodes[operator.opcodeIndex].builtinCode] for operator in body.operators]
        made = {operator.outputs[0]: body.tensors[operator.inputs[0]] for operator in body.operators}
        halves = {tensor for tensor, source in made.items() if source.type == schema.TensorType.FLOAT16}
        operators = zip(kinds, body.operators, strict=True)
        read = [tensor for kind, operator in operators if kind in weights.WEIGHTED for tensor in operator.inputs[1:]]
        assert len(read) >= 6
        assert set(read) <= halves


def test_int8_calculates_in_integers_on_large_maps(separable, validation, tmp_path):
    """The picture has 112 pixels a side, the large maps 56, the gate 1. The second candidate is dynamic_int8."""
    pictures = np.stack([cv2.resize(picture, (LEAST_SIDE, LEAST_SIDE)) for picture in validation.pictures])
    integers, dynamic = candidates("int8", separable, lambda: pictures)
    assert pack(dynamic) == pack(next(candidates("dynamic_int8", separable)))
    found = [kinds[:2] for kinds in convolutions(pack(integers))]
    assert found == [("INT8", "INT8")] * 2 + [("FLOAT32", "INT8"), ("INT8", "INT8"), ("FLOAT32", "INT8")]
    outputs = []
    for number, tree in enumerate((next(candidates("float32", separable)), integers)):
        (tmp_path / f"{number}.tflite").write_bytes(pack(tree))
        outputs.append(tflite.load(tmp_path / f"{number}.tflite")(pictures))
    lost = fidelity.compare(*outputs, validation.labels)
    assert lost.cosine > 0.99
    assert max(lost.unexplained.values()) < 0.1
    assert np.isnan(outputs[1]["arousal"]).all(), "an untrained head stays NaN"


@pytest.mark.parametrize("recipe", REDUCED)
def test_what_is_lost_is_what_the_recipe_allows_and_says(folders, run, validation, recipe):
    """Counted here anew, from the files, over the faces on which the limits apply."""
    network = models.predictor(*models.load(run))
    expected = network.predict(validation.pictures, verbose=0)
    received = open_model(folders / recipe)(validation.pictures)
    told = contracts.read(folders / recipe).artefact
    labelled = validation.labels["expression"].sum(axis=1) > 0
    right = [
        (values.argmax(axis=1) == validation.labels["expression"].argmax(axis=1))[labelled].mean()
        for values in (expected["expression"], received.expression)
    ]
    assert told["losses"]["accuracy"] == pytest.approx(right[0] - right[1])
    lengths = np.linalg.norm(expected["embedding"], axis=1) * np.linalg.norm(received.embedding, axis=1)
    cosines = (expected["embedding"] * received.embedding).sum(axis=1) / lengths
    assert told["losses"]["embedding cosine"] == pytest.approx(1 - cosines.mean(), abs=1e-6)
    assert cosines.mean() > RECIPES[recipe].limits.cosine
    assert told["faces"] == len(validation.pictures) == 60
    assert told["differences"]["valence"] == pytest.approx(np.abs(expected["valence"] - received.valence).max())
    assert 1e-7 < told["differences"]["embedding"] < 0.2
    assert told["recipe"] == recipe


@pytest.mark.parametrize("recipe", REDUCED)
def test_the_figures_are_those_of_the_file_and_not_of_the_network(folders, run, config, recipe):
    contract = contracts.read(folders / recipe)
    corpus, network = open_corpus(config.records, "synthetic"), open_model(folders / recipe)
    table = predictions.tabulate(lambda faces: network(faces)._asdict(), corpus, "validation", config.image_size)
    found = score(table)
    for name in ("expression", "valence", "arousal"):
        assert json.loads(json.dumps(found[name])) == contract.scores[name]
    report = json.loads((run / "report" / "report.json").read_text())
    assert contract.scores["protocol"] == report["protocol"]
    assert contract.scores["valence"] != report["scores"]["pooled"]["valence"]
    inside = tflite_metadata.read((folders / recipe / tflite.FILE).read_bytes())
    assert inside == replace(contract, weights_sha256="", artefact=None)


def test_a_run_without_figures_is_exported_without(run, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("model.keras", "config.json"):
        (tmp_path / "run" / name).write_bytes((run / name).read_bytes())
    tflite.export(tmp_path / "run", tmp_path / "out", recipe="dynamic_int8")
    assert contracts.read(tmp_path / "out").scores is None


def test_an_exceeded_limit_leaves_nothing(run, tmp_path, monkeypatch):
    strict = replace(RECIPES["int8"], limits=replace(RECIPES["int8"].limits, cosine=0.99999999))
    monkeypatch.setitem(recipes.RECIPES, "int8", strict)
    with pytest.raises(artefact.ExportError, match=r"the mean cosine between embeddings is 1\.0000, less than 1"):
        tflite.export(run, tmp_path / "out", recipe="int8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "size", "expected"),
    [
        ({}, 9_500_000, None),
        ({}, 9_500_001, "it has 9.5 MB, more than 9.5"),
        ({"lost": 3}, 1, None),
        ({"lost": 4}, 1, "it loses 0.40 points of accuracy (4 of 1,000 faces), more than 0.3"),
        ({"lost": -9}, 1, None),
        ({"lost": 1, "labelled": 20}, 1, None),
        ({"lost": 2, "labelled": 20}, 1, "it loses 10.00 points of accuracy (2 of 20 faces)"),
        ({"ccc": {"valence": 0.0, "arousal": 0.011}}, 1, "it loses 0.0110 of arousal's CCC, more than 0.01"),
        ({"ccc": {"valence": float("nan")}}, 1, "it loses nan of valence's CCC"),
        ({"cosine": 0.9899}, 1, "the mean cosine between embeddings is 0.9899, less than 0.99"),
        ({"cosine": float("nan")}, 1, "the mean cosine between embeddings is nan"),
        ({"unexplained": {"embedding": 0.11}}, 1, "0.110 of the variance of embedding is lost"),
    ],
)
def test_each_limit(change, size, expected):
    limits = Limits(megabytes=9.5, accuracy=0.003, ccc=0.01, cosine=0.99, unexplained=0.1)
    message = limits.exceeded(size, replace(NONE_LOST, **change))
    assert message is None if expected is None else message.startswith(expected)


def test_the_terminal_gives_each_loss_with_its_limit():
    losses = replace(
        NONE_LOST, labelled=550, lost=1, ccc={"valence": -0.0004}, cosine=0.998, worst_cosine=0.95
    ).losses()
    assert list(RECIPES["int8"].limits.describe(losses)) == [
        "loses 0.18 points of accuracy (limit 0.3)",
        "classes changed: 0.00 %",
        "gains 0.0004 of CCC valence (limit 0.01)",
        "embedding cosine, mean: 0.9980 (limit 0.99)",
        "embedding cosine, worst face: 0.9500",
        "embeddings with a cosine below 0.9: 0.00 %",
    ]


def test_the_limits_of_int8_are_those_of_the_project():
    limits = RECIPES["int8"].limits
    assert limits.megabytes <= 9.5
    assert limits.accuracy <= 0.003
    assert limits.ccc <= 0.01
    assert limits.cosine >= 0.99


def test_what_a_file_loses_by_hand():
    """Four faces: the file gets one wrong that was right, changes two classes, and turns an embedding by 60 degrees."""
    classes = np.eye(8, dtype=np.float32)
    truth = {"expression": classes[[0, 1, 2, 0]] * [[1], [1], [1], [0]]}
    truth |= {"valence": np.array([0.5, -0.5, np.nan, np.nan]), "arousal": np.full(4, np.nan)}
    expected = {"expression": classes[[0, 1, 3, 4]], "valence": np.array([0.5, -0.5, 0.1, 0.2], np.float32)}
    received = {"expression": classes[[0, 5, 3, 6]], "valence": np.array([0.25, -0.25, 0.1, 0.2], np.float32)}
    for given in (expected, received):
        given["arousal"] = np.full(4, np.nan, np.float32)
        given["embedding"] = np.tile(np.float32([1, 0]), (4, 1))
    received["embedding"][3] = [0.5, np.sqrt(0.75)]
    found = fidelity.compare(expected, received, truth)
    assert (found.labelled, found.lost, found.changed) == (3, 1, 0.5)
    assert found.accuracy == pytest.approx(1 / 3)
    # Truths (0.5, -0.5) and predictions half as large: CCC 2 * 0.125 / (0.25 + 0.0625) = 0.8.
    assert found.ccc == {"valence": pytest.approx(0.2)}
    assert found.cosine == pytest.approx((3 + 0.5) / 4)
    assert found.worst_cosine == pytest.approx(0.5)
    assert found.dissimilar == 0.25
    variance = np.var([0.5, -0.5, 0.1, 0.2])
    assert found.unexplained["valence"] == pytest.approx(2 * 0.25**2 / 4 / variance, rel=1e-5)
    assert "arousal" not in found.unexplained
    assert set(fidelity.differences(expected, received)) == {"expression", "valence", "embedding"}
    assert fidelity.differences(expected, received)["valence"] == 0.25


def test_a_head_that_should_be_nan_and_is_not_loses_all_variance():
    outputs = {"expression": np.eye(8)[:2], "valence": np.full(2, np.nan), "arousal": np.full(2, np.nan)}
    outputs["embedding"] = np.eye(2)
    labels = {"expression": np.eye(8)[:2], "valence": np.zeros(2), "arousal": np.zeros(2)}
    found = fidelity.compare(outputs, outputs | {"valence": np.zeros(2)}, labels)
    assert found.unexplained["valence"] == float("inf")
    assert found.ccc == {}


def test_eight_bits_meet_zero_and_both_ends():
    for low, high in [(-1.0, 1.0), (0.0, 6.0), (-0.2785, 12.0), (-3.0, 0.0)]:
        scale, zero = parameters(low, high)
        assert scale == pytest.approx((high - low) / 255)
        assert -128 <= zero <= 127
        assert (-128 - zero) * scale == pytest.approx(low, abs=scale / 2 + 1e-9)
        assert (127 - zero) * scale == pytest.approx(high, abs=scale / 2 + 1e-9)


def test_a_range_leaves_out_one_value_of_ten_thousand_at_each_end():
    values = np.append(np.linspace(-1, 1, 100_001), [40.0, 50.0, -60.0])
    low, high = choose_range(values)
    assert (low, high) == pytest.approx((-0.9998, 0.9998), abs=1e-4)


def test_a_range_holds_zero():
    assert choose_range(np.zeros(5)) == (0.0, 1.0)
    assert choose_range(np.array([2.0, 3.0]))[0] == 0
    assert choose_range(np.array([-3.0, -2.0]))[1] == 0


def test_weights_have_a_scale_for_each_channel():
    kernel = np.float32([[[[1.0, -0.5]]], [[[100.0, 50.0]]]])  # two output channels, as a convolution has them
    integers, scales = weights.quantise(kernel, axis=0)
    assert integers.dtype == np.int8
    np.testing.assert_allclose(scales, [1 / 127, 100 / 127], rtol=1e-6)
    assert integers.ravel().tolist() == [127, -64, 127, 64]


def test_calibration_faces_come_from_all_of_a_split(config):
    corpus = open_corpus(config.records, "synthetic")
    some = faces_of.read(config, None, "train", 50, 24)
    assert some.pictures.shape[1:] == (24, 24, 3)
    assert some.pictures.dtype == np.uint8
    assert 40 <= len(some.pictures) <= 50
    every = list(corpus.records("train").as_numpy_iterator())
    wanted = every[:: -(-len(every) // 50)]
    np.testing.assert_array_equal(some.labels["valence"], [record["valence"] for record in wanted])
    with pytest.raises(UsageError, match="has a split 'holiday'"):
        faces_of.read(config, None, "holiday", 50, 24)
