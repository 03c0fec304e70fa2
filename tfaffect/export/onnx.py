"""A run to one ONNX file of standard operators, for ONNX Runtime and whatever else reads the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    from onnx import GraphProto, NodeProto

    from tfaffect.export.artefact import Measured

FILE = "model.onnx"

OPSET = 17
"""Version of the standard operators: the highest at which tf2onnx 1.17 writes global pooling as GlobalAveragePool. At
18, its last, B1's 24 become ReduceMean between transpositions. ONNX Runtime reads 17 since its 1.12 of 2022."""

# Keras, TensorFlow, ONNX and its runtime are imported where they are used: --help answers within half a second.


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> Measured:
    """Write `out/model.onnx` with model.json beside it; return what was measured of it.

    Raises UsageError for a run that cannot be read, and ExportError when the file disagrees with the network or is not
    standard ONNX.
    """
    contracts.read(run)  # what is no run is said before seconds of imports
    from tfaffect.export import artefact

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        path = folder / FILE
        path.write_bytes(convert(network, contract))
        check_standard(path)
        measured = artefact.measure(path, load(path), network, faces, f"ONNX opset {OPSET}", operators(path))
        artefact.write_contract(contract, path, folder, measured)
    return measured


def convert(network: keras.Model, contract: Contract) -> bytes:
    """Convert a predictor to float32 ONNX, any batch size, the contract in its metadata under the key `model.json`.

    The contract inside has an empty `weights_sha256`: no file can hold its own hash. By `from_keras` and not by
    `keras.Model.export`: tf2onnx's `from_function`, which that calls, makes required inputs of the mean and variance of
    B1's normalisation.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx.convert

    image = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="image")
    model, _ = tf2onnx.convert.from_keras(_with_named_outputs(network), [image], opset=OPSET)
    model.graph.output.sort(key=lambda output: list(contract.outputs).index(output.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.opset_import[:]  # tf2onnx names ai.onnx.ml too, of which nothing is used
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    onnx.helper.set_model_props(model, {MEMBER: replace(contract, weights_sha256="").dumps()})
    return model.SerializeToString()


def check_standard(path: Path) -> None:
    """Raise ExportError for a file with operators that ONNX itself does not define, and for one that is not valid."""
    import onnx

    from tfaffect.export.artefact import ExportError

    model = onnx.load(path)
    custom = {node.op_type for node in _nodes(model.graph) if node.domain or not onnx.defs.has(node.op_type, OPSET)}
    if custom:
        raise ExportError(
            f"The file needs operators that are not standard: {', '.join(sorted(custom))}. Nothing was written."
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The file is not valid ONNX: {error} Nothing was written.") from error


def load(path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return an ONNX file in ONNX Runtime on the processor; it takes pictures."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda pictures: dict(zip(names, session.run(names, {"image": pictures}), strict=True))


def operators(path: Path) -> tuple[str, ...]:
    """Return the names of the operators in an ONNX file."""
    import onnx

    return tuple(sorted({node.op_type for node in _nodes(onnx.load(path).graph)}))


def _with_named_outputs(network: keras.Model) -> keras.Model:
    """The same network, each output through a layer of its name: tf2onnx takes the names of layers, not the keys."""
    import keras

    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    outputs = network(image, training=False).items()
    return keras.Model(image, {name: keras.layers.Identity(name=name)(output) for name, output in outputs})


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """All nodes, those inside branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def main(
    run: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    records: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a run as float32 ONNX with the outputs expression, valence, arousal and embedding.

    Args:
        run: Run folder that train.py left.
        out: Folder that receives model.onnx and model.json.
        records: Folder of the prepared corpora, for the check; the run's own when not named.
        overwrite: Replace what is there.
    """
    print(export(run, out, records, overwrite).summary(out / FILE))


if __name__ == "__main__":
    cli.run(main)
