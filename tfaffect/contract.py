"""The contract of a model, `model.json`: its inputs, outputs and figures. Beside every export, in every `.keras`."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from tfaffect.errors import UsageError
from tfaffect.files import archive as archives
from tfaffect.files import atomic
from tfaffect.labels import AFFECT, CLASSES, HEADS
from tfaffect.media.margin import MARGIN

MEMBER = "model.json"
CARD = "card.md"
"""Files beside an artefact that describe it; `artefact_sha256` leaves both out."""
MIRRORED = "means over the picture and its mirror image"
"""How reports and cards describe the outputs of a model with flip test-time augmentation."""

Colour = Literal["rgb", "grey"]
"""What the pictures of a network show: colours, or three equal channels."""
TURNED_GREY = (
    "after the letterbox, because all training pictures were grey: red, green and blue become "
    "0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601)"
)
"""How data dictionaries and cards describe the input of a network whose `colour` is `grey`."""

TYPES: dict[Any, tuple[str, ...]] = {
    int: ("input_size", "embedding_size"),
    int | float: ("crop_margin", "temperature"),
    bool: ("mirror",),
    str: ("architecture", "weights_sha256"),
    tuple: ("trained", "classes", "affect"),
    dict: ("corpora", "terms", "warnings", "input", "outputs"),
    dict | None: ("scores", "calibration", "artefact", "class_shares"),
}


@dataclass(frozen=True)
class Contract:
    """Everything needed to give a model its input and to read its outputs.

    architecture: the network below the embedding, as a config names it.
    trained: the heads that learned from labels; the other heads return NaN.
    corpora: training corpus -> version.
    terms: training corpus -> licence, as its build report states it; for a user's own data also how people agreed.
    warnings: training corpus -> sentences of its build report, where its raw files are a copy that misleads.
    scores: figures with their protocol, as in report.json; None before the first evaluation.
    temperature: the model divides the logits of the classes by it; 1 before calibration.
    colour: `grey` when every training picture was grey. The pixels are then turned grey after the letterbox, see
    `media.faces.to_grey`, because what such a network makes of colours is chance. `rgb` in files of earlier versions.
    mirror: flip test-time augmentation inside the model: logits, valence, arousal and embedding are means over the
    picture and its mirror image.
    calibration: result of `scoring.calibration.calibrate` without the temperature, with `split` and `corpora`; None
    before calibration.
    artefact: the exporter's measurements of its file: format, recipe, bytes, operators, differences; None in a run.
    weights_sha256: hash of the weights in the artefact, as its format stores them.
    class_shares: three entries {class: share}; see docs/rare_classes.md. `labels`: of the labels that the loss
    saw. `training`: of the population of the training, as the answers count it. `answers`: of the population for which
    the probabilities are right. None in files of earlier versions and without class labels.
    """

    input_size: int
    trained: tuple[str, ...]
    corpora: dict[str, str]
    weights_sha256: str = ""
    scores: dict | None = None
    temperature: float = 1.0
    mirror: bool = False
    calibration: dict | None = None
    class_shares: dict[str, dict[str, float]] | None = None
    artefact: dict | None = None
    terms: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    classes: tuple[str, ...] = CLASSES
    affect: tuple[str, ...] = AFFECT
    affect_range: tuple[float, float] | None = (-1.0, 1.0)
    architecture: str = "efficientnet_b1"
    embedding_size: int = 256
    crop_margin: float = MARGIN
    colour: Colour = "rgb"
    input: dict = field(
        default_factory=lambda: {
            "name": "image",
            "dtype": "uint8",
            "layout": "batch, height, width, channel",
            "colour": "RGB",
            "values": "0 to 255; normalised inside the model",
            "crop": "square around the face box: its centre, (1 + 2 * crop_margin) times its longer side, clamped",
            "letterbox": "aspect kept, sides rounded down, bilinear (antialiased when shrinking), centred, black bars",
        }
    )
    outputs: dict = field(
        default_factory=lambda: {
            "expression": "probabilities of the classes, in the order of `classes`, calibrated by `temperature`",
            "valence": "unpleasant to pleasant, NaN when not trained",
            "arousal": "calm to excited, NaN when not trained",
            "embedding": "affective features, in [-1, 1]",
        }
    )
    licence: str = "Weights carry the terms of the corpora they were trained on; most allow research only."
    format_version: int = 1

    def dumps(self) -> str:
        """Return the contract as JSON text."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    def preprocessing(self) -> str:
        """Return the input in one line: size, colour order, number type, and whether it is turned grey."""
        grey = ", turned grey" if self.colour == "grey" else ""
        return f"{self.input_size} x {self.input_size} {self.input['colour']} {self.input['dtype']}{grey}"


def loads(text: str, source: object) -> Contract:
    """Parse the text of a model.json. Raises UsageError when it is invalid or has other classes or heads."""
    try:
        values = json.loads(text)
        known = {field.name for field in fields(Contract)}
        contract = Contract(**{name: _to_tuple(value) for name, value in values.items() if name in known})
        _check_types(contract)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{source} holds no usable model.json: {error}") from error
    if (contract.classes, contract.affect) != (CLASSES, AFFECT) or set(contract.trained) - set(HEADS):
        raise UsageError(
            f"{source} has other classes or heads. Received: {contract.classes}, {contract.affect}, trained "
            f"{contract.trained}. Expected: {CLASSES}, {AFFECT}, trained from {HEADS}."
        )
    if contract.format_version != 1:
        raise UsageError(
            f"{source} has format_version {contract.format_version}; this version reads 1. Update tfaffect."
        )
    fixed = ("name", "dtype", "layout", "colour")
    received, expected = ([given.get(name) for name in fixed] for given in (contract.input, Contract(1, (), {}).input))
    if received != expected or contract.affect_range not in (None, (-1.0, 1.0)):
        raise UsageError(
            f"{source} needs an input or a range that this version does not support. Received: {received}, "
            f"affect_range {contract.affect_range}. Expected: {expected}, -1 to 1."
        )
    return contract


def _check_types(contract: Contract) -> None:
    """Raise TypeError for a value that no exporter writes."""
    for name, kind in ((name, kind) for kind, names in TYPES.items() for name in names):
        value = getattr(contract, name)
        if not isinstance(value, kind) or (isinstance(value, (int, float)) and not 0 <= value < 10_000):
            raise TypeError(f"{name} is {value!r}")
    if contract.colour not in get_args(Colour):
        raise TypeError(f"colour is {contract.colour!r}, not one of {', '.join(get_args(Colour))}")
    for name in ("input_size", "embedding_size", "temperature"):
        if not getattr(contract, name) > 0:
            raise TypeError(f"{name} is {getattr(contract, name)}")
    if contract.class_shares is not None:
        for name in ("labels", "training", "answers"):
            _check_shares(name, contract.class_shares.get(name))


def _check_shares(name: str, shares: Any) -> None:
    numbers = list(shares.values()) if isinstance(shares, dict) and set(shares) == set(CLASSES) else []
    valid = all(isinstance(number, (int, float)) and 0 <= number <= 1 for number in numbers)
    if not (numbers and valid and abs(sum(numbers) - 1) < 1e-3):
        raise TypeError(f"class_shares.{name} is {shares!r}, not a share for each class with a sum of 1")


def read(path: Path) -> Contract:
    """Return the contract of a run folder, a `.keras` file, or an export with a model.json beside it."""
    path = Path(path)
    keras_file = path / "model.keras" if path.is_dir() else path
    if keras_file.suffix == ".keras" and keras_file.is_file():
        return _read_from_archive(keras_file)
    beside = (path if path.is_dir() else path.parent) / MEMBER
    if not path.exists():
        raise UsageError(f"There is no run folder or model at {path}. `tfaffect models` lists those that have a name.")
    if (path / "config.json").is_file():
        raise UsageError(f"{path} has no model.keras yet: no epoch of its training has ended.")
    if not beside.is_file():
        raise UsageError(f"{path} needs its {MEMBER} beside it. Name a run folder, or an export with that file.")
    try:
        return loads(beside.read_text(encoding="utf-8"), beside)
    except UnicodeDecodeError as error:
        raise UsageError(f"{beside} holds no usable {MEMBER}: {error}") from error


def add_to_archive(path: Path, contract: Contract) -> None:
    """Add the contract to a `.keras` file, which is a zip archive; Keras ignores members it does not know."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, contract.dumps())


def replace_in_archive(path: Path, contract: Contract) -> None:
    """Replace the contract in a `.keras` file and keep the weights. The replacement is atomic."""
    with atomic.write_file(path) as partial:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(partial, "w") as new:
            for member in old.infolist():
                if member.filename != MEMBER:
                    new.writestr(member, old.read(member))
        add_to_archive(partial, replace(contract, weights_sha256=archive_sha256(partial)))


def archive_sha256(path: Path) -> str:
    """Return the hash of the weights in a `.keras` file."""
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()  # type: ignore[arg-type]  # it has `readinto`


def artefact_sha256(path: Path) -> str:
    """Return the hash of an export: of its file, or of all files of a SavedModel except model.json and card.md."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if file not in (path / MEMBER, path / CARD):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def check_weights(path: Path, contract: Contract) -> None:
    """Raise UsageError when the contract belongs to another export."""
    digest = artefact_sha256(path)
    if digest != contract.weights_sha256:
        raise UsageError(
            f"{path} is not the model that its {MEMBER} names: its hash is {digest}, not {contract.weights_sha256}. "
            "Keep the two files of one export together, or export again."
        )


def _read_from_archive(path: Path) -> Contract:
    archives.check(path)
    try:
        with zipfile.ZipFile(path) as archive:
            contract = loads(archive.read(MEMBER).decode(), path)
        digest = archive_sha256(path)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise UsageError(f"{path} is not a complete model of this project: {error}") from error
    if digest != contract.weights_sha256:
        raise UsageError(
            f"{path} and its contract do not match: the hash of the weights is {digest}, not {contract.weights_sha256}."
        )
    return contract


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
