"""Scores on labelled photos with the face detector and the network together, instead of on prepared crops."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.export import claims
from tfaffect.export.claims import Figure
from tfaffect.features import pipeline
from tfaffect.features.pipeline import Detector
from tfaffect.features.row import NO_FACE
from tfaffect.features.sample import Options
from tfaffect.features.sources import Source, find_sources
from tfaffect.files.class_folders import class_folders
from tfaffect.labels import AFFECT, CLASS_OF_WORD, CLASSES
from tfaffect.runtimes.runtime import Runtime
from tfaffect.scoring.scores import PREDICTED, TRUE, TRUE_AFFECT

TABLE = "labels.csv"
CLASS_COLUMNS = ("class", "expression")
MISSING = ("", "na", "n/a", "nan", "none", "null")
"""Cells without a value, in lower case; as in `tfrecords_builders.folder`."""


def find(folder: Path) -> list[Source]:
    """Return the photos of a folder; their labels are in `carried`, under the names of the table's columns.

    The folder has a `labels.csv` with the column path and any of class (or expression), valence, arousal and group; or
    it has sub-folders named after the classes, by any word of `labels.SYNONYMS`. Other columns are ignored, also boxes:
    the detector finds the faces. Raises UsageError for anything else.
    """
    if (folder / TABLE).is_file():
        return find_sources([str(folder / TABLE)], io.StringIO())
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}. Name one with {TABLE}, or with a sub-folder for each class.")
    return list(_in_classes(folder))


def verify(
    photos: list[Source], network: Runtime, detector: Detector, advance: Callable[[int, int], None] | None = None
) -> dict:
    """Return the figures of `score` as plain numbers, with the number of `photos` and of photos with `no face`."""
    predictions = predict(photos, network, detector, advance)
    scored = score(predictions, network.contract)
    figures = {name: {title: asdict(figure) for title, figure in part.items()} for name, part in scored.items()}
    return {"photos": len(predictions), "no face": int((~predictions["found"]).sum()), **figures}


def predict(
    photos: list[Source], network: Runtime, detector: Detector, advance: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Return one row per photo: its labels, the outputs for its largest face, and whether a face was found.

    The columns are those of `scoring.scores`, and `found`. Raises UsageError for unreadable photos and invalid labels.
    """
    rows = [{**_labels(photo), "key": str(number)} for number, photo in enumerate(photos)]
    for described in pipeline.describe(list(enumerate(photos)), network, detector, Options(faces=1)):
        (row,) = described.rows
        if row.problem not in ("", NO_FACE) or row.frame is not None:
            problem = row.problem if row.frame is None else "it is a video"
            raise UsageError(f"{photos[described.number].path} cannot be scored: {problem}. Repair or remove it.")
        outputs = dict(zip((*PREDICTED, *AFFECT), (*row.expression, row.valence, row.arousal), strict=True))
        rows[described.number] |= outputs | {"found": row.face is not None}
        if advance:
            advance(described.number + 1, len(photos))
    return pd.DataFrame(rows, columns=["key", "group", *TRUE, *TRUE_AFFECT, *PREDICTED, *AFFECT, "found"]).assign(
        corpus="photos", tags=""
    )


def score(predictions: pd.DataFrame, contract: Contract) -> dict[str, dict[str, Figure]]:
    """Return figures in two versions: over photos with a found face, and with a missed face counted as wrong.

    {"found": as `claims.measure`, "missed is wrong": accuracy, UAR and macro F1}. The second version has no other
    figures, because a missed face has no confidence, valence or arousal.
    """
    found = predictions[predictions["found"]]
    labelled = predictions[predictions[[*TRUE]].sum(axis=1) > 0]
    trained = labelled.loc[labelled["found"], [*PREDICTED]].notna().all(axis=None)
    return {
        "found": claims.measure(found, contract) if len(found) else {},
        "missed is wrong": _score_all(labelled) if len(labelled) and trained else {},
    }


def _score_all(labelled: pd.DataFrame) -> dict[str, Figure]:
    """Score from three sums per class: hits, photos, predictions. A missed face is a photo without a prediction."""
    truth = labelled[[*TRUE]].to_numpy(float).argmax(axis=1)
    predicted = labelled[[*PREDICTED]].fillna(0).to_numpy(float).argmax(axis=1)
    one_hot = np.eye(len(CLASSES))
    photos, predictions = one_hot[truth], one_hot[predicted] * labelled[["found"]].to_numpy(bool)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        hits, photos, predictions = np.split(sums, 3, axis=1)
        present = (photos > 0).sum(axis=1)
        return {
            "accuracy": hits.sum(axis=1) / photos.sum(axis=1),
            "UAR": (hits / np.maximum(photos, 1)).sum(axis=1) / present,
            "macro F1": (2 * hits / np.maximum(photos + predictions, 1)).sum(axis=1) / present,
        }

    return claims.estimate(labelled, np.hstack([photos * predictions, photos, predictions]), figures)


def _in_classes(folder: Path) -> Iterator[Source]:
    named, others = class_folders(folder)
    if not named or others:
        received = ", ".join(path.name for path in sorted([*named, *others]))
        raise UsageError(
            f"{folder} must contain {TABLE}, or a sub-folder for each class ({', '.join(CLASSES)}) and no other. "
            f"Received: {received or 'neither'}."
        )
    for path, name in named.items():
        for photo in find_sources([str(path)], io.StringIO()):
            yield Source(photo.path, photo.name, {"class": name})


def _labels(photo: Source) -> dict[str, object]:
    """Return the labels of one photo in the columns of `scoring.scores`."""
    cells = {name.strip().lower(): cell.strip() for name, cell in photo.carried.items()}
    known = {name: cell for name, cell in cells.items() if cell.lower() not in MISSING}
    label = next((known[name].lower() for name in CLASS_COLUMNS if name in known), None)
    if label not in (None, *CLASS_OF_WORD):
        raise UsageError(f"The class of {photo.path} must be one of {', '.join(CLASSES)}. Received: {label!r}.")
    affect = {f"true_{name}": _coordinate(photo, name, known.get(name)) for name in AFFECT}
    return {
        "group": known.get("group", str(photo.path)),
        **{column: float(name == CLASS_OF_WORD.get(label or "")) for column, name in zip(TRUE, CLASSES, strict=True)},
        **{column: affect[column] for column in TRUE_AFFECT},
    }


def _coordinate(photo: Source, name: str, cell: str | None) -> float:
    try:
        value = float("nan") if cell is None else float(cell)
    except ValueError:
        value = math.inf
    if not (math.isnan(value) or -1 <= value <= 1):
        raise UsageError(f"The {name} of {photo.path} must be a number from -1 to 1. Received: {cell!r}.")
    return value
