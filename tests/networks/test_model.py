import json
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.small_network import small_backbone
from tfaffect import contract as contracts
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.networks import efficientnet_b1
from tfaffect.networks import model as models

SMALL = Config(image_size=32, weights="none")
CONTRACT = Contract(input_size=32, trained=("expression",), corpora={"fer_plus": "1.0.0"})


@pytest.fixture(scope="module")
def b1():
    """The real EfficientNet-B1 at a small size, never traced."""
    return models.build(Config(image_size=32, weights="none"))


@pytest.fixture
def small():
    keras.utils.set_random_seed(0)
    return models.build(SMALL, small_backbone())


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_layer_groups_are_the_original_ones(b1, oracles):
    reference = json.loads((oracles / "layer_groups.json").read_text())
    groups = models.layer_groups(b1)
    sizes = [
        sum(int(np.prod(w.shape)) for layer in group for w in layer.trainable_weights) for group in groups.values()
    ]
    assert sizes == [reference["params"][name] for name in reference["groups"]]


@pytest.mark.parametrize("kind", ["b1", "small"])
def test_every_weight_is_in_exactly_one_group(kind, request):
    model = request.getfixturevalue(kind)
    grouped = [
        id(weight) for group in models.layer_groups(model).values() for layer in group for weight in layer.weights
    ]
    seeds = {id(weight) for weight in model.weights if "seed" in weight.path}
    assert len(grouped) == len(set(grouped))
    assert set(grouped) | seeds == {id(weight) for weight in model.weights} | seeds
    assert tuple(models.layer_groups(model)) == models.GROUPS


@pytest.mark.parametrize(
    ("name", "blocks", "maps", "millions"),
    [("micro", 2, (None, 12, 12, 64), 0.19), ("small", 3, (None, 6, 6, 128), 1.08)],
)
def test_the_residual_networks_are_what_their_docstrings_say(name, blocks, maps, millions):
    network = models.build(Config(architecture=name, image_size=48, weights="none"))
    weights = {group: layers for group, layers in models.layer_groups(network).items() if layers}
    maps_of = [f"block{number + 1}" for number in range(blocks)]
    assert list(weights) == ["stem", *maps_of, "embedding", "batchnorm", "expression", "affect"]
    assert network.get_layer("avg_pool").input.shape == maps
    assert round(network.count_params() / 1e6, 2) == millions
    assert max(float(np.abs(network.get_layer("rescaling")(np.uint8([0, 255]))).max()), 0) == 1.0


@pytest.mark.parametrize("name", ["micro", "small"])
@pytest.mark.parametrize("side", [33, 50])
def test_they_take_sides_that_do_not_halve(name, side):
    network = models.build(Config(architecture=name, image_size=side, weights="none"))
    outputs = network(np.zeros((2, side, side, 3), np.uint8))
    assert outputs["expression"].shape == (2, 8)


def test_micro_starts_from_a_run_of_its_own_kind_only(tmp_path, b1):
    config = Config(architecture="micro", image_size=32, weights="none")
    models.save(models.build(config), CONTRACT, tmp_path / "micro.keras")
    models.save(b1, CONTRACT, tmp_path / "b1.keras")
    first, second = (
        models.load(tmp_path / "micro.keras")[0],
        models.make_backbone(replace(config, weights=str(tmp_path / "micro.keras"))),
    )
    kernels = [network.get_layer("block2b_second_conv").get_weights()[0] for network in (first, second)]
    assert np.array_equal(*kernels)
    with pytest.raises(UsageError, match="does not fit micro at layer"):
        models.make_backbone(replace(config, weights=str(tmp_path / "b1.keras")))
    with pytest.raises(UsageError, match=r"starts from none, or from a run\. Received: --weights imagenet"):
        models.make_backbone(replace(config, weights="imagenet"))
    assert models.resolve_weights(replace(config, weights="auto")) == ("none", [])


def test_a_weight_without_a_group_is_an_error():
    picture = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(picture)
    backbone = keras.Model(picture, keras.layers.Conv2D(4, 3, name="extra_conv")(x))
    with pytest.raises(ValueError, match="Received: layer=extra_conv"):
        models.layer_groups(models.build(SMALL, backbone))


def test_pictures_are_normalised_by_imagenets_mean_and_deviation(b1):
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = 0, 128, 255
    first = next(layer for layer in b1.layers if layer.name.startswith("stem"))
    normalised = keras.Model(b1.inputs[0], first.input)(picture)
    by_hand = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(normalised[0, 5, 5], by_hand, rtol=1e-5)


def test_preprocessing_is_the_same_after_saving(b1, tmp_path, faces):
    models.save(b1, CONTRACT, tmp_path / "model.keras")
    again, _ = models.load(tmp_path / "model.keras")
    stem = [keras.Model(m.inputs[0], m.get_layer("stem_conv").output)(faces) for m in (b1, again)]
    np.testing.assert_allclose(*stem, rtol=1e-6)
    assert float(np.std(stem[0])) > 0.01


def normalisation(model):
    (layer,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    return layer


def test_residual_blocks_of_random_weights_start_as_the_identity(b1, faces):
    sums = [layer for layer in b1.layers if layer.name.endswith("_add")]
    assert len(sums) == 16  # 23 blocks, less the first of each of the seven stages
    picture = b1.inputs[0]
    for layer in (sums[0], sums[-1]):
        branch, before, after = map(np.asarray, keras.Model(picture, [*layer.input, layer.output])(faces))
        assert not branch.any()
        assert before.any()
        assert np.array_equal(after, before)


def test_weights_of_a_file_replace_all_but_the_normalisation(b1, tmp_path):
    keras.utils.set_random_seed(3)
    donor = keras.applications.EfficientNetB1(include_top=False, weights=None, input_shape=(32, 32, 3))
    normalisation(donor).set_weights([np.full(3, 9.0), np.full(3, 9.0), np.array(1)])
    donor.save_weights(tmp_path / "notop.weights.h5")
    backbone = models.make_backbone(replace(SMALL, weights=str(tmp_path / "notop.weights.h5")))
    for name in ("stem_conv", "block7b_project_bn", "top_conv"):
        for weight, expected in zip(
            backbone.get_layer(name).get_weights(), donor.get_layer(name).get_weights(), strict=True
        ):
            assert np.array_equal(weight, expected)
    np.testing.assert_allclose(normalisation(backbone).get_weights()[0], efficientnet_b1.IMAGENET_MEAN)


def test_weights_of_an_earlier_run_are_taken_too(b1, tmp_path):
    models.save(b1, CONTRACT, tmp_path / "model.keras")
    backbone = models.make_backbone(Config(image_size=48, weights=str(tmp_path)))
    assert np.array_equal(backbone.get_layer("top_conv").get_weights()[0], b1.get_layer("top_conv").get_weights()[0])


@pytest.mark.parametrize("given", ["nowhere.h5", "imagnet"])
def test_weights_that_are_not_there_are_refused(given):
    with pytest.raises(UsageError, match=f"Received: '{given}'"):
        models.make_backbone(replace(SMALL, weights=given))


def test_a_file_of_other_weights_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(UsageError, match="does not hold the weights of EfficientNet-B1"):
        models.make_backbone(replace(SMALL, weights=str(tmp_path / "other.weights.h5")))


def test_imagenet_weights_that_cannot_be_had_say_what_to_do(monkeypatch):
    build = keras.applications.EfficientNetB1

    def offline(weights, **arguments):
        if weights == "imagenet":
            raise Exception("URL fetch failure")
        return build(weights=weights, **arguments)

    monkeypatch.setattr(keras.applications, "EfficientNetB1", offline)
    with pytest.raises(UsageError, match=r"--weights PATH, .*, or train from scratch with --weights none"):
        models.make_backbone(replace(SMALL, weights="imagenet"))
    assert models.resolve_weights(replace(SMALL, weights="auto"))[0] == "lite1"
    assert models.resolve_weights(replace(SMALL, weights="imagenet")) == ("imagenet", [])


def test_stochastic_depth_and_momentum_reach_every_block():
    backbone = models.make_backbone(replace(SMALL, stochastic_depth=0.1, batchnorm_momentum=0.9))
    rates = [layer.rate for layer in backbone.layers if isinstance(layer, keras.layers.Dropout)]
    # 16 of B1's 23 blocks have a residual; the rate grows by 0.1 / 23 a block and block 0 has none
    assert len(rates) == 16
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.1 * 22 / 23)
    norms = {layer.momentum for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert norms == {0.9}


def test_affect_is_bounded_unless_linear(faces):
    for kind, bounded in [("bounded", True), ("linear", False)]:
        model = models.build(replace(SMALL, affect_range=kind), small_backbone())
        kernel, bias = model.get_layer("affect").get_weights()
        model.get_layer("affect").set_weights([kernel, np.add(bias, [5.0, -5.0])])
        outputs = model(faces)
        assert outputs["valence"].shape == (3,)
        assert bool((np.abs(outputs["valence"]) <= 1).all()) is bounded
        assert (np.asarray(outputs["valence"]) > 0.9).all()
        assert (np.asarray(outputs["arousal"]) < -0.9).all()


def test_users_get_probabilities_and_nan_for_heads_that_learned_nothing(small, faces):
    outputs = {name: np.asarray(values) for name, values in models.predictor(small, CONTRACT)(faces).items()}
    assert set(outputs) == {"expression", "valence", "arousal", "embedding"}
    np.testing.assert_allclose(outputs["expression"].sum(axis=1), 1, rtol=1e-6)
    assert np.isnan(outputs["valence"]).all()
    assert np.isnan(outputs["arousal"]).all()
    assert outputs["embedding"].shape == (3, 256)
    assert np.abs(outputs["embedding"]).max() <= 1
    trained = replace(CONTRACT, trained=("valence", "arousal"))
    outputs = models.predictor(small, trained)(faces)
    assert np.isnan(outputs["expression"]).all()
    assert np.isfinite(outputs["valence"]).all()


def test_a_saved_model_comes_back_with_its_contract(small, faces, tmp_path):
    models.save(small, CONTRACT, tmp_path / "model.keras")
    again, contract = models.load(tmp_path)
    np.testing.assert_array_equal(again(faces)["expression"], small(faces)["expression"])
    assert replace(contract, weights_sha256="") == CONTRACT
    assert len(contract.weights_sha256) == 64
    keras.saving.load_model(tmp_path / "model.keras")  # plain Keras reads it, without this project's classes


def rewrite(path, change):
    """Copy a `.keras` archive with its contract changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    values = json.loads(members[contracts.MEMBER])
    change(values)
    members[contracts.MEMBER] = json.dumps(values).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["classes"].reverse(), "other classes or heads"),
        (lambda v: v.update(weights_sha256="0" * 64), "its contract do not match"),
        (lambda v: v.update(input_size=48), "its contract says 48"),
        (lambda v: v.update(format_version=2), "format_version 2"),
        (lambda v: v.pop("trained"), "no usable model.json"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(small, tmp_path, change, message):
    models.save(small, CONTRACT, tmp_path / "model.keras")
    rewrite(tmp_path / "model.keras", change)
    with pytest.raises(UsageError, match=message):
        models.load(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_a_file_that_is_no_model_of_ours_is_refused(small, tmp_path, damage):
    path = tmp_path / "model.keras"
    models.save(small, CONTRACT, path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        small.save(path)
    with pytest.raises(UsageError, match=str(tmp_path)):
        models.load(path)
