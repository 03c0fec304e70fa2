"""What a search maximises: the figure of the model that a run has kept, on the validation split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tfaffect.config import load as load_config
from tfaffect.errors import UsageError
from tfaffect.labels import HEADS
from tfaffect.records.prepared import Prepared, labelled_heads
from tfaffect.tuning.measure import measure

NEEDS = {
    **dict.fromkeys(("accuracy", "uar", "macro_f1"), ("expression",)),
    "ccc_valence": ("valence",),
    "ccc_arousal": ("arousal",),
    "ccc": ("valence", "arousal"),
}
"""The heads that must have learned, and be scored, for an objective; the selection metric takes those there are."""


@dataclass(frozen=True)
class Score:
    """The score of a run, the epoch that model.keras is of, counted from 1, and the epochs that were trained."""

    score: float
    best_epoch: int
    epochs: int


def require(objective: str, corpora: list[Prepared]) -> None:
    """Raise UsageError when the corpora have no labels for an objective."""
    scored = {*labelled_heads(corpora, "train")} & {*labelled_heads(corpora, "validation")}
    if missing := [head for head in NEEDS.get(objective, ()) if head not in scored]:
        has = ", ".join(head for head in HEADS if head in scored) or "nothing"
        raise UsageError(
            f"--objective {objective} needs labels of {', '.join(missing)} to train and to validate with. "
            f"Received corpora that have {has}."
        )


def score(run: Path, objective: str) -> Score:
    """Return the score of a run folder: that of model.keras, which is of the epoch that its config keeps.

    Not the highest that any epoch had: of a figure that jumps between epochs that would be the luckiest, and of a model
    that nobody has. Macro F1 is no column of history.csv; model.keras is evaluated for it. Raises ValueError for a
    score that is no number.
    """
    history = pd.read_csv(run / "history.csv")
    last = load_config(run / "config.json").keep == "last"
    best = history.iloc[-1] if last else history.loc[history["selection"].idxmax()]
    value = _macro_f1(run) if objective == "macro_f1" else best[[*measure(objective).columns]].mean(skipna=False)
    if not math.isfinite(value):
        raise ValueError(f"The score is no number. Received: {objective}={value}.")
    return Score(float(value), int(best["epoch"]), len(history))


def _macro_f1(run: Path) -> float:
    from tfaffect.networks import model as models
    from tfaffect.runtimes.predictions import predict_validation
    from tfaffect.scoring import scores

    predictions, _ = predict_validation(*models.load(run), load_config(run / "config.json"))
    return scores.score(predictions, resamples=0)["expression"]["macro_f1"]["value"]
