import lzma
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks.test_torch_pickle import mapping, ordered, write_state, write_zip
from tfaffect import config as configs
from tfaffect import torch_weights
from tfaffect.errors import UsageError
from tfaffect.labels import HEADS
from tfaffect.networks import model as models
from tfaffect.networks.pytorch import layers as torch_layers

CONFIG = configs.Config(weights="none", affect_range="linear")


@pytest.fixture(scope="module")
def checkpoint(oracles, tmp_path_factory):
    """The authors' checkpoint, as PyTorch wrote it."""
    path = tmp_path_factory.mktemp("published") / "best.pth"
    path.write_bytes(lzma.decompress((oracles / "upstream_state_dict.pth.xz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def forward(oracles):
    """Four letterboxed pictures and what the original gives for them."""
    with np.load(oracles / "forward.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def run(checkpoint, tmp_path_factory):
    """The run folder that the command leaves."""
    folder = tmp_path_factory.mktemp("runs") / "imported"
    torch_weights.main(checkpoint, folder)
    return folder


@pytest.fixture(scope="module")
def loaded(run):
    """Network and contract, as every later step gets them from disk."""
    return models.load(run)


@pytest.fixture(scope="module")
def torchvision(checkpoint, tmp_path_factory):
    """A file as torchvision publishes it: the backbone under its own names, and ImageNet's classifier."""
    state = torch_layers.state_dict(checkpoint)
    backbone = {key.removeprefix("model."): state[key] for key in state if key.startswith("model.features.")}
    classifier = {"classifier.1.weight": np.zeros((1000, 1280)), "classifier.1.bias": np.zeros(1000)}
    return write_state(tmp_path_factory.mktemp("published") / "efficientnet_b1.pth", backbone | classifier)


def assert_same_outputs(model, forward):
    names = {"features_mean": "avg_pool", "embedding": "activation"}
    probes = {name: model.get_layer(layer).output for name, layer in names.items()}
    outputs = keras.Model(model.inputs[0], {**model.output, **probes})(forward["images"], training=False)
    expected = {name: forward[name] for name in names} | {"expression": forward["logits"]}
    expected |= dict(zip(("arousal", "valence"), forward["arousal_valence"].T, strict=True))
    for name, values in expected.items():
        assert np.std(values, axis=0).max() > 0.05, "the network must have something to say"
        np.testing.assert_allclose(outputs[name], values, atol=1e-3)


def test_the_imported_network_gives_what_the_original_gives(checkpoint, forward):
    assert_same_outputs(torch_weights.network(checkpoint, CONFIG), forward)


def test_the_run_on_disk_gives_what_the_original_gives(loaded, forward):
    model, _ = loaded
    assert_same_outputs(model, forward)
    norms = [layer.epsilon for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert norms == [1e-5] * 70  # 69 of the backbone
    pads = [layer.padding for layer in model.layers if isinstance(layer, layers.ZeroPadding2D)]
    assert pads == [((k, k), (k, k)) for k in (1, 1, 2, 1, 2)]  # kernels of 3, 3, 5, 3 and 5


def test_the_run_promises_what_it_is(run, loaded, checkpoint):
    assert {path.name for path in run.iterdir()} == {"config.json", "model.keras"}
    _, contract = loaded
    assert contract.input_size == 240
    assert contract.trained == HEADS
    assert contract.affect_range is None
    assert contract.corpora == {}
    assert contract.licence.startswith("From best.pth, SHA-256 ")
    config = configs.load(run / "config.json")
    assert config.affect_range == "linear"
    assert config.weights == str(checkpoint)


def test_users_get_probabilities_and_unbounded_affect(loaded, forward):
    model, contract = loaded
    outputs = models.predictor(model, contract)(forward["images"][:1], training=False)
    np.testing.assert_allclose(np.sum(outputs["expression"]), 1, rtol=1e-5)
    assert np.isfinite(outputs["valence"]).all()
    assert model.get_layer("affect").get_config()["activation"] == "linear"


def test_torchvisions_file_loads_as_backbone(torchvision, forward):
    backbone = models.make_backbone(CONFIG)
    torch_layers.backbone_weights(torchvision, backbone)
    features = keras.Model(backbone.inputs[0], backbone.output)(forward["images"], training=False)
    np.testing.assert_allclose(np.mean(features, axis=(1, 2)), forward["features_mean"], atol=1e-3)


def test_the_originals_file_loads_as_backbone_of_another_size(checkpoint, loaded):
    backbone = models.make_backbone(replace(CONFIG, image_size=33))
    torch_layers.backbone_weights(checkpoint, backbone)
    names = torch_layers.weighted_layers(backbone)
    assert len(names) == 184
    for name in names:
        pair = (model.get_layer(name).get_weights() for model in (backbone, loaded[0]))
        assert all(np.array_equal(*weights) for weights in zip(*pair, strict=True))
    assert backbone.get_layer("stem_conv_pad").padding == ((1, 1), (1, 1))  # of an odd size it was so before


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("stem_conv", "features.0.0"),
        ("stem_bn", "features.0.1"),
        ("block1a_dwconv", "features.1.0.block.0.0"),
        ("block1b_bn", "features.1.1.block.0.1"),
        ("block1a_se_reduce", "features.1.0.block.1.fc1"),
        ("block1a_project_bn", "features.1.0.block.2.1"),
        ("block2b_expand_bn", "features.2.1.block.0.1"),
        ("block5d_dwconv", "features.5.3.block.1.0"),
        ("block6e_se_expand", "features.6.4.block.2.fc2"),
        ("block7b_project_conv", "features.7.1.block.3.0"),
        ("top_conv", "features.8.0"),
        ("top_bn", "features.8.1"),
    ],
)
def test_layers_have_the_names_of_torchvision(ours, theirs):
    assert torch_layers.torch_name(ours) == theirs


def tiny():
    """A backbone with one layer of every kind."""
    picture = keras.Input((8, 8, 2), name="image")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="stem_conv_pad")(picture)
    x = layers.Conv2D(3, (3, 1), 2, use_bias=False, name="stem_conv")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.DepthwiseConv2D((2, 1), use_bias=False, name="block1a_dwconv")(x)
    return keras.Model(picture, layers.Conv2D(4, 1, name="block1a_se_reduce")(x))


SHAPES = {
    "features.0.0.weight": (3, 2, 3, 1),
    **{f"features.0.1.{name}": (3,) for name in ("weight", "bias", "running_mean", "running_var")},
    "features.1.0.block.0.0.weight": (3, 1, 2, 1),
    "features.1.0.block.1.fc1.weight": (4, 3, 1, 1),
    "features.1.0.block.1.fc1.bias": (4,),
}


@pytest.fixture
def state():
    values = {key: np.random.default_rng(len(key)).random(shape) for key, shape in SHAPES.items()}
    return values | {"features.0.1.num_batches_tracked": np.array(3)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_axis_goes_to_its_place(state, path, dtype):
    backbone = tiny()
    state = {key: values.astype(dtype) if values.ndim else values for key, values in state.items()}
    torch_layers.backbone_weights(write_state(path, state), backbone)
    state = {key: values.astype("float32") for key, values in state.items()}
    conv, depthwise = (backbone.get_layer(name).get_weights()[0] for name in ("stem_conv", "block1a_dwconv"))
    assert conv[2, 0, 1, 0] == state["features.0.0.weight"][0, 1, 2, 0]  # height, width, in, out
    assert depthwise[1, 0, 2, 0] == state["features.1.0.block.0.0.weight"][2, 0, 1, 0]  # height, width, channel
    norm = [state[f"features.0.1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
    np.testing.assert_array_equal(backbone.get_layer("stem_bn").get_weights(), norm)
    assert backbone.get_layer("stem_bn").epsilon == 1e-5


def fail_to_load(path, state):
    backbone = tiny()
    before = backbone.get_weights()
    with pytest.raises(UsageError) as refusal:
        torch_layers.backbone_weights(write_state(path, state), backbone)
    assert all(np.array_equal(*pair) for pair in zip(before, backbone.get_weights(), strict=True))
    assert backbone.get_layer("stem_bn").epsilon == 1e-3
    return str(refusal.value)


def test_missing_and_unknown_keys_are_named(state, path):
    state["features.0.1.gamma"] = state.pop("features.0.1.weight")
    state["features.9.num_batches_tracked"] = np.array(3)
    message = fail_to_load(path, state)
    assert "missing: features.0.1.weight; unknown: features.0.1.gamma, features.9.num_batches_tracked." in message
    assert str(path) in message


def test_many_wrong_keys_are_counted(state, path):
    message = fail_to_load(path, {f"other.{number}": np.zeros(1) for number in range(12)})
    assert "features.0.1.running_var and 3 more; unknown: other.0, other.1, other.2, other.3, other.4 and 7" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.transpose(1, 0, 2, 3), "features.0.0.weight (2, 3, 3, 1) instead of (3, 2, 3, 1)"),
        (lambda values: values[0], "features.0.0.weight (2, 3, 1) instead of (3, 2, 3, 1)"),
        (lambda values: values.astype(int), "features.0.0.weight is no tensor of floats"),
        (lambda values: values * np.nan, "features.0.0.weight is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(state, path, change, message):
    state["features.0.0.weight"] = change(state["features.0.0.weight"])
    assert f"not fitting: {message}" in fail_to_load(path, state)


def test_batches_that_batchnorm_counted_are_not_needed(state, path):
    del state["features.0.1.num_batches_tracked"]  # PyTorch before 0.4.1
    torch_layers.backbone_weights(write_state(path, state), tiny())


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
def test_state_dicts_are_found_inside_what_training_scripts_save(state, path, wrapper, prefix):
    def wrap(body):
        return mapping({"epoch": b"K\7", wrapper: ordered(body)}) if wrapper else ordered(body)

    write_state(path, {prefix + key: values for key, values in state.items()}, wrap)
    assert set(torch_layers.state_dict(path)) == set(state)


def test_a_dict_without_names_is_no_state_dict(path):
    write_zip(path, b"}K\1K\2s")
    with pytest.raises(UsageError, match="its keys are not all names"):
        torch_layers.state_dict(path)


def test_imagenets_weights_are_no_run(torchvision, tmp_path):
    with pytest.raises(UsageError, match=r"has no heads for affect.*tfaffect train --weights"):
        torch_weights.import_checkpoint(torchvision, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_without_a_head_leaves_no_run(checkpoint, path, tmp_path):
    state = torch_layers.state_dict(checkpoint)
    state["regresion.bias"] = state.pop("regression.bias")
    with pytest.raises(UsageError, match=r"missing: regression\.bias; unknown: regresion\.bias"):
        torch_weights.import_checkpoint(write_state(path, state), tmp_path / "run")
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pth"]


def test_an_earlier_run_is_never_written_over(checkpoint, tmp_path):
    (tmp_path / "config.json").write_text("mine")
    for folder in (tmp_path, tmp_path / "config.json"):
        with pytest.raises(UsageError, match="is not empty"):
            torch_weights.import_checkpoint(checkpoint, folder)
    assert (tmp_path / "config.json").read_text() == "mine"
