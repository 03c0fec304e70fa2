from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.small_network import small_backbone
from tfaffect.config import Config
from tfaffect.networks import model as models
from tfaffect.networks import precision
from tfaffect.training.training import train


def test_maps_are_of_half_the_bytes_and_what_comes_out_is_not():
    model = models.build(Config(image_size=32), small_backbone())
    precision.set_precision(model, "bfloat16")
    names = ("stem_conv", "top_conv", "activation")
    maps = keras.Model(model.inputs[0], [model.get_layer(name).output for name in names])
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    dtypes = [keras.backend.standardize_dtype(output.dtype) for output in maps(pictures)]
    assert dtypes == ["bfloat16", "bfloat16", "float32"]
    assert {keras.backend.standardize_dtype(output.dtype) for output in model(pictures).values()} == {"float32"}
    assert {weight.dtype for weight in model.weights if "seed" not in weight.path} == {"float32"}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("flags\t\t: fpu avx512f avx512_vnni\nbugs\t\t: spectre_v1\n", True),
        ("flags\t\t: fpu avx512f avx512_bf16 amx_tile amx_bf16\n", False),
        ("flags\t\t: fpu avx512f avx512_bf16\n", False),
        ("Features\t: fp asimd i8mm\n", False),  # ARM: not measured
    ],
)
def test_a_processor_without_bfloat16_gets_a_note(lines, told, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{lines}")
    found = precision.note("bfloat16", tmp_path / "cpuinfo")
    assert bool(found) == told
    assert not told or "2.7 times as slow as with --precision float32" in found
    assert precision.note("float32", tmp_path / "cpuinfo") is None
    assert precision.note("bfloat16", tmp_path / "no such file") is None
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    assert precision.note("bfloat16", tmp_path / "cpuinfo") is None


@pytest.mark.slow
def test_a_run_in_bfloat16_learns_and_keeps_a_float32_network(brief, tmp_path):
    config = replace(brief, epochs=2, learning_rate=1e-3)  # at 5e-3 rounding moves the loss by 7 % on some processors
    whole = train(config, tmp_path / "whole", small_backbone)
    half = train(replace(config, precision="bfloat16"), tmp_path / "half", small_backbone)
    difference = np.abs(whole["loss"] - half["loss"])
    assert (difference > 0).all()
    np.testing.assert_allclose(whole["loss"], half["loss"], rtol=0.05)
    kept, _ = models.load(tmp_path / "half")
    assert {layer.dtype_policy.name for layer in kept.layers} == {"float32"}
