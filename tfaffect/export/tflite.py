"""The command `tfaffect export tflite`: a run as one TFLite file of builtin operators, for phones and browsers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfaffect import cli
from tfaffect.config import load_run
from tfaffect.export.quantisation.recipes import RECIPES

if TYPE_CHECKING:
    import numpy as np
    from ai_edge_litert.schema_py_generated import ModelT

    from tfaffect.export.artefact import Measurements
    from tfaffect.export.quantisation.faces import Faces
    from tfaffect.export.quantisation.recipes import Limits
    from tfaffect.runtimes.runtime import Runtime

FILE = "model.tflite"

RecipeName = Literal["float32", "float16", "dynamic_int8", "int8"]


def export(
    run: Path, out: Path, records: Path | None = None, overwrite: bool = False, recipe: RecipeName = "float32"
) -> Measurements:
    """Write `out/model.tflite` with model.json beside it; return the measurements.

    First a float32 file is made and compared with the network, as for every format. Another recipe changes that file
    and compares it with the recipe's limits on the validation faces of the run's corpora; its contract has the
    figures of the file itself, with the protocol of the run's report. Raises UsageError for a run that cannot be read,
    and ExportError when a comparison fails, a limit is exceeded, or an operator is not builtin.
    """
    config = load_run(run)  # report a wrong path before seconds of imports
    from tfaffect.export import artefact, saved_model, tflite_metadata
    from tfaffect.export.quantisation import faces as faces_of
    from tfaffect.export.quantisation.graph import pack
    from tfaffect.export.rescoring import rescore
    from tfaffect.runtimes.opening import open_model

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        path = folder / FILE
        with tempfile.TemporaryDirectory() as source:
            saved_model.write(network, Path(source))
            content = _convert(Path(source))
        tree = _float32(content)
        tflite_metadata.put(tree, contract)
        path.write_bytes(pack(tree))
        refuse_custom_operators(path)
        measured = artefact.measure(path, load(path), network, faces, "TFLite", operators(path))
        if limits := RECIPES[recipe].limits:
            read = partial(faces_of.read, config, records, size=contract.input_size)
            tree, found = _apply_recipe(path, content, recipe, limits, open_model(run), read)
            contract = rescore(path, contract, records or config.records)
            tflite_metadata.put(tree, contract)
            path.write_bytes(pack(tree))
            measured = replace(
                measured,
                recipe=recipe,
                bytes=artefact.check_size(path, network, bytes_per_weight=RECIPES[recipe].weights),
                operators=operators(path),
                **artefact.check_milliseconds(load(path), network, faces[:1]),
                **found,
            )
        artefact.write_contract(contract, path, folder, measured)
    return measured


def convert(source: Path) -> bytes:
    """Convert a SavedModel to float32 TFLite with the signatures of `SIGNATURES`."""
    from tfaffect.export.quantisation.graph import pack

    return pack(_float32(_convert(source)))


def _convert(source: Path) -> bytes:
    """Convert the signature serving_default of a SavedModel.

    Concrete functions are not used: from them the converter loses the weights of a Keras 3 model without an error.
    """
    import tensorflow as tf

    from tfaffect.export.artefact import ExportError

    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=["serving_default"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:  # the converter's error type is private
        raise ExportError(f"The network cannot be expressed in TFLite's builtin operators: {error}") from error


def _float32(content: bytes) -> ModelT:
    """Apply the recipe float32."""
    from tfaffect.export.quantisation.making import candidates

    return next(candidates("float32", content))


def _apply_recipe(
    path: Path,
    content: bytes,
    recipe: RecipeName,
    limits: Limits,
    network: Runtime,
    read: Callable[[str, int], Faces],
) -> tuple[ModelT, dict[str, Any]]:
    """Write the first candidate of a recipe that keeps the limits; raise ExportError if none does.

    `read` returns faces of a split, up to a number. Return the model and its measurements.
    """
    from tfaffect.export.artefact import ExportError
    from tfaffect.export.quantisation import faces, fidelity
    from tfaffect.export.quantisation.graph import pack
    from tfaffect.export.quantisation.making import candidates
    from tfaffect.runtimes.tflite_file import TFLiteFile

    known = read("validation", faces.VALIDATION_FACES)
    expected = network(known.pictures)._asdict()
    for tree in candidates(recipe, content, lambda: read("train", faces.CALIBRATION_FACES).pictures):
        path.write_bytes(pack(tree))
        refuse_custom_operators(path)
        received = TFLiteFile(path, network.contract)(known.pictures)._asdict()
        found = fidelity.compare(expected, received, known.labels)
        excess = limits.exceeded(path.stat().st_size, found)
        if excess is None:
            differences = fidelity.differences(expected, received)
            return tree, {"differences": differences, "faces": len(known.pictures), "losses": found.losses()}
    raise ExportError(
        f"{recipe} exceeds its limits for this network: {excess}. Nothing was written. Try another recipe, or train "
        "longer: a network with low confidence loses more."
    )


def refuse_custom_operators(path: Path) -> None:
    """Raise ExportError for a file with an operator that is not builtin, for example of Select TF."""
    from ai_edge_litert import schema_py_generated as schema

    from tfaffect.export.artefact import ExportError

    codes = schema.ModelT.InitFromPackedBuf(path.read_bytes()).operatorCodes
    custom = [code.customCode.decode() for code in codes if code.builtinCode == schema.BuiltinOperator.CUSTOM]
    if custom:
        raise ExportError(f"The file has operators that are not builtin: {', '.join(custom)}. Nothing was written.")


def operators(path: Path) -> tuple[str, ...]:
    """Return the names of the operators in a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    codes = schema.ModelT.InitFromPackedBuf(path.read_bytes()).operatorCodes
    return tuple(sorted({names[code.builtinCode] for code in codes}))


def load(
    path: Path, signature: str = "serving_default", threads: int = 1
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Open a signature of a TFLite file in LiteRT; return a function from pictures to outputs."""
    from tfaffect.runtimes.tflite_file import Signature

    return Signature(path, signature, threads)


def main(
    run: cli.Run,
    out: cli.Out,
    records: cli.Records = None,
    overwrite: bool = False,
    recipe: RecipeName = "float32",
) -> None:
    """Export a run as a TFLite file (model.tflite with model.json).

    The signatures are serving_default, classify and embed.

    Args:
        run: Run folder of `tfaffect train`.
        out: Folder for model.tflite and model.json.
        records: Folder of the prepared corpora, for check and calibration.
        overwrite: Replace an earlier export in OUT.
        recipe: float32. float16: half the size. dynamic_int8: a third of the size, and faster. int8: as small; for an
            EfficientNet of 112 pixels or more it also computes with integers, which is faster, and takes their ranges
            from training faces. A recipe other than float32 fails when it loses more than its limits allow on
            validation faces.
    """
    measured = export(run, out, records, overwrite, recipe)
    print(measured.summary(out / FILE))
    if limits := RECIPES[recipe].limits:
        print(*(f"  {line}" for line in limits.describe(measured.losses)), sep="\n")


if __name__ == "__main__":
    cli.run(main)
