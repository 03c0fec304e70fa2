"""A run to a TensorFlow SavedModel that needs nothing of this project."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from tfaffect import cli
from tfaffect import contract as contracts
from tfaffect.contract import MEMBER, Contract

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tfaffect.export.artefact import Measured

SIGNATURES = {
    "serving_default": ("expression", "valence", "arousal", "embedding"),
    "classify": ("expression", "valence", "arousal"),
    "embed": ("embedding",),
}
"""Signature -> the outputs it gives; each takes `image`, uint8 RGB (batch, size, size, 3)."""

ENCODED = "serve_encoded"
"""Signature that gives all outputs and takes `encoded`, the bytes of JPEG or PNG files, (batch,)."""

# Keras and TensorFlow are imported where they are used: --help answers within half a second.


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> Measured:
    """Write the SavedModel `out` with model.json inside; return what was measured of it.

    Raises UsageError for a run that cannot be read, and ExportError when the artefact disagrees with it.
    """
    contracts.read(run)  # what is no run is said before seconds of imports
    from tfaffect.export import artefact

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        write(network, folder, contract)
        measured = artefact.measure(folder, load(folder), network, faces, "SavedModel", operators(folder))
        artefact.write_contract(contract, folder, folder, measured)
    return measured


def write(network: keras.Model, folder: Path, contract: Contract | None = None) -> None:
    """Write a predictor as SavedModel with the signatures of `SIGNATURES` and `ENCODED`, any batch size.

    The contract, when given, becomes the asset model.json; its `weights_sha256` is empty there, for no file can hold
    its own hash. By `tf.saved_model.save` and not by Keras's ExportArchive, which stores every weight twice (55 MB).
    """
    import tensorflow as tf

    image = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="image")
    whole = tf.function(lambda image: network(image, training=False), input_signature=[image], autograph=False)
    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]  # a module does not find those of Keras
    # Signatures only: were `whole` an attribute too, the TFLite converter would find one signature instead of three.
    signatures = {name: _part(whole, outputs) for name, outputs in SIGNATURES.items()}
    signatures[ENCODED] = _from_encoded(whole, network.input_shape[1])
    with tempfile.TemporaryDirectory() as name:
        if contract:
            text = Path(name, MEMBER)
            text.write_text(replace(contract, weights_sha256="").dumps())
            module.contract = tf.saved_model.Asset(str(text))
        tf.saved_model.save(module, str(folder), signatures)


def load(folder: Path, signature: str = "serving_default") -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return one signature of a SavedModel in plain TensorFlow; it takes pictures, or encoded ones."""
    import tensorflow as tf

    run = tf.saved_model.load(str(folder)).signatures[signature]
    (name,) = run.structured_input_signature[1]
    return lambda given: {key: values.numpy() for key, values in run(**{name: tf.constant(given)}).items()}


def operators(folder: Path) -> tuple[str, ...]:
    """Return the names of the TensorFlow operators in a SavedModel, those of its functions too."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    library = graph.graph_def.library.function
    functions = {function.signature.name for function in library}
    nodes = [*graph.graph_def.node, *(node for function in library for node in function.node_def)]
    return tuple(sorted({node.op for node in nodes} - functions))


def _part(whole: tf.types.experimental.PolymorphicFunction, outputs: tuple[str, ...]):
    """A function of some outputs; the graph below is shared."""
    import tensorflow as tf

    def call(image):
        given = whole(image)
        return {name: given[name] for name in outputs}

    return tf.function(call, input_signature=whole.input_signature, autograph=False)


def _from_encoded(whole: tf.types.experimental.PolymorphicFunction, size: int):
    """The same for face crops as the bytes of JPEG or PNG files, of any size; an orientation in EXIF is ignored."""
    import tensorflow as tf

    def decode(encoded):
        return _letterbox(tf.io.decode_image(encoded, channels=3, expand_animations=False), size)

    def call(encoded):
        picture = tf.TensorSpec((size, size, 3), tf.uint8)
        return whole(tf.map_fn(decode, encoded, fn_output_signature=picture))

    return tf.function(call, input_signature=[tf.TensorSpec((None,), tf.string, name="encoded")], autograph=False)


def _letterbox(picture: tf.Tensor, size: int) -> tf.Tensor:
    """`media.faces.letterbox` in the graph; where it scales, pixels differ by one level at most."""
    import tensorflow as tf

    shape = tf.shape(picture)[:2]
    scale = size / tf.reduce_max(shape)
    scaled = tf.maximum(1, tf.cast(tf.cast(shape, tf.float64) * scale + 1e-6, tf.int32))
    small = tf.image.resize(picture, scaled, antialias=True)
    small = tf.cast(tf.clip_by_value(tf.round(small), 0, 255), tf.uint8)
    top, left = tf.unstack((size - scaled) // 2)
    return tf.ensure_shape(tf.image.pad_to_bounding_box(small, top, left, size, size), (size, size, 3))


def main(
    run: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    records: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a run as SavedModel with the signatures serving_default, classify and embed.

    Args:
        run: Run folder that train.py left.
        out: Folder of the SavedModel; model.json lies in it.
        records: Folder of the prepared corpora, for the check; the run's own when not named.
        overwrite: Replace what is there.
    """
    print(export(run, out, records, overwrite).summary(out))


if __name__ == "__main__":
    cli.run(main)
