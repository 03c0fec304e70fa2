"""What a search was asked for: search.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from tfaffect.config import Config, from_values
from tfaffect.errors import UsageError
from tfaffect.files import atomic

FILE = "search.json"

Strategy = Literal["random", "bayesian", "hyperband", "combinations"]
Objective = Literal["selection", "accuracy", "uar", "macro_f1", "ccc_valence", "ccc_arousal", "ccc"]

TECHNIQUES = ("gradual_unfreezing", "discriminative_rates")
COMBINATIONS = (("off", "off"), ("on", "off"), ("off", "on"), ("on", "on"))
"""Gradual unfreezing and discriminative rates in all combinations, plain training first."""


@dataclass(frozen=True)
class Settings:
    """All that decides which trials a search makes; `knobs` are fields of Config, () for all that can matter."""

    config: Config
    strategy: Strategy = "random"
    objective: Objective = "selection"
    trials: int = 20
    seeds: int = 3
    knobs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trials < 1 or self.seeds < 1:
            raise UsageError(
                f"--trials and --seeds must be at least 1. Received: trials={self.trials}, seeds={self.seeds}."
            )
        if not self.config.corpora:
            raise UsageError("A search needs corpora to train on. Name one at least with --corpora.")

    def save(self, out: Path, space: list[dict[str, Any]], command: str) -> None:
        """Write search.json; `space` says what is searched, see `space.describe`."""
        values = {
            "strategy": self.strategy,
            "objective": self.objective,
            "direction": "max",
            "trials": self.trials,
            "seeds": self.seeds,
            "seed": self.config.seed,
            "config": {name: str(v) if isinstance(v, Path) else v for name, v in asdict(self.config).items()},
            "asked_knobs": self.knobs,
            "knobs": space,
            "command": command,
        }
        with atomic.write_file(out / FILE) as partial:
            partial.write_text(json.dumps(values, indent=2) + "\n")


def load(out: Path) -> Settings:
    """Read the settings of a search. Raises UsageError for a folder that has none."""
    try:
        values = json.loads((out / FILE).read_text())
        own = {name: values[name] for name in ("strategy", "objective", "trials", "seeds")}
        return Settings(from_values(values["config"]), **own, knobs=tuple(values["asked_knobs"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{out} is not the folder of a search: {error}. Name another one with --out.") from error


def check_same(given: Settings, saved: Settings, out: Path) -> None:
    """Raise UsageError where a search that goes on would be another one; an `auto` is what it was decided to be."""
    autos = {name: value for name, value in vars(saved.config).items() if getattr(given.config, name) == "auto"}
    now = replace(given, config=replace(given.config, records=given.config.records.absolute(), **autos))
    told = {**vars(now), **vars(now.config)}
    began = {**vars(saved), **vars(saved.config)}
    names = [field.name for kind in (Settings, Config) for field in fields(kind) if field.name != "config"]
    different = [f"{name} {began[name]}, now {told[name]}" for name in names if told[name] != began[name]]
    if different:
        raise UsageError(
            f"{out} holds another search. It began with {'; '.join(different)}. Name another --out, or go on with "
            f"python -m tfaffect.search --resume {out}"
        )
