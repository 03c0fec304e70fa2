"""A run to one TFLite file of builtin operators, for phones and browsers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from tfaffect import cli

if TYPE_CHECKING:
    import numpy as np

    from export.artefact import Measured

FILE = "model.tflite"

# Keras, TensorFlow and LiteRT are imported where they are used: --help answers within half a second.


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> Measured:
    """Write `out/model.tflite` with model.json beside it; return what was measured of it.

    Raises UsageError for a run that cannot be read, and ExportError when the file disagrees with the network or needs
    operators that a phone does not have.
    """
    from export import artefact, saved_model, tflite_metadata

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        path = folder / FILE
        with tempfile.TemporaryDirectory() as source:
            saved_model.write(network, Path(source))
            path.write_bytes(tflite_metadata.add(convert(Path(source)), contract))
        refuse_custom_operators(path)
        interpreter = load(path)
        measured = artefact.Measured(
            format="TFLite",
            recipe="float32",
            bytes=artefact.check_size(path, network, bytes_per_weight=4),
            operators=operators(path),
            faces=len(faces),
            differences=artefact.differences(network.predict_on_batch(faces), interpreter(faces)),
            **artefact.check_milliseconds(interpreter, network, faces[:1]),
        )
        artefact.write_contract(contract, path, folder, measured)
    return measured


def convert(source: Path) -> bytes:
    """Convert a SavedModel with all its signatures to float32 TFLite.

    From the SavedModel and not from concrete functions: there the converter loses the weights of a Keras 3 model
    without a word.
    """
    import tensorflow as tf

    from export.artefact import ExportError
    from export.saved_model import SIGNATURES

    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=list(SIGNATURES))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:  # the converter's error type is private
        raise ExportError(f"The network cannot be expressed in TFLite's builtin operators: {error}") from error


def refuse_custom_operators(path: Path) -> None:
    """Raise ExportError for a file with an operator that is not builtin, such as TensorFlow's own (Select TF)."""
    from ai_edge_litert import schema_py_generated as schema

    from export.artefact import ExportError

    codes = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes())).operatorCodes
    custom = [code.customCode.decode() for code in codes if code.builtinCode == schema.BuiltinOperator.CUSTOM]
    if custom:
        raise ExportError(f"The file needs operators that are not builtin: {', '.join(custom)}. Nothing was written.")


def operators(path: Path) -> tuple[str, ...]:
    """Return the names of the operators in a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    codes = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes())).operatorCodes
    return tuple(sorted(names[code.builtinCode] for code in codes))


def load(path: Path, signature: str = "serving_default") -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return one signature of a TFLite file in LiteRT; it takes pictures."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner(signature)
    return lambda pictures: runner(image=pictures)


def main(
    run: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    records: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a run as float32 TFLite with the signatures serving_default, classify and embed.

    Args:
        run: Run folder that train.py left.
        out: Folder that receives model.tflite and model.json.
        records: Folder of the prepared corpora, for the check; the run's own when not named.
        overwrite: Replace what is there.
    """
    print(export(run, out, records, overwrite).summary(out / FILE))


if __name__ == "__main__":
    cli.run(main)
