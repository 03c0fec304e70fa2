"""Scores of several peers on the same faces: over the classes that all know, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from tfaffect.labels import CLASS_OF_WORD, CLASSES
from tfaffect.runtimes.predictions import with_tag
from tfaffect.scoring.group_tests import holm
from tfaffect.scoring.groups import score_groups
from tfaffect.scoring.scores import PREDICTED, TRUE, score

FIGURES = ("accuracy", "macro_f1", "uar", "ece")


def class_indices(names: Sequence[str]) -> list[int]:
    """Return our index of each of a peer's class names. Raises ValueError for a name that is no class of ours."""
    ours = [CLASS_OF_WORD.get(name.lower()) for name in names]
    if None in ours or len(set(ours)) != len(ours):
        raise ValueError(f"The classes of a peer must be different classes of ours. Received: {list(names)}.")
    return [CLASSES.index(str(name)) for name in ours]


def common_classes(peers: Sequence[Sequence[str]]) -> list[int]:
    """Return our indices of the classes that all peers know, in our order."""
    return sorted(set.intersection(*(set(class_indices(names)) for names in peers)))


def known_faces(table: pd.DataFrame, classes: Sequence[int]) -> pd.DataFrame:
    """Return the faces whose label is one of `classes`; the label is the first class with the largest share."""
    truth = table[[*TRUE]].to_numpy(float)
    labels = truth.argmax(axis=1)
    kept = (truth.sum(axis=1) > 0) & np.isin(labels, classes)
    one_hot = pd.DataFrame(np.eye(len(CLASSES))[labels], columns=[*TRUE], index=table.index)
    return table.assign(**one_hot)[kept]


def over_classes(
    answers: Sequence[Sequence[float] | None], names: Sequence[str], classes: Sequence[int], labels: np.ndarray
) -> np.ndarray:
    """Return a peer's answers as probabilities (n, 8) over `classes` only; they sum to 1.

    names: the peer's own classes, in the order of its answers. labels: the true classes (n,) of the faces. A face
    without an answer counts as a wrong answer with the lowest confidence: the same probability for all wrong classes.
    """
    probabilities, indices = np.zeros((len(answers), len(CLASSES))), class_indices(names)
    for row, (answer, label) in enumerate(zip(answers, labels, strict=True)):
        if answer is not None:
            probabilities[row, indices] = answer
        probabilities[row, [index for index in range(len(CLASSES)) if index not in classes]] = 0
        if not probabilities[row].sum() > 0:
            probabilities[row, [index for index in classes if index != label]] = 1
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def score_peer(table: pd.DataFrame, probabilities: np.ndarray, seed: int = 0, resamples: int = 1000) -> dict[str, Any]:
    """Return the figures {"value", "low", "high"} of FIGURES, `n`, and the `recall` of each class with `support`."""
    predictions = table.assign(**pd.DataFrame(probabilities, columns=[*PREDICTED], index=table.index))
    everyone = {"set": pd.Series("all", index=table.index)}
    grouped = score_groups(predictions, everyone, (), seed, resamples)["set"]["values"]["all"]["expression"]
    rows = score(predictions, seed, 0)["expression"]["classes"]
    recall = {
        name: {"recall": row["recall"], "support": row["support"]} for name, row in rows.items() if row["support"]
    }
    return {"n": grouped["n"], **{name: grouped[name] for name in FIGURES}, "recall": recall}


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return McNemar's exact test of two peers' probabilities (n, 8) for the true classes (n,).

    `first` and `second` count the faces that only this peer has right; `p` is two-sided.
    """
    right, other = first.argmax(axis=1) == labels, second.argmax(axis=1) == labels
    only, only_other = int((right & ~other).sum()), int((other & ~right).sum())
    discordant = only + only_other
    return {"first": only, "second": only_other, "p": binomtest(only, discordant).pvalue if discordant else 1.0}


def score_all(
    table: pd.DataFrame, replies: Mapping[str, Mapping[str, Any]], ours: Sequence[str], tags: Sequence[str]
) -> dict[str, Any]:
    """Score the replies of all peers, by name, under each protocol, which is a tag of the records or "" for all.

    table: a row per face, in the order of the answers. ours: the names that are compared with each of the others. The
    p values of all tests are corrected together (Holm).
    """
    classes = common_classes([reply["classes"] for reply in replies.values()])
    whole = table.reset_index(drop=True)
    result: dict[str, Any] = {"classes": [CLASSES[index] for index in classes], "protocols": {}}
    tests = []
    for tag in tags:
        faces = known_faces(with_tag(whole, tag), classes)
        labels = faces[[*TRUE]].to_numpy(float).argmax(axis=1)
        answers = {
            name: over_classes([reply["answers"][row] for row in faces.index], reply["classes"], classes, labels)
            for name, reply in replies.items()
        }
        scores = {name: score_peer(faces, probabilities) for name, probabilities in answers.items()}
        pairs = [(one, other) for one in ours for other in answers if other not in ours]
        own = [{"ours": a, "peer": b, **compare(answers[a], answers[b], labels)} for a, b in pairs]
        result["protocols"][tag or "all records"] = {"scores": scores, "tests": own}
        tests += own
    for test, corrected in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = corrected
    return result
