"""The score of a trial: one metric of its saved model on the validation split."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from tfaffect.config import load as load_config
from tfaffect.errors import UsageError
from tfaffect.labels import HEADS
from tfaffect.records.prepared import Prepared, labelled_heads
from tfaffect.tuning.metrics import get_metric

REQUIRED_HEADS = {
    **dict.fromkeys(("accuracy", "uar", "macro_f1"), ("expression",)),
    "ccc_valence": ("valence",),
    "ccc_arousal": ("arousal",),
    "ccc": ("valence", "arousal"),
}
"""The heads that need labels for an objective; the selection metric uses those that have some."""


def check_labels(objective: str, corpora: list[Prepared]) -> None:
    """Raise UsageError if the corpora lack the labels for an objective."""
    labelled = {*labelled_heads(corpora, "train")} & {*labelled_heads(corpora, "validation")}
    if missing := [head for head in REQUIRED_HEADS.get(objective, ()) if head not in labelled]:
        has = ", ".join(head for head in HEADS if head in labelled) or "nothing"
        raise UsageError(
            f"--objective {objective} needs labels of {', '.join(missing)} for training and validation. "
            f"Received corpora that have {has}."
        )


def score(run: Path, objective: str) -> dict[str, Any]:
    """Return the score of model.keras in a run folder, its epoch (from 1), and the number of trained epochs.

    model.keras is from the epoch that the config keeps. The maximum over all epochs would be higher by chance, and no
    saved model would have it. history.csv has no macro F1, so model.keras is evaluated for it. Raises ValueError for a
    score that is not finite.
    """
    history = pd.read_csv(run / "history.csv")
    last = load_config(run / "config.json").keep == "last"
    best = history.iloc[-1] if last else history.loc[history["selection"].idxmax()]
    value = _macro_f1(run) if objective == "macro_f1" else best[[*get_metric(objective).columns]].mean(skipna=False)
    if not math.isfinite(value):
        raise ValueError(f"The score is not a finite number. Received: {objective}={value}.")
    return {"score": float(value), "best_epoch": int(best["epoch"]), "epochs": len(history)}


def _macro_f1(run: Path) -> float:
    from tfaffect.networks import model as models
    from tfaffect.runtimes.predictions import predict_validation
    from tfaffect.scoring import scores

    predictions, _ = predict_validation(*models.load(run), load_config(run / "config.json"))
    return scores.score(predictions, resamples=0)["expression"]["macro_f1"]["value"]
