"""The objectives of a search: how a report shows them, which labels they need, and the score of a trial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfaffect.config import load as load_config
from tfaffect.errors import UsageError
from tfaffect.labels import HEADS
from tfaffect.scoring.formatting import format_score

if TYPE_CHECKING:
    from tfaffect.records.prepared import Prepared

# TensorFlow is imported where it is used: a report needs none.


@dataclass(frozen=True)
class Metric:
    """A metric: its title, the heads that need labels, its columns of history.csv, and whether it is a share.

    The score of an epoch is the mean of the columns.
    """

    title: str
    heads: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    share: bool = False

    @property
    def factor(self) -> float:
        """Multiplies a score for display: shares are shown as percentages."""
        return 100 if self.share else 1

    @property
    def label(self) -> str:
        """The label of an axis."""
        return f"{self.title}, %" if self.share else self.title

    def format(self, score: float | None) -> str:
        """A score as text, "-" if there is none."""
        return format_score("accuracy" if self.share else "ccc", score)

    def format_difference(self, difference: float, sign: str = "+") -> str:
        """A difference of two scores as text, of shares in points; `sign` as in a format specification."""
        return f"{100 * difference:{sign}.1f} points" if self.share else f"{difference:{sign}.3f}"

    def curve(self, history: pd.DataFrame) -> pd.Series | None:
        """The score of each epoch of a history, or None if it lacks the columns."""
        if not self.columns or not {"epoch", *self.columns} <= {*history}:
            return None
        return history.set_index("epoch")[[*self.columns]].mean(axis=1, skipna=False)


METRICS = {
    "selection": Metric("selection metric", columns=("selection",)),  # of the heads that have labels
    "accuracy": Metric("accuracy", ("expression",), ("val_expression_accuracy",), share=True),
    "uar": Metric("UAR", ("expression",), ("val_expression_uar",), share=True),
    "macro_f1": Metric("macro F1", ("expression",), share=True),
    "ccc_valence": Metric("CCC valence", ("valence",), ("val_valence_ccc",)),
    "ccc_arousal": Metric("CCC arousal", ("arousal",), ("val_arousal_ccc",)),
    "ccc": Metric("mean CCC", ("valence", "arousal"), ("val_valence_ccc", "val_arousal_ccc")),
}
"""The metric of each objective. history.csv has no macro F1: it is computed from the saved model alone."""


def check_labels(objective: str, corpora: list[Prepared]) -> None:
    """Raise UsageError if the corpora lack the labels for an objective."""
    from tfaffect.records.prepared import labelled_heads

    labelled = {*labelled_heads(corpora, "train")} & {*labelled_heads(corpora, "validation")}
    if missing := [head for head in METRICS[objective].heads if head not in labelled]:
        has = ", ".join(head for head in HEADS if head in labelled) or "nothing"
        raise UsageError(
            f"--objective {objective} needs labels of {', '.join(missing)} for training and validation. "
            f"Received corpora that have {has}."
        )


def score(run: Path, objective: str) -> dict[str, Any]:
    """Return the score of model.keras in a run folder, its epoch (from 1), and the number of trained epochs.

    model.keras is from the epoch that the config keeps. The maximum over all epochs would be higher by chance, and no
    saved model would have it. Raises ValueError for a score that is not finite.
    """
    history = pd.read_csv(run / "history.csv")
    last = load_config(run / "config.json").keep == "last"
    best = history.iloc[-1] if last else history.loc[history["selection"].idxmax()]
    value = _macro_f1(run) if objective == "macro_f1" else best[[*METRICS[objective].columns]].mean(skipna=False)
    if not math.isfinite(value):
        raise ValueError(f"The score is not a finite number. Received: {objective}={value}.")
    return {"score": float(value), "best_epoch": int(best["epoch"]), "epochs": len(history)}


def _macro_f1(run: Path) -> float:
    from tfaffect.runtimes.opening import open_model
    from tfaffect.runtimes.predictions import predict_validation
    from tfaffect.scoring import scores

    predictions, _ = predict_validation(open_model(run), load_config(run / "config.json"))
    return scores.score(predictions, resamples=0)["expression"]["macro_f1"]["value"]
