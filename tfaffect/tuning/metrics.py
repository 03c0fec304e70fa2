"""The metrics that a search can maximise: their titles, curves and number formats."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Metric:
    """A metric: its title, the columns of history.csv whose mean it is (if any), and whether it is a share."""

    title: str
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
        if score is None or pd.isna(score):
            return "-"
        return f"{100 * score:.1f} %" if self.share else f"{score:.3f}"

    def format_difference(self, difference: float, sign: str = "+") -> str:
        """A difference of two scores as text, of shares in points; `sign` as in a format specification."""
        return f"{100 * difference:{sign}.1f} points" if self.share else f"{difference:{sign}.3f}"

    def curve(self, history: pd.DataFrame) -> pd.Series | None:
        """The score of each epoch of a history, or None if it lacks the columns."""
        if not self.columns or not {"epoch", *self.columns} <= {*history}:
            return None
        return history.set_index("epoch")[[*self.columns]].mean(axis=1, skipna=False)


METRICS = {
    "selection": Metric("selection metric", ("selection",)),
    "accuracy": Metric("accuracy", ("val_expression_accuracy",), share=True),
    "uar": Metric("UAR", ("val_expression_uar",), share=True),
    "macro_f1": Metric("macro F1", share=True),
    "ccc_valence": Metric("CCC valence", ("val_valence_ccc",)),
    "ccc_arousal": Metric("CCC arousal", ("val_arousal_ccc",)),
    "ccc": Metric("mean CCC", ("val_valence_ccc", "val_arousal_ccc")),
}
"""The metric of each objective. history.csv has no macro F1: it is computed from the saved model alone."""


def get_metric(objective: str) -> Metric:
    """The metric of an objective; an unknown one has its name as title, and no curves."""
    return METRICS.get(objective, Metric(objective))
