"""The objective of a search in words and numbers: its title, its figure of each epoch, how it is spelled."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Measure:
    """An objective: its title, the columns of history.csv whose mean it is, if any, and whether it is a share."""

    title: str
    columns: tuple[str, ...] = ()
    share: bool = False

    @property
    def factor(self) -> float:
        """What a score is multiplied by for people: shares are percentages."""
        return 100 if self.share else 1

    @property
    def label(self) -> str:
        """The name of an axis."""
        return f"{self.title}, %" if self.share else self.title

    def spell(self, score: float | None) -> str:
        """A score as people read it, "-" where there is none."""
        if score is None or pd.isna(score):
            return "-"
        return f"{100 * score:.1f} %" if self.share else f"{score:.3f}"

    def spell_difference(self, difference: float, sign: str = "+") -> str:
        """A difference of two scores, of shares in points; `sign` as in a format specification."""
        return f"{100 * difference:{sign}.1f} points" if self.share else f"{difference:{sign}.3f}"

    def curve(self, history: pd.DataFrame) -> pd.Series | None:
        """The score of every epoch of a history, or None when it lacks the columns."""
        if not self.columns or not {"epoch", *self.columns} <= {*history}:
            return None
        return history.set_index("epoch")[[*self.columns]].mean(axis=1, skipna=False)


MEASURES = {
    "selection": Measure("selection metric", ("selection",)),
    "accuracy": Measure("accuracy", ("val_expression_accuracy",), share=True),
    "uar": Measure("UAR", ("val_expression_uar",), share=True),
    "macro_f1": Measure("macro F1", share=True),
    "ccc_valence": Measure("CCC valence", ("val_valence_ccc",)),
    "ccc_arousal": Measure("CCC arousal", ("val_arousal_ccc",)),
    "ccc": Measure("mean CCC", ("val_valence_ccc", "val_arousal_ccc")),
}
"""What a search can ask for. Macro F1 is no column of history.csv: only kept models are scored by it."""


def measure(objective: str) -> Measure:
    """The measure of an objective; one that is not known here has no curves, and its name as title."""
    return MEASURES.get(objective, Measure(objective))
