"""What a contract claims of its model, what is measured of it, and whether the one holds in the face of the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfaffect.contract import MIRRORED, Contract
from tfaffect.labels import AFFECT, HEADS
from tfaffect.scoring import scores
from tfaffect.scoring.scores import CALIBRATION_BINS, PREDICTED, TRUE

SCORED = {
    "accuracy": ("expression", "accuracy"),
    "UAR": ("expression", "uar"),
    "macro F1": ("expression", "macro_f1"),
    "ECE": ("expression", "ece"),
    **{f"CCC {name}": (name, "ccc") for name in AFFECT},
    **{f"RMSE {name}": (name, "rmse") for name in AFFECT},
}
"""Figures of `scores.score` that are held against a contract: title -> head and name there."""

COVERAGE = {f"coverage {name}": name for name in AFFECT}
"""The share of faces whose truth lies in the interval around a prediction: title -> dimension."""

UNKNOWN = {f"NaN {name}": name for name in HEADS}
"""The share of faces of which a head that was never trained says nothing, as it should: title -> head."""

LOWER_IS_BETTER = ("ECE", *(f"RMSE {name}" for name in AFFECT))

TOLERANCE = 0.002
"""How much worse than its claim a figure may be: 0.2 points, or 0.002 of CCC, RMSE and ECE. Float32 formats move single
faces at most; an int8 file's claims are its own, and its kernels round alike on one kind of processor only."""


@dataclass(frozen=True)
class Figure:
    """A measured figure with the bounds of its 95 % interval; None where it is not defined, as for a single group."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Finding:
    """One claim and what became of it.

    holds: None where these records have no label to measure it by, or nothing is claimed.
    """

    figure: str
    claimed: float | None
    measured: Figure | None
    holds: bool | None


def claims(contract: Contract) -> dict[str, float]:
    """Return the figures that a contract claims, in the order of the tables."""
    claimed = {}
    for title, (head, name) in SCORED.items():
        figure = ((contract.scores or {}).get(head) or {}).get(name)
        claimed[title] = figure.get("value") if isinstance(figure, Mapping) else figure  # ECE has no interval there
    calibration = contract.calibration or {}
    for title, name in COVERAGE.items():
        width = calibration.get("half_width", {}).get(name)
        claimed[title] = None if width is None else calibration["coverage"]
    claimed |= {title: 1.0 for title, head in UNKNOWN.items() if head not in contract.trained}
    return {title: value for title, value in claimed.items() if value is not None}


def measure(predictions: pd.DataFrame, contract: Contract, seed: int = 0, resamples: int = 1000) -> dict[str, Figure]:
    """Return every figure that can be claimed, as far as the records have labels for it.

    A labelled figure that the outputs leave undefined, such as those of a head that gives NaN, has the value None.
    """
    scored = scores.score(predictions, seed, resamples)
    labelled = {"expression": predictions[[*TRUE]].sum(axis=1) > scores.TOLERANCE}
    labelled |= {name: predictions[f"true_{name}"].notna() for name in AFFECT}
    measured = {}
    for title, (head, name) in SCORED.items():
        if labelled[head].any():
            found = (scored[head] or {}).get(name)
            measured[title] = Figure(**found) if isinstance(found, dict) else Figure(found)
    if scored["expression"]:
        measured["ECE"] = _measure_ece(predictions[labelled["expression"]], seed, resamples)
    widths = (contract.calibration or {}).get("half_width", {})
    for title, name in COVERAGE.items():
        if labelled[name].any() and widths.get(name) is not None:
            measured[title] = _measure_coverage(predictions[labelled[name]], name, widths[name], seed, resamples)
    outputs = {"expression": predictions[[*PREDICTED]].isna().all(axis=1)}
    outputs |= {name: predictions[name].isna() for name in AFFECT}
    unknown = {title: head for title, head in UNKNOWN.items() if head not in contract.trained}
    return measured | {title: Figure(float(outputs[head].mean())) for title, head in unknown.items()}


def estimate(
    records: pd.DataFrame,
    statistics: np.ndarray,
    figures: Callable[[np.ndarray], dict[str, np.ndarray]],
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Figure]:
    """Return figures of records that follow from sums, with intervals of the bootstrap over groups of `scoring.scores`.

    statistics: what is summed, (records, k). figures: sums (n, k) -> name -> (n,).
    """
    codes = scores.group_codes(records)
    sums = np.zeros((codes.max() + 1, statistics.shape[1]))
    np.add.at(sums, codes, statistics)
    return {name: Figure(**found) for name, found in scores.estimate(sums, figures, seed, resamples).items()}


def compare(claimed: Mapping[str, float], measured: Mapping[str, Figure], same_records: bool) -> list[Finding]:
    """Say of each claim whether it holds.

    On the records of the claim, a figure may be worse by `TOLERANCE` at most. On other records it may also be worse by
    chance: then it is enough that the claim lies in the measured 95 % interval. So it is always for coverage, which is
    promised for faces like these and not measured on some. A head that was never trained gives NaN for every face.
    """
    findings = []
    for title, claim in claimed.items():
        figure = measured.get(title)
        if figure is None:
            findings.append(Finding(title, claim, None, None))
            continue
        if figure.value is None:
            holds = False
        elif title in UNKNOWN:
            holds = figure.value == claim
        else:
            holds = _worse_by(title, claim, figure.value) <= TOLERANCE
            holds |= not (same_records and title in SCORED) and _inside(claim, figure)
        findings.append(Finding(title, claim, figure, bool(holds)))
    return findings


def _worse_by(title: str, claim: float, value: float) -> float:
    return value - claim if title in LOWER_IS_BETTER else claim - value


def _inside(claim: float, figure: Figure) -> bool:
    return figure.low is not None and figure.low <= claim <= figure.high


def _measure_ece(labelled: pd.DataFrame, seed: int, resamples: int) -> Figure:
    """The calibration error with a basic bootstrap interval: the percentiles, mirrored at the estimate.

    Resampled bins are noisier than the data's, so that resampled errors are too large. Of 500 simulated faces with a
    true error of 0.03, the percentiles hold it in 1 of 100 cases and this interval in 89; of 3,000 in 80 and 88.
    """
    probabilities = labelled[[*PREDICTED]].to_numpy(float)
    right = probabilities.argmax(axis=1) == labelled[[*TRUE]].to_numpy(float).argmax(axis=1)
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges, np.clip(confidence, scores.TOLERANCE, 1)) - 1
    gaps = np.zeros((len(labelled), CALIBRATION_BINS))
    gaps[np.arange(len(labelled)), bins] = right - confidence

    def error(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"ece": np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]}

    drawn = estimate(labelled, np.column_stack([gaps, np.ones(len(labelled))]), error, seed, resamples)["ece"]
    if drawn.low is None:
        return drawn
    return Figure(drawn.value, max(0.0, 2 * drawn.value - drawn.high), max(0.0, 2 * drawn.value - drawn.low))


def _measure_coverage(labelled: pd.DataFrame, name: str, width: float, seed: int, resamples: int) -> Figure:
    residuals = (labelled[name] - labelled[f"true_{name}"]).to_numpy(float)
    if np.isnan(residuals).any():
        return Figure(None)
    held = np.abs(residuals) <= width

    def share(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"coverage": sums[:, 0] / sums[:, 1]}

    return estimate(labelled, np.column_stack([held, np.ones(len(held))]), share, seed, resamples)["coverage"]


def scores_of_run(run: Path, contract: Contract) -> dict | None:
    """The figures of the run's report, if it is about these weights, calibrated as they are now."""
    path = run / "report" / "report.json"
    report = json.loads(path.read_text()) if path.exists() else None
    now = {"weights": contract.weights_sha256[:12], "temperature": round(contract.temperature, 4)}
    now |= {"answers": MIRRORED if contract.mirror else None}
    if report is None or any(report["protocol"].get(name) != value for name, value in now.items()):
        return None
    return {"protocol": report["protocol"], **report["scores"]["pooled"]}
