"""A run to one TFLite file of builtin operators, for phones and browsers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from tfaffect import cli

if TYPE_CHECKING:
    import numpy as np

FILE = "model.tflite"

# Keras, TensorFlow and LiteRT are imported where they are used: --help answers within half a second.


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> float:
    """Write `out/model.tflite` with model.json beside it; return the largest difference from the network.

    Raises UsageError for a run that cannot be read, and ExportError when the file disagrees with the network or needs
    operators that a phone does not have.
    """
    from export import artefact, saved_model

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        with tempfile.TemporaryDirectory() as source:
            saved_model.write(network, Path(source))
            (folder / FILE).write_bytes(convert(Path(source)))
        refuse_custom_operators(folder / FILE)
        difference = artefact.check_parity(network.predict_on_batch(faces), predict(folder / FILE, faces))
        artefact.write_contract(contract, folder / FILE, folder)
    return difference


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


def predict(path: Path, pictures: np.ndarray, signature: str = "serving_default") -> dict[str, np.ndarray]:
    """Run one signature of a TFLite file in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path)).get_signature_runner(signature)(image=pictures)


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
    difference = export(run, out, records, overwrite)
    from export.artefact import size

    megabytes = size(out / FILE) / 1e6
    print(f"{out / FILE}: {megabytes:.1f} MB, differs from the network by at most {difference:.1e} on validation faces")


if __name__ == "__main__":
    cli.run(main)
