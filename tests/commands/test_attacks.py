"""Attacks by a `.keras` file, a contract or a config: each is refused with a message, and nothing is run or read."""

import json
import re
import shutil
import sys
import zipfile
from contextlib import suppress

import h5py
import keras
import numpy as np
import pytest

from tests.small_network import small_backbone
from tfaffect import config as configs
from tfaffect import contract
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import archive
from tfaffect.networks import model


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A whole model of this project."""
    path = tmp_path_factory.mktemp("honest") / "model.keras"
    network = model.build(Config(image_size=32, weights="none"), small_backbone())
    model.save(network, Contract(input_size=32, trained=("expression",), corpora={}), path)
    return path


@pytest.fixture
def path(honest, tmp_path):
    """A copy of it, to be attacked."""
    return shutil.copy(honest, tmp_path / "model.keras")


@pytest.fixture
def witness(tmp_path, monkeypatch):
    """A module that leaves a file when it is imported, and another when its class is made."""
    marks = f"imported, made = Path({str(tmp_path / 'imported')!r}), Path({str(tmp_path / 'made')!r})"
    lines = ["from pathlib import Path", marks, "imported.touch()", "class Evil:"]
    lines += [
        "    __init__ = lambda *args, **kwargs: made.touch()",
        "    from_config = classmethod(lambda cls, _: cls())",
    ]
    (tmp_path / "evil.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda: {name for name in ("imported", "made") if (tmp_path / name).exists()}
    sys.modules.pop("evil", None)


def members(path):
    with zipfile.ZipFile(path) as whole:
        return {name: whole.read(name) for name in whole.namelist()}


def pack(path, contents):
    with zipfile.ZipFile(path, "w") as whole:
        for name, content in contents.items():
            whole.writestr(name, content)


def change(path, alter):
    """Change config.json of a `.keras` archive."""
    contents = members(path)
    config = json.loads(contents["config.json"])
    alter(config)
    pack(path, contents | {"config.json": json.dumps(config)})


def last_layer(config):
    return config["config"]["layers"][-1]


def put_lambda(config):
    made = keras.saving.serialize_keras_object(keras.layers.Lambda(lambda x: x))
    last_layer(config).update(class_name="Lambda", module="keras.layers", config=made["config"])


def put_foreign_layer(config):
    last_layer(config).update(class_name="Evil", module="evil", registered_name="x")


def put_foreign_model(config):
    config.update(class_name="Evil", module="evil", registered_name="x>Evil")


def put_foreign_function(config):
    made = {"module": "evil", "class_name": "function", "config": "Evil", "registered_name": "Evil"}
    last_layer(config)["config"]["activation"] = made


def put_saved_model(config):
    made = {"name": "x", "filepath": "/nowhere", "call_endpoint": "serve", "call_training_endpoint": None}
    last_layer(config).update(class_name="TFSMLayer", module="keras.layers", config={**made, "trainable": True})


def put_file_of_words(config):
    made = {"name": "x", "vocabulary": "/etc/passwd", "trainable": True, "dtype": "string"}
    last_layer(config).update(class_name="StringLookup", module="keras.layers", config=made)


@pytest.mark.parametrize(
    "attack",
    [put_lambda, put_foreign_layer, put_foreign_model, put_foreign_function, put_saved_model, put_file_of_words],
)
def test_a_model_that_would_run_or_read_what_it_brings_is_refused(path, attack, witness):
    change(path, attack)
    with pytest.raises(UsageError, match=re.escape(str(path))):
        model.load(path)
    assert not witness()


def test_a_compile_config_is_never_looked_at(path, witness):
    change(path, lambda config: config.update(compile_config={"module": "evil", "class_name": "Evil", "config": {}}))
    model.load(path)
    assert not witness()


def test_the_witness_does_tell(witness):
    import evil

    evil.Evil()
    assert witness() == {"imported", "made"}


@pytest.mark.parametrize("name", ["units", "filters"])
def test_a_network_of_absurd_width_is_refused_before_it_is_built(path, name):
    change(path, lambda config: last_layer(config)["config"].update({name: 2**40}))
    with pytest.raises(UsageError, match=rf"{name}=1,099,511,627,776\. Expected at most 8,192"):
        model.load(path)


def test_a_network_of_absurd_depth_is_refused_before_it_is_built(path):
    change(path, lambda config: config["config"].update(layers=[last_layer(config)] * 2001))
    with pytest.raises(UsageError, match=r"2,001 layers\. Expected at most 2,000"):
        model.load(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(path, monkeypatch):
    contents = members(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in contents.items():
            whole.writestr(name, content)
        whole.writestr("assets/bomb", bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    with pytest.raises(UsageError, match=r"unpacks to .* Expected at most 1,048,576"):
        model.load(path)


@pytest.mark.parametrize("member", ["config.json", "model.json"])
def test_a_tree_without_end_is_refused(path, member):
    pack(path, members(path) | {member: '{"a":' * 50_000 + "1" + "}" * 50_000})
    with pytest.raises(UsageError, match=re.escape(str(path))):
        model.load(path)


def test_a_member_outside_the_archive_is_written_nowhere(path, tmp_path):
    pack(path, members(path) | {"../outside": b"x", "/outside": b"x", "assets/../../outside": b"x"})
    with suppress(UsageError):
        model.load(path)
    assert not [*tmp_path.parent.rglob("outside")]


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras looks again where a weight failed
def test_weights_that_lie_in_another_file_are_not_read(path, tmp_path):
    weights = tmp_path / "model.weights.h5"
    weights.write_bytes(members(path)["model.weights.h5"])
    with h5py.File(weights, "a") as file:
        names = []
        file.visit(names.append)
        name = next(name for name in names if "/vars/" in name)
        shape = file[name].shape
        secret = np.full(shape, 42, np.float32).tobytes()
        (tmp_path / "secret").write_bytes(secret)
        del file[name]
        file.create_dataset(name, shape, np.float32, external=[(str(tmp_path / "secret"), 0, len(secret))])
    pack(path, members(path) | {"model.weights.h5": weights.read_bytes()})
    known = contract.archive_sha256(path)
    text = json.loads(members(path)["model.json"]) | {"weights_sha256": known}
    pack(path, members(path) | {"model.json": json.dumps(text)})
    with pytest.raises(UsageError, match="external"):
        model.load(path)


DEEP = {"json": "[" * 100_000, "toml": "a = " + "[" * 100_000}


@pytest.mark.parametrize("kind", sorted(DEEP))
def test_a_config_without_end_is_refused(tmp_path, kind):
    path = tmp_path / f"config.{kind}"
    path.write_text(DEEP[kind])
    with pytest.raises(UsageError, match=re.escape(str(path))):
        configs.load(path)


def test_a_contract_without_end_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no usable model\.json"):
        contract.loads("[" * 100_000, tmp_path)
