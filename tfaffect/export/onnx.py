"""The command `tfaffect export onnx`: a run as one ONNX file of standard operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfaffect import cli
from tfaffect.config import load_run
from tfaffect.contract import MEMBER, Contract

if TYPE_CHECKING:
    import keras
    import numpy as np
    from onnx import GraphProto, NodeProto

    from tfaffect.export.artefact import Measurements

FILE = "model.onnx"

OPSET = 17
"""Version of the standard operators: the highest for which tf2onnx 1.17 writes global pooling as GlobalAveragePool. For
18, its latest, B1's 24 poolings become ReduceMean between transpositions. ONNX Runtime reads 17 since 1.12 (2022)."""


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> Measurements:
    """Write `out/model.onnx` with model.json beside it; return the measurements.

    Raises UsageError for a run that cannot be read, and ExportError when a check of the file fails.
    """
    load_run(run)  # report a wrong path before seconds of imports
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
    """Convert a predictor to float32 ONNX for any batch size, with the contract in its metadata under `model.json`.

    The contract inside has an empty `weights_sha256`, because a file cannot contain its own hash. `keras.Model.export`
    is not used: it calls tf2onnx's `from_function`, which turns mean and variance of B1's normalisation into inputs.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx.convert

    image = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="image")
    handlers: dict[str, Any] = {"ReverseV2": (_write_slice, [])}
    network = _with_named_outputs(network)
    model, _ = tf2onnx.convert.from_keras(network, [image], opset=OPSET, custom_op_handlers=handlers)
    model.graph.output.sort(key=lambda output: list(contract.outputs).index(output.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.opset_import[:]  # tf2onnx also adds ai.onnx.ml, which is not used
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    onnx.helper.set_model_props(model, {MEMBER: replace(contract, weights_sha256="").dumps()})
    return model.SerializeToString()


def check_standard(path: Path) -> None:
    """Raise ExportError for a file that is invalid or has operators outside the ONNX standard."""
    import onnx

    from tfaffect.export.artefact import ExportError

    model = onnx.load(path)
    custom = {node.op_type for node in _nodes(model.graph) if node.domain or not onnx.defs.has(node.op_type, OPSET)}
    if custom:
        raise ExportError(
            f"The file has operators that are not standard: {', '.join(sorted(custom))}. Nothing was written."
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The file is not valid ONNX: {error} Nothing was written.") from error


def load(path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Open an ONNX file in ONNX Runtime on the CPU; return a function from pictures to outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda pictures: dict(zip(names, session.run(names, {"image": pictures}), strict=True))


def operators(path: Path) -> tuple[str, ...]:
    """Return the names of the operators in an ONNX file."""
    import onnx

    return tuple(sorted({node.op_type for node in _nodes(onnx.load(path).graph)}))


def _with_named_outputs(network: keras.Model) -> keras.Model:
    """Return the network with a last layer per output: tf2onnx uses names of layers as names of outputs."""
    import keras

    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    outputs = network(image, training=False).items()
    return keras.Model(image, {name: keras.layers.Identity(name=name)(output) for name, output in outputs})


def _write_slice(context: Any, node: Any, name: str, arguments: Any) -> None:
    """Write the flip of pictures as a slice with step -1. tf2onnx writes ReverseSequence, which OpenCV cannot read."""
    import numpy as np

    (picture, _), (output,) = node.input, node.output
    shape, dtype = context.get_shape(output), context.get_dtype(output)
    values = {"starts": -1, "ends": np.iinfo(np.int64).min, "axes": node.inputs[1].get_tensor_value(), "steps": -1}
    inputs = [
        context.make_const(f"{name}_{key}", np.array(value, np.int64).reshape(-1)).output[0]
        for key, value in values.items()
    ]
    context.remove_node(node.name)
    context.make_node("Slice", [picture, *inputs], name=name, outputs=[output], shapes=[shape], dtypes=[dtype])


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Yield all nodes, including those inside branches and loops."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def main(
    run: cli.Run,
    out: cli.Out,
    records: cli.Records = None,
    overwrite: bool = False,
) -> None:
    """Export a run as a float32 ONNX file (model.onnx with model.json).

    The outputs are expression, valence, arousal and embedding.

    Args:
        run: Run folder of `tfaffect train`.
        out: Folder for model.onnx and model.json.
        records: Folder of the prepared corpora, for the check.
        overwrite: Replace an earlier export in OUT.
    """
    print(export(run, out, records, overwrite).summary(out / FILE))


if __name__ == "__main__":
    cli.run(main)
