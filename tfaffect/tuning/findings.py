"""What a search has found so far, read from its folder: settings, knobs, trials and their learning curves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.tuning.measure import Measure, measure
from tfaffect.tuning.settings import TECHNIQUES

COLUMNS = ("trial", "status", "reason", "score", "best_epoch", "epochs", "seconds", "seed")
TEXTS = ("trial", "status", "reason")


@dataclass(frozen=True)
class Knob:
    """A field of the config that the search turns, with its range or choices and the base config's own value."""

    name: str
    kind: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    default: float | str | None = None

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers on an axis."""
        return self.kind != "choice"


@dataclass(frozen=True)
class Findings:
    """A search as its folder tells it.

    Attributes:
      settings: what search.json holds.
      knobs: in the order of the settings.
      trials: a row a trial in order of start, indexed from 0: the columns of trials.csv, numbers as float and choices
        as text, and `config`, equal for trials whose knobs are all equal.
      curves: what is `followed` by epoch, for each trial that has finished one.
    """

    settings: dict
    knobs: tuple[Knob, ...]
    trials: pd.DataFrame
    curves: dict[str, pd.Series]

    @property
    def measure(self) -> Measure:
        """The objective."""
        return measure(self.settings["objective"])

    @property
    def followed(self) -> Measure:
        """What the learning curves show: the objective, or the selection metric for one that no epoch has."""
        return self.measure if self.measure.columns else measure("selection")

    @property
    def compares_techniques(self) -> bool:
        """Whether the search is the grid of the two techniques."""
        return self.settings["strategy"] == "combinations"

    @cached_property
    def done(self) -> pd.DataFrame:
        """The trials with a score; one that Hyperband lets go on runs again and has that of before."""
        return self.trials[(self.trials["status"] != "failed") & np.isfinite(self.trials["score"])]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The same without those of a config and seed that another trial trained for longer."""
        ordered = self.done.sort_values("epochs", kind="stable")
        return ordered.drop_duplicates(["config", "seed"], keep="last").sort_index()

    @property
    def best(self) -> pd.Series | None:
        """The trial with the highest score, the earlier of equals."""
        return self.done.loc[self.done["score"].idxmax()] if len(self.done) else None

    @property
    def base(self) -> pd.Series | None:
        """The trial of the base config, which every search but the grid begins with; None while it has no score."""
        own = self.runs[self.runs["config"] == self.trials["config"].get(0)]
        return None if own.empty or self.compares_techniques else own.iloc[0]


def read(folder: Path) -> Findings:
    """Read the folder of a search, at any moment of it. Raises UsageError for a folder of something else."""
    try:
        settings = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is not the folder of a search: {error}") from error
    knobs = tuple(_knob(fields) for fields in settings["knobs"] if fields["name"] not in COLUMNS)  # a grid has the seed
    techniques = TECHNIQUES if settings["strategy"] == "combinations" else ()
    searched = dict.fromkeys([*techniques, *(knob.name for knob in knobs)])
    trials = _trials(folder / "trials.csv", [*searched], [knob.name for knob in knobs if knob.numeric])
    findings = Findings(settings, knobs, trials, {})
    for trial in trials["trial"]:
        curve = _curve(folder / "trials" / trial / "history.csv", findings.followed)
        if curve is not None:
            findings.curves[trial] = curve
    return findings


def _knob(fields: dict) -> Knob:
    own = {name: fields[name] for name in ("name", "kind", "low", "high", "default") if name in fields}
    choices = tuple(map(str, fields.get("choices") or ()))
    return Knob(**own, log=bool(fields.get("log")), choices=choices)


def _trials(path: Path, searched: list[str], numbers: list[str]) -> pd.DataFrame:
    # All as text first: trials are called 0003, and choices may look like numbers.
    table = pd.read_csv(path, dtype=str) if path.exists() else pd.DataFrame()
    table = table.reindex(columns=[*COLUMNS, *searched])
    for name in [*(name for name in COLUMNS if name not in TEXTS), *numbers]:
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    configs = table.groupby(searched, dropna=False, sort=False).ngroup() if searched else 0
    return table.assign(config=configs)


def _curve(path: Path, wanted: Measure) -> pd.Series | None:
    if not path.exists():
        return None
    curve = wanted.curve(pd.read_csv(path))
    return None if curve is None or curve.dropna().empty else curve
