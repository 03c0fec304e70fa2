"""trials.csv: a row per trial of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tfaffect.config import Config
from tfaffect.files import atomic
from tfaffect.tuning import trial_records

FILE = "trials.csv"
COLUMNS = ("trial", "status", "reason", "score", "best_epoch", "epochs", "seconds", "seed")
"""The columns before those of the knobs."""


def make_rows(
    out: Path, trials: Mapping[str, tuple[str, Config, Mapping[str, Any]]], knobs: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row per trial, in order of start; `trials` has the status, config and active knobs of each.

    Only a trial that is done has a score. When Hyperband promotes it, it has none until it is done again.
    """
    rows = []
    for name, (status, config, values) in trials.items():
        record = trial_records.load(trial_records.record_path(out, name))
        row = {column: getattr(record, column, None) for column in COLUMNS}
        row |= {"trial": name, "status": status, "seed": config.seed, "seconds": round(record.seconds, 1)}
        row |= {} if status == "done" else {"score": None, "best_epoch": None}
        rows.append(row | {knob: _value(config, values, knob) for knob in knobs})
    return rows


def write(out: Path, rows: Sequence[Mapping[str, Any]], knobs: Sequence[str]) -> None:
    """Write trials.csv."""
    with atomic.write_file(out / FILE) as partial:
        pd.DataFrame(rows, columns=[*COLUMNS, *knobs]).to_csv(partial, index=False)


def best_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row with the highest score, the earliest on ties."""
    return max((row for row in rows if row["score"] is not None), key=lambda row: row["score"], default=None)


def _value(config: Config, values: Mapping[str, Any], knob: str) -> Any:
    """The value of a knob in a config; None if the trial does not use it."""
    if knob not in values:
        return None
    name, _, corpus = knob.partition("/")
    value = getattr(config, name)
    return value[config.corpora.index(corpus)] if corpus else value
