"""Open a model: a run folder, `.keras`, SavedModel, `.tflite` or `.onnx`."""

from __future__ import annotations

from pathlib import Path

from tfaffect import contract as contracts
from tfaffect.errors import UsageError, missing_extra
from tfaffect.runtimes import shipped
from tfaffect.runtimes.runtime import Runtime

FILES = ("model.keras", "saved_model.pb", "model.tflite", "model.onnx")
"""Files that tell the format of a folder."""

KINDS = "a run folder of `tfaffect train`, a .keras file, a SavedModel, a .tflite or an .onnx file with its model.json"


def open_model(path: str | Path, batch_size: int | None = None) -> Runtime:
    """Return the network in `path`, checked against its contract. `batch_size` overrides the format's own.

    `path` may also be the name of a shipped model, for example `micro`. A file or folder of this name comes first.

    Each format imports only its own package: LiteRT for `.tflite`, ONNX Runtime for `.onnx`, TensorFlow for a
    SavedModel, Keras for a run. Raises UsageError for any other file, when the package is not installed, and when file
    and contract do not match.
    """
    file = model_file(path)
    try:
        network = _open(file).check()
    except ModuleNotFoundError as error:
        if missing := missing_extra(error.name):
            raise UsageError(f"{file} needs {missing}") from error
        raise
    network.batch_size = batch_size or network.batch_size
    return network


def model_file(path: str | Path) -> Path:
    """Return the file of a model, or the folder of a SavedModel. `path` may be the name of a shipped model.

    Raises UsageError for any other path.
    """
    path = shipped.find(path)
    if not path.exists():
        raise UsageError(f"There is no run folder or model at {path}. Name {KINDS}, or {shipped.LISTED}.")
    if path.is_dir():
        found = [name for name in FILES if (path / name).is_file()]
        if len(found) != 1:
            raise UsageError(f"{path} contains {' and '.join(found) or 'no model'}. Name {KINDS}.{shipped.hint(path)}")
        return path if found == ["saved_model.pb"] else path / found[0]
    if path.suffix.lower() not in (".keras", ".tflite", ".onnx") and path.name != "saved_model.pb":
        raise UsageError(f"{path} is not a model that can be run. Name {KINDS}.")
    return path.parent if path.name == "saved_model.pb" else path


def _open(path: Path) -> Runtime:
    if path.suffix.lower() == ".keras":
        from tfaffect.networks.model import load
        from tfaffect.runtimes.keras_model import KerasModel

        return KerasModel(path, *load(path))
    contract = contracts.read(path)
    contracts.check_weights(path, contract)
    if path.suffix.lower() == ".tflite":
        from tfaffect.runtimes.tflite_file import TFLiteFile

        return TFLiteFile(path, contract)
    if path.suffix.lower() == ".onnx":
        from tfaffect.runtimes.onnx_file import ONNXFile

        return ONNXFile(path, contract)
    from tfaffect.runtimes.saved_model import SavedModel

    return SavedModel(path, contract)
