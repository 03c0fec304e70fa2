"""Calibration on a validation split: a temperature for the classes, and intervals for valence and arousal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.scores import PREDICTED, TOLERANCE, TRUE, expected_calibration_error, group_codes, validate

TEMPERATURES = (0.1, 10.0)
"""Bounds of the temperature. Without them a network that is right for every face would get 0, and claim certainty."""

SMALLEST = 1e-12
"""Replaces probabilities that are smaller, because they need a logarithm; float32 softmax gives 0 or down to 1e-45."""

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Top probabilities below which a user may want no class at all."""


def calibrate(predictions: pd.DataFrame, coverage: float = 0.9, ratios: np.ndarray | None = None) -> dict[str, Any]:
    """Return the calibration of a network, from its predictions on a validation split with temperature 1.

    `records`: their number. `temperature` divides the logits; it is 1 without predicted and labelled classes. With
    classes, `ece` has the expected calibration error `before`, and `after` as expected for other faces: each half of
    the groups is scaled with the temperature of the other half. `abstain` has for each of `THRESHOLDS` the share of
    faces whose top probability reaches it, and the accuracy of these faces. `half_width` has the h for which the
    intervals prediction +- h of valence and arousal contain the truth of a share `coverage` of similar faces; None if
    the head or its labels are missing or too few. Sources: Guo et al., On Calibration of Modern Neural Networks, ICML
    2017; split conformal prediction of absolute residuals, Lei et al. 2018.

    ratios: (8,) of a network whose answers are right for other class shares than those of the labels, because its loss
    was logit-adjusted or weighted. `scoring.priors.training_ratios` gives them. Temperature and `ece` are then of the
    answers turned to the shares of the training labels: scaled, multiplied by `ratios`, divided by their sum.

    Raises UsageError for a coverage outside (0, 1).
    """
    if not 0 < coverage < 1:
        raise UsageError(f"The coverage of an interval must lie between 0 and 1. Received: {coverage}.")
    validate(predictions)
    residuals = {name: (predictions[name] - predictions[f"true_{name}"]).dropna().to_numpy(float) for name in AFFECT}
    return {
        "records": len(predictions),
        **_calibrate_classes(predictions, np.ones(len(CLASSES)) if ratios is None else ratios),
        "coverage": coverage,
        "half_width": {name: half_width(values, coverage) for name, values in residuals.items()},
    }


def fit_temperature(probabilities: np.ndarray, classes: np.ndarray, ratios: float | np.ndarray = 1.0) -> float:
    """Return the temperature with which probabilities (n, 8) make the true classes (n,) most likely.

    `ratios` (8,) multiply the scaled probabilities, which are then divided by their sum.
    """
    logits, offsets = _logits(probabilities), _logits(np.asarray(ratios))

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / math.exp(log_temperature) + offsets, axis=1)
        return -float(logs[np.arange(len(classes)), classes].mean())

    bounds = tuple(map(math.log, TEMPERATURES))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x)


def with_temperature(probabilities: np.ndarray, temperature: float, ratios: float | np.ndarray = 1.0) -> np.ndarray:
    """Return the probabilities (n, 8) that softmax gives when the logits are divided by a temperature.

    `ratios` (8,) multiply them, and they are then divided by their sum.
    """
    return softmax(_logits(probabilities) / temperature + _logits(np.asarray(ratios)), axis=1)


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, SMALLEST))


def half_width(residuals: np.ndarray, coverage: float) -> float | None:
    """Return the smallest h for which the next |residual| is at most h with probability `coverage`.

    It is the ceil((n + 1) * coverage)-th smallest of n absolute residuals, which is exact if they are exchangeable.
    Returns None if n is too small.
    """
    place = math.ceil((len(residuals) + 1) * coverage)
    return float(np.sort(np.abs(residuals))[place - 1]) if place <= len(residuals) else None


def _calibrate_classes(predictions: pd.DataFrame, ratios: np.ndarray) -> dict[str, Any]:
    labelled = predictions[predictions[[*TRUE]].sum(axis=1) > TOLERANCE]
    probabilities = labelled[[*PREDICTED]].to_numpy(float)
    if not len(labelled) or np.isnan(probabilities).any():
        return {"temperature": 1.0}
    classes = labelled[[*TRUE]].to_numpy(float).argmax(axis=1)
    temperature = fit_temperature(probabilities, classes, ratios)
    scaled = with_temperature(probabilities, temperature)
    cross_fitted = _cross_fit(probabilities, classes, group_codes(labelled) % 2, ratios)
    return {
        "temperature": temperature,
        "ece": {
            "before": _ece(with_temperature(probabilities, 1.0, ratios), classes),
            "after": _ece(cross_fitted, classes),
        },
        "abstain": [_score_threshold(scaled, classes, threshold) for threshold in THRESHOLDS],
    }


def _cross_fit(probabilities: np.ndarray, classes: np.ndarray, halves: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Scale each half with the temperature of the other half; with a single group nothing is scaled."""
    scaled = with_temperature(probabilities, 1.0, ratios)
    for half in (0, 1):
        own = halves == half
        if own.any() and not own.all():
            temperature = fit_temperature(probabilities[~own], classes[~own], ratios)
            scaled[own] = with_temperature(probabilities[own], temperature, ratios)
    return scaled


def _score_threshold(probabilities: np.ndarray, classes: np.ndarray, threshold: float) -> dict[str, float | None]:
    sure = probabilities.max(axis=1) >= threshold
    right = probabilities[sure].argmax(axis=1) == classes[sure]
    accuracy = float(right.mean()) if sure.any() else None
    return {"threshold": threshold, "share": float(sure.mean()), "accuracy": accuracy}


def _ece(probabilities: np.ndarray, classes: np.ndarray) -> float:
    return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == classes)
