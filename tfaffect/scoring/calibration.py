"""Calibration: predictions on a validation split become one temperature, and intervals for valence and arousal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT
from tfaffect.scoring.scores import PREDICTED, TOLERANCE, TRUE, expected_calibration_error, group_codes, validate

TEMPERATURES = (0.1, 10.0)
"""Where the temperature is looked for. A network that is right for every face would get 0, and then claim certainty."""

SMALLEST = 1e-12
"""A probability of 0 counts as this one; the smallest that float32 softmax gives is 1e-45."""

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Top probabilities below which a user may want no class at all."""


def calibrate(predictions: pd.DataFrame, coverage: float = 0.9) -> dict:
    """Return the calibration of a network whose temperature is 1, from its predictions on a validation split.

    `temperature` divides the logits (1 where no class was learned or labelled). `ece`, where there are classes: the
    expected calibration error `before`, and `after` as it is to be expected on other faces: each half of the groups
    under the temperature of the other half. `abstain`: for each of `THRESHOLDS` the share of faces whose top
    probability reaches it and the accuracy on these. `half_width`: of the intervals prediction +- half_width around
    valence and arousal that hold the truth for a share `coverage` of faces like these (split conformal prediction,
    Lei et al. 2018, of absolute residuals), None where the head or its labels are missing or too few. `records`: how
    many. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Raises UsageError for a coverage outside (0, 1).
    """
    if not 0 < coverage < 1:
        raise UsageError(f"The coverage of an interval lies between 0 and 1. Received: {coverage}.")
    validate(predictions)
    widths = {name: _affect_half_width(predictions, name, coverage) for name in AFFECT}
    return {
        "records": len(predictions),
        **_calibrate_classes(predictions),
        "coverage": coverage,
        "half_width": widths,
    }


def fit_temperature(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Return the temperature under which probabilities (n, 8) make the true classes (n,) most likely."""
    logits = np.log(np.maximum(probabilities, SMALLEST))

    def loss(logarithm: float) -> float:
        scaled = logits / math.exp(logarithm)
        peaks = scaled.max(axis=1)
        normalisers = peaks + np.log(np.exp(scaled - peaks[:, None]).sum(axis=1))
        return float((normalisers - scaled[np.arange(len(classes)), classes]).mean())

    bounds = tuple(map(math.log, TEMPERATURES))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x)


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n, 8) as softmax gives them when the logits are divided by a temperature."""
    powers = np.maximum(probabilities, SMALLEST) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def half_width(residuals: np.ndarray, coverage: float) -> float | None:
    """Return the smallest h so that the next |residual| is at most h with that probability, None if n is too small.

    The ceil((n + 1) * coverage)-th smallest of n absolute residuals: exact for exchangeable ones.
    """
    place = math.ceil((len(residuals) + 1) * coverage)
    return float(np.sort(np.abs(residuals))[place - 1]) if place <= len(residuals) else None


def _calibrate_classes(predictions: pd.DataFrame) -> dict:
    labelled = predictions[predictions[[*TRUE]].sum(axis=1) > TOLERANCE]
    probabilities = labelled[[*PREDICTED]].to_numpy(float)
    if not len(labelled) or np.isnan(probabilities).any():
        return {"temperature": 1.0}
    classes = labelled[[*TRUE]].to_numpy(float).argmax(axis=1)
    temperature = fit_temperature(probabilities, classes)
    fitted = with_temperature(probabilities, temperature)
    unseen = _cross_fitted(probabilities, classes, group_codes(labelled) % 2)
    return {
        "temperature": temperature,
        "ece": {"before": _ece(probabilities, classes), "after": _ece(unseen, classes)},
        "abstain": [_answered(fitted, classes, threshold) for threshold in THRESHOLDS],
    }


def _cross_fitted(probabilities: np.ndarray, classes: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Scale each half by the temperature of the other one; with one group there is no other, and it stays."""
    scaled = probabilities.copy()
    for half in (0, 1):
        mine = halves == half
        if mine.any() and not mine.all():
            scaled[mine] = with_temperature(probabilities[mine], fit_temperature(probabilities[~mine], classes[~mine]))
    return scaled


def _answered(probabilities: np.ndarray, classes: np.ndarray, threshold: float) -> dict:
    sure = probabilities.max(axis=1) >= threshold
    right = probabilities[sure].argmax(axis=1) == classes[sure]
    return {
        "threshold": threshold,
        "share": float(sure.mean()),
        "accuracy": float(right.mean()) if sure.any() else None,
    }


def _ece(probabilities: np.ndarray, classes: Sequence[int]) -> float:
    return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == classes)


def _affect_half_width(predictions: pd.DataFrame, name: str, coverage: float) -> float | None:
    residuals = (predictions[name] - predictions[f"true_{name}"]).dropna().to_numpy(float)
    return half_width(residuals, coverage)
