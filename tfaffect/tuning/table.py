"""The trials of a search as a table, and the config of the best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tfaffect.config import Config
from tfaffect.files import atomic
from tfaffect.tuning import records
from tfaffect.tuning.settings import TECHNIQUES, Settings

FILE = "trials.csv"
COLUMNS = ("trial", "status", "reason", "score", "best_epoch", "epochs", "seconds", "seed")


def rows(
    out: Path, settings: Settings, trials: Mapping[str, tuple[str, Config, Mapping[str, Any]]], knobs: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row a trial, in order of start; `trials` gives the status and config of each, and its knobs that apply.

    A score is that of a trial which ended well; Hyperband may let it go on, as `running` again.
    """
    found = []
    for name, (status, config, values) in trials.items():
        record = records.load(records.path_of(out, name))
        row = {column: getattr(record, column, None) for column in COLUMNS}
        row |= {"trial": name, "status": status, "seed": config.seed, "seconds": round(record.seconds, 1)}
        row |= {} if status == "done" else {"score": None, "best_epoch": None}
        if settings.strategy == "combinations":
            row |= {technique: getattr(config, technique) for technique in TECHNIQUES}
        found.append(row | {knob: _value(config, values, knob) for knob in knobs})
    return found


def write(out: Path, found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write trials.csv."""
    with atomic.write_file(out / FILE) as partial:
        pd.DataFrame(found, columns=[*columns]).to_csv(partial, index=False)


def columns(settings: Settings, knobs: Sequence[str]) -> list[str]:
    """Return the columns of trials.csv."""
    return [*COLUMNS, *(TECHNIQUES if settings.strategy == "combinations" else ()), *knobs]


def best(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the row with the highest score, the earlier of equals."""
    scored = [row for row in found if row["score"] is not None]
    return max(scored, key=lambda row: row["score"]) if scored else None


def _value(config: Config, values: Mapping[str, Any], knob: str) -> Any:
    """A knob as the config has it; None where it does not apply to the trial."""
    if knob not in values:
        return None
    name, _, corpus = knob.partition("/")
    value = getattr(config, name)
    return value[config.corpora.index(corpus)] if corpus else value
