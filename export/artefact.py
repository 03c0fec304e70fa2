"""What all exporters share: their options, the faces they check themselves on, and writing all or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from tfaffect import data, whole
from tfaffect.config import load as load_config
from tfaffect.contract import MEMBER, Contract, artefact_sha256
from tfaffect.errors import UsageError
from tfaffect.model import load, predictor
from tfaffect.prepared import open_corpus

FACES = 64
"""Validation faces on which an export is compared with the network it came from."""

TOLERANCE = 1e-3
"""Largest absolute difference of any output; float32 artefacts are seen to stay below 1e-4."""

SHARE_OF_SPREAD = 0.1
"""Largest difference as a share of the output's own spread over the faces. A network of few steps gives nearly the same
for all faces (a spread of 1e-6 after 12 steps), and an artefact without its weights would be within the tolerance."""


class ExportError(UsageError):
    """The artefact is not what it should be, and was not written."""


def open_run(run: Path, records: Path | None) -> tuple[keras.Model, Contract, np.ndarray]:
    """Return the predictor of a run, its contract with the report's scores, and faces to check the export on.

    Faces are uint8 (64, size, size, 3) from the validation split of the run's first corpus, below `records` or where
    the run found them. Raises UsageError when they are not there: an export that nobody checked is not written.
    """
    model, contract = load(run)
    config = load_config(run / "config.json")
    if not config.corpora:
        raise UsageError(f"{run} names no corpus to check an export on: import its weights again with --corpora NAME.")
    try:
        corpus = open_corpus(records or config.records, config.corpora[0])
    except UsageError as error:
        raise UsageError(
            f"An export is checked on faces of the run's corpus. {error} Or name them with --records."
        ) from error
    batches = data.evaluation_batches(corpus, "validation", contract.input_size, FACES)
    (faces, _), *_ = islice(batches, 1)
    return predictor(model, contract), replace(contract, scores=_scores(run, contract)), faces.numpy()


@contextmanager
def new_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` when the block ends well.

    Raises UsageError when `out` exists, and with `overwrite` when it is not an earlier export: the whole folder goes.
    """
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already. Name another folder, or replace it with --overwrite.")
    if out.exists() and not (out / MEMBER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an earlier export, so it is not replaced. Name another folder, or remove it.")
    with whole.folder(out) as folder:
        yield folder


def check_parity(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> float:
    """Return the largest difference between the network's outputs and the artefact's on the same faces.

    Raises ExportError when it exceeds the tolerance or too large a share of the output's spread over the faces, when
    NaN stands elsewhere, and when the network gives one output for all faces: agreeing with it would prove nothing.
    """
    worst = 0.0
    for name, values in expected.items():
        if np.isnan(values).all() and np.isnan(received[name]).all():
            continue  # a head that was never trained
        spread = np.ptp(values, axis=0).max()
        if spread == 0:
            raise ExportError(f"The network gives the same {name} for {len(values)} faces: it has learned nothing.")
        difference = np.max(np.abs(values - received[name]))
        allowed = TOLERANCE if np.isnan(spread) else min(TOLERANCE, SHARE_OF_SPREAD * spread)
        if not difference <= allowed:
            raise ExportError(
                f"The artefact's {name} is off by {difference:.2g}, more than {allowed:.2g}. Nothing was written."
            )
        worst = max(worst, float(difference))
    return worst


def write_contract(contract: Contract, artefact: Path, folder: Path) -> None:
    """Write model.json into `folder`, with the hash of the artefact (a file, or all files of a folder)."""
    (folder / MEMBER).write_text(replace(contract, weights_sha256=artefact_sha256(artefact)).dumps())


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def _scores(run: Path, contract: Contract) -> dict | None:
    """The figures of the run's report, if it is about these weights, calibrated as they are now."""
    path = run / "report" / "report.json"
    report = json.loads(path.read_text()) if path.exists() else None
    now = {"weights": contract.weights_sha256[:12], "temperature": round(contract.temperature, 4)}
    if report is None or any(report["protocol"].get(name) != value for name, value in now.items()):
        return None
    return {"protocol": report["protocol"], **report["scores"]["pooled"]}
