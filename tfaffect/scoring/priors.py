"""Class probabilities for another population: how frequent the classes are there changes how probable they are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files.tables import open_table
from tfaffect.labels import CLASSES

TRAINING, UNIFORM, ESTIMATE = "training", "uniform", "estimate"
"""The populations that --prior knows by a word: see `target_shares` and `estimate_shares`."""

ESTIMATED = "estimated_prior"
"""The key of estimated class shares in the data dictionary of a table, below `run`. `--prior` reads them from there."""

SMALLEST = 1e-12
"""Replaces probabilities that are smaller: a float32 softmax gives 0, of which no share makes more."""

ROUNDING = 1e-4
"""Shares whose sum is this near to 1 are rounded shares; a larger difference is reported."""

CHANGE, MOST_STEPS = 1e-7, 20_000
"""The estimate ends when no share changes by more than `CHANGE` in a step, or after `MOST_STEPS` steps."""

WARNING = """These class shares were estimated from the model's own answers. They are right only if a face of a class
looks the same in these pictures as in the training pictures, and if the probabilities are calibrated. Other cameras,
other ages or posed faces break this. Frames of one video are not independent faces. Compare the shares with faces that
people labelled before you report them."""


def answer_shares(contract: Contract) -> np.ndarray:
    """Return the class shares (8,) for which the model's probabilities are right.

    Raises UsageError when the contract has none: it is older, its weights were imported, or no class was learned.
    """
    return _of_contract(contract, "answers")


def training_ratios(contract: Contract) -> np.ndarray | None:
    """Return by what (8,) answers are multiplied to turn them to the training shares; None: by nothing.

    They are not equal for a network whose loss was logit-adjusted or weighted. Calibration compares the answers with
    labels that have the training shares, so it turns them first.
    """
    if contract.class_shares is None or contract.class_shares["training"] == contract.class_shares["answers"]:
        return None
    training, answers = _of_contract(contract, TRAINING), answer_shares(contract)
    return np.divide(training, answers, out=np.zeros(len(CLASSES)), where=answers > 0)


def calibrated_shares(contract: Contract, answers: np.ndarray) -> dict[str, dict[str, float]] | None:
    """Return the class shares of a contract after calibration, from the scaled answers (n, 8) for the faces of it.

    `training` becomes the mean of these answers, turned to the training shares. `answers` changes by the same factors.
    None where the contract has none or no class was learned.
    """
    if contract.class_shares is None or np.isnan(answers).any():
        return contract.class_shares
    ratios = training_ratios(contract)
    factors = np.ones(len(CLASSES)) if ratios is None else ratios
    turned = answers * factors
    training = (turned / turned.sum(axis=1, keepdims=True)).mean(axis=0)
    own = np.divide(training, factors, out=np.zeros(len(CLASSES)), where=factors > 0)
    return {**contract.class_shares, "training": named(training), "answers": named(own / own.sum())}


def check(prior: str, contract: Contract) -> None:
    """Raise the UsageError that `target_shares` or `estimate_shares` would raise later for a contract or a file."""
    answer_shares(contract) if prior == ESTIMATE else target_shares(prior, contract, [])


def target_shares(prior: str, contract: Contract, notes: list[str]) -> np.ndarray:
    """Return the class shares (8,) of a population.

    prior: `training` for the shares of the training, `uniform` for equally frequent classes, or a file. This is a JSON
    object {class: share}, a table with the columns class and share, or the data dictionary that `tfaffect embed --prior
    estimate` wrote. A class that the training labels did not have gets 0 from `uniform`. notes: gets a sentence if the
    shares of a file had to be divided by their sum. Raises UsageError when the contract has no shares, for a file that
    does not give every class a share of at least 0, and for a share above 0 of a class that the model never learned.
    """
    answers = answer_shares(contract)
    if prior == TRAINING:
        return _of_contract(contract, TRAINING)
    if prior == UNIFORM:
        return (answers > 0) / np.count_nonzero(answers)
    shares = _read(Path(prior), notes)
    if unknown := [name for name, own, wanted in zip(CLASSES, answers, shares, strict=True) if wanted > 0 and not own]:
        raise UsageError(
            f"{prior} gives a share to {' and '.join(unknown)}, which no training label of this model has. Give it 0."
        )
    return shares


def reweigh(probabilities: np.ndarray, answers: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the probabilities (..., 8) of the same faces in a population with the class shares `target` (8,).

    Bayes: p'(c) is proportional to p(c) * target(c) / answers(c), where `answers` (8,) are the class shares for which
    the given probabilities are right. NaN stays NaN, and the type stays. Equal shares change nothing.
    """
    if np.array_equal(answers, target):
        return probabilities
    ratios = np.divide(target, answers, out=np.zeros(len(answers)), where=np.asarray(answers) > 0)
    weighted = np.maximum(probabilities.astype(float), SMALLEST) * ratios
    return (weighted / weighted.sum(axis=-1, keepdims=True)).astype(probabilities.dtype)


def estimate_shares(probabilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return the class shares (8,) under which the answers (n, 8) of the faces of a population are most likely.

    The EM algorithm of Saerens, Latinne and Decaestecker: Adjusting the Outputs of a Classifier to New a Priori
    Probabilities, Neural Computation 2002. It repeats two steps: turn the answers to the present shares, and take their
    mean as the next shares. Rows with NaN do not count. Raises UsageError if no row is left.
    """
    known = probabilities[~np.isnan(probabilities).any(axis=1)].astype(float)
    if not len(known):
        raise UsageError("There is no face with class probabilities, so class shares cannot be estimated.")
    shares = np.asarray(answers, float)
    for _ in range(MOST_STEPS):
        before, shares = shares, reweigh(known, answers, shares).mean(axis=0)
        if np.abs(shares - before).max() < CHANGE:
            break
    return shares


def named(shares: Iterable[float]) -> dict[str, float]:
    """Return class shares by the names of the classes, as JSON holds them."""
    return dict(zip(CLASSES, map(float, shares), strict=True))


def describe(shares: Iterable[float]) -> str:
    """Return class shares in a line: `neutral 34.5 %, happiness 27.0 %, ...`."""
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in named(shares).items())


def _of_contract(contract: Contract, name: str) -> np.ndarray:
    if contract.class_shares is None:
        reason = (
            "it was made by an earlier version, or its weights were imported"
            if "expression" in contract.trained
            else "it learned no classes"
        )
        raise UsageError(
            f"--prior needs the class shares of the training labels. The model.json of this model has none: {reason}. "
            "Train and export again, or add `class_shares` to a copy: docs/rare_classes.md shows it."
        )
    return np.array([contract.class_shares[name][label] for label in CLASSES])


def _read(path: Path, notes: list[str]) -> np.ndarray:
    """Return the class shares in a file, divided by their sum."""
    if not path.is_file():
        raise UsageError(
            f"--prior must be {TRAINING}, {UNIFORM}, {ESTIMATE} or a .json or .csv file of shares. Received: {path}."
        )
    given = _read_json(path) if path.suffix.lower() == ".json" else _read_table(path)
    if set(given) != set(CLASSES):
        missing = [name for name in CLASSES if name not in given]
        unknown = sorted(map(str, set(given) - set(CLASSES)))
        raise UsageError(
            f"{path} must give a share to each of {', '.join(CLASSES)}; 0 is allowed. Missing: "
            f"{', '.join(missing) or 'none'}. Unknown: {', '.join(unknown) or 'none'}."
        )
    numbers = [share for name in CLASSES if isinstance(share := given[name], (int, float))]
    shares = np.array(numbers if len(numbers) == len(CLASSES) else [math.nan])
    total = shares.sum()
    if not (np.isfinite(shares).all() and (shares >= 0).all() and total > 0):
        raise UsageError(f"The shares in {path} must be numbers of at least 0, not all 0. Received: {given}.")
    if abs(total - 1) > ROUNDING:
        notes.append(f"The shares in {path} add up to {total:g}, so each was divided by {total:g}.")
    return shares / total


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=partial(_unique, path=path))
    except (ValueError, OSError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}.") from error
    run = found.get("run") if isinstance(found, dict) else None
    shares = run.get(ESTIMATED) if isinstance(run, dict) else found
    if not isinstance(shares, dict):
        raise UsageError(f'{path} must be an object of class and share: {{"neutral": 0.5, ...}}.')
    return shares


def _read_table(path: Path) -> Mapping[str, object]:
    table = open_table(path, known=("class", "share"))
    places = {name: table.find(name) for name in ("class", "share")}
    if (label := places["class"]) is None or (share := places["share"]) is None:
        raise UsageError(f"{path} needs the columns class and share. It has: {', '.join(table.names) or 'none'}.")
    cells = [row + [""] * (len(table.names) - len(row)) for _, row in table.rows]
    return _unique([(row[label], table.number(row[share])) for row in cells], path)


def _unique(pairs: Iterable[tuple[str, object]], path: Path) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{path} names {name} twice.")
        found[name] = value
    return found
