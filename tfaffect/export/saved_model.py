"""The command `tfaffect export saved-model`: a run as a TensorFlow SavedModel that does not need this project."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfaffect import cli
from tfaffect.config import load_run
from tfaffect.contract import MEMBER, Contract

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf
    from tensorflow.types.experimental import PolymorphicFunction

    from tfaffect.export.artefact import Measurements

SIGNATURES = {
    "serving_default": ("expression", "valence", "arousal", "embedding"),
    "classify": ("expression", "valence", "arousal"),
    "embed": ("embedding",),
}
"""Signature -> its outputs; each takes `image`, uint8 RGB (batch, size, size, 3)."""

ENCODED = "serve_encoded"
"""Signature with all outputs that takes `encoded`, the bytes of JPEG or PNG files, (batch,)."""


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> Measurements:
    """Write the SavedModel `out` with model.json inside; return the measurements.

    Raises UsageError for a run that cannot be read, and ExportError when a check of the artefact fails.
    """
    load_run(run)  # report a wrong path before seconds of imports
    from tfaffect.export import artefact

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        write(network, folder, contract)
        measured = artefact.measure(folder, load(folder), network, faces, "SavedModel", operators(folder))
        artefact.write_contract(contract, folder, folder, measured)
    return measured


def write(network: keras.Model, folder: Path, contract: Contract | None = None) -> None:
    """Write a predictor as SavedModel with the signatures of `SIGNATURES` and `ENCODED`, for any batch size.

    A given contract becomes the asset model.json. Its `weights_sha256` is empty there, because a model cannot contain
    its own hash. Keras's ExportArchive is not used: it stores every weight twice (55 MB).
    """
    import tensorflow as tf

    image = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="image")
    predict = tf.function(lambda image: network(image, training=False), input_signature=[image], autograph=False)
    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]  # tf.Module finds no Keras variables
    # `predict` is no attribute of the module: otherwise the TFLite converter finds one signature instead of three.
    signatures = {name: _select(predict, outputs) for name, outputs in SIGNATURES.items()}
    grey = contract is not None and contract.colour == "grey"
    signatures[ENCODED] = _from_encoded(predict, network.input_shape[1], grey)
    with tempfile.TemporaryDirectory() as name:
        if contract:
            text = Path(name, MEMBER)
            text.write_text(replace(contract, weights_sha256="").dumps())
            module.contract = tf.saved_model.Asset(str(text))
        tf.saved_model.save(module, str(folder), signatures)


def load(folder: Path, signature: str = "serving_default") -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return a signature of a SavedModel, called by TensorFlow without Keras: from pictures or files to outputs."""
    import tensorflow as tf

    run = tf.saved_model.load(str(folder)).signatures[signature]
    (name,) = run.structured_input_signature[1]
    return lambda batch: {key: values.numpy() for key, values in run(**{name: tf.constant(batch)}).items()}


def operators(folder: Path) -> tuple[str, ...]:
    """Return the names of the TensorFlow operators in a SavedModel, including those in its functions."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    library = graph.graph_def.library.function
    functions = {function.signature.name for function in library}
    nodes = [*graph.graph_def.node, *(node for function in library for node in function.node_def)]
    return tuple(sorted({node.op for node in nodes} - functions))


def _select(predict: PolymorphicFunction, outputs: tuple[str, ...]) -> Callable:
    """Return a function with some of the outputs; it shares the graph of `predict`."""
    import tensorflow as tf

    def call(image):
        values = predict(image)
        return {name: values[name] for name in outputs}

    return tf.function(call, input_signature=predict.input_signature, autograph=False)


def _from_encoded(predict: PolymorphicFunction, size: int, grey: bool) -> Callable:
    """Return `predict` for face crops of any size as bytes of JPEG or PNG files; the EXIF orientation is ignored.

    With `grey` the pictures are turned grey, as the contract of such a network says.
    """
    import tensorflow as tf

    def decode(encoded):
        square = _letterbox(tf.io.decode_image(encoded, channels=3, expand_animations=False), size)
        return _to_grey(square) if grey else square

    def call(encoded):
        picture = tf.TensorSpec((size, size, 3), tf.uint8)
        return predict(tf.map_fn(decode, encoded, fn_output_signature=picture))

    return tf.function(call, input_signature=[tf.TensorSpec((None,), tf.string, name="encoded")], autograph=False)


def _letterbox(picture: tf.Tensor, size: int) -> tf.Tensor:
    """Compute `media.faces.letterbox` in the graph; scaled pixels differ by at most one level."""
    import tensorflow as tf

    shape = tf.shape(picture)[:2]
    scale = size / tf.reduce_max(shape)
    scaled = tf.maximum(1, tf.cast(tf.cast(shape, tf.float64) * scale + 1e-6, tf.int32))
    small = tf.image.resize(picture, scaled, antialias=True)
    small = tf.cast(tf.clip_by_value(tf.round(small), 0, 255), tf.uint8)
    top, left = tf.unstack((size - scaled) // 2)
    return tf.ensure_shape(tf.image.pad_to_bounding_box(small, top, left, size, size), (size, size, 3))


def _to_grey(picture: tf.Tensor) -> tf.Tensor:
    """Compute `media.faces.to_grey` in the graph, with the whole numbers of OpenCV: the luma in units of 1 / 32768."""
    import tensorflow as tf

    luma = tf.reduce_sum(tf.cast(picture, tf.int32) * [9798, 19235, 3735], axis=-1, keepdims=True)
    return tf.cast(tf.repeat((luma + 16384) // 32768, 3, axis=-1), tf.uint8)


def main(
    run: cli.Run,
    out: cli.Out,
    records: cli.Records = None,
    overwrite: bool = False,
) -> None:
    """Export a run as a TensorFlow SavedModel (a folder with model.json).

    The signatures are serving_default, classify, embed and serve_encoded.

    Args:
        run: Run folder of `tfaffect train`.
        out: Folder of the SavedModel; model.json is inside.
        records: Folder of the prepared corpora, for the check.
        overwrite: Replace an earlier export in OUT.
    """
    print(export(run, out, records, overwrite).summary(out))


if __name__ == "__main__":
    cli.run(main)
