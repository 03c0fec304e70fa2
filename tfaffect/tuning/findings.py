"""The state of a search, read from its folder: settings, knobs, trials and their learning curves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.tuning.objectives import METRICS, Metric
from tfaffect.tuning.settings import TECHNIQUES
from tfaffect.tuning.trial_records import COLUMNS, TABLE

TEXTS = ("trial", "status", "reason")
"""The columns of trials.csv that are not numbers."""


@dataclass(frozen=True)
class Knob:
    """A hyperparameter of the search: a field of the config, its range or choices, and the base config's value."""

    name: str
    kind: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    default: Any = None

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers on an axis."""
        return self.kind != "choice"


@dataclass(frozen=True)
class Findings:
    """The results of a search so far.

    Attributes:
      settings: the content of search.json.
      knobs: in the order of the settings.
      trials: a row per trial in order of start, indexed from 0: the columns of trials.csv, numbers as float and choices
        as text, and `config`, an integer that is equal for trials with equal knobs.
      curves: the `curve_metric` by epoch, for each trial that has finished an epoch.
    """

    settings: dict[str, Any]
    knobs: tuple[Knob, ...]
    trials: pd.DataFrame
    curves: dict[str, pd.Series]

    @property
    def metric(self) -> Metric:
        """The objective."""
        return METRICS[self.settings["objective"]]

    @property
    def curve_metric(self) -> Metric:
        """The metric of the learning curves: the objective, or the selection metric if no epoch has the objective."""
        return self.metric if self.metric.columns else METRICS["selection"]

    @property
    def compares_techniques(self) -> bool:
        """Whether the search compares the combinations of the two techniques."""
        return self.settings["strategy"] == "combinations"

    @cached_property
    def done(self) -> pd.DataFrame:
        """The trials with a score."""
        return self.trials[(self.trials["status"] != "failed") & np.isfinite(self.trials["score"])]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The same, with only the longest trial of each config and seed."""
        ordered = self.done.sort_values("epochs", kind="stable")
        return ordered.drop_duplicates(["config", "seed"], keep="last").sort_index()

    @property
    def best(self) -> pd.Series | None:
        """The trial with the highest score, the earliest on ties."""
        return self.done.loc[self.done["score"].idxmax()] if len(self.done) else None

    @property
    def base(self) -> pd.Series | None:
        """The trial of the base config, which is the first one; None without a score, and for combinations."""
        own = self.runs[self.runs["config"] == self.trials["config"].get(0)]
        return None if own.empty or self.compares_techniques else own.iloc[0]


def read(folder: Path) -> Findings:
    """Read the folder of a search, finished or not. Raises UsageError for any other folder."""
    try:
        settings = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is not the folder of a search: {error}") from error
    knobs = tuple(
        Knob(**{**fields, "choices": tuple(map(str, fields.get("choices", ())))}) for fields in settings["knobs"]
    )
    techniques = TECHNIQUES if settings["strategy"] == "combinations" else ()
    trials = _read_trials(folder / TABLE, [*techniques, *(knob.name for knob in knobs)], knobs)
    findings = Findings(settings, knobs, trials, {})
    for trial in trials["trial"]:
        path = folder / "trials" / trial / "history.csv"
        curve = findings.curve_metric.curve(pd.read_csv(path)) if path.exists() else None
        if curve is not None and curve.notna().any():
            findings.curves[trial] = curve
    return findings


def _read_trials(path: Path, searched: list[str], knobs: tuple[Knob, ...]) -> pd.DataFrame:
    # Everything is read as text first: a trial may be called 0003, and choices may look like numbers.
    table = pd.read_csv(path, dtype=str) if path.exists() else pd.DataFrame()
    table = table.reindex(columns=[*COLUMNS, *searched])
    for name in [*(name for name in COLUMNS if name not in TEXTS), *(knob.name for knob in knobs if knob.numeric)]:
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    return table.assign(config=table.groupby(searched, dropna=False, sort=False).ngroup() if searched else 0)
