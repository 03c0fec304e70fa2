"""The settings of a search, and search.json, which keeps them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from tfaffect.config import Config, from_values
from tfaffect.errors import UsageError
from tfaffect.files import atomic

FILE = "search.json"
OWN = ("strategy", "objective", "trials", "seeds")
"""Fields of Settings that have the same name in search.json."""

Strategy = Literal["random", "bayesian", "hyperband", "combinations"]
Objective = Literal["selection", "accuracy", "uar", "macro_f1", "ccc_valence", "ccc_arousal", "ccc"]

TECHNIQUES = ("gradual_unfreezing", "discriminative_rates")
PLAIN, UNFREEZING, RATES, BOTH = ("off", "off"), ("on", "off"), ("off", "on"), ("on", "on")
COMBINATIONS = {PLAIN: "plain training", UNFREEZING: "gradual unfreezing", RATES: "discriminative rates", BOTH: "both"}
"""The four values of (gradual_unfreezing, discriminative_rates), and their names in a report."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides which trials a search runs.

    `knobs` are the searched hyperparameters, by their names in Config; () searches all that have an effect.
    """

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
            raise UsageError("A search needs corpora to train on. Name at least one with --corpora.")

    def save(self, out: Path, space: list[dict[str, Any]], command: str) -> None:
        """Write search.json; `space` is what `space.describe` returns."""
        values = {
            **{name: getattr(self, name) for name in OWN},
            "direction": "max",
            "seed": self.config.seed,
            "config": asdict(self.config),
            "asked_knobs": self.knobs,
            "knobs": space,
            "command": command,
        }
        with atomic.write_file(out / FILE) as partial:
            partial.write_text(json.dumps(values, indent=2, default=str) + "\n")


def load(out: Path) -> Settings:
    """Read the settings of a search. Raises UsageError if the folder holds no search."""
    try:
        values = json.loads((out / FILE).read_text())
        own = {name: values[name] for name in OWN}
        return Settings(from_values(values["config"]), **own, knobs=tuple(values["asked_knobs"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{out} is not the folder of a search: {error}. Name another one with --out.") from error


def load_same(given: Settings, out: Path) -> Settings:
    """Read the settings of a search. Raises UsageError if the given ones differ; `auto` accepts the saved value."""
    saved = load(out)
    autos = {name: value for name, value in vars(saved.config).items() if getattr(given.config, name) == "auto"}
    given = replace(given, config=replace(given.config, records=given.config.records.absolute(), **autos))
    new, old = ({**vars(settings), **vars(settings.config)} for settings in (given, saved))
    names = [field.name for kind in (Settings, Config) for field in fields(kind) if field.name != "config"]
    if different := [f"{name} {old[name]}, now {new[name]}" for name in names if new[name] != old[name]]:
        raise UsageError(
            f"{out} holds another search. It started with {'; '.join(different)}. Name another folder with --out, or "
            f"resume that search: tfaffect search --resume {out}"
        )
    return saved


def count_configs(knobs: Iterable[Mapping[str, Any]]) -> float:
    """Return how many configs the knobs in search.json allow: infinitely many if one is a real number."""
    return math.prod(
        math.inf if knob["kind"] == "float" else len(knob.get("choices", ())) or knob["high"] - knob["low"] + 1
        for knob in knobs
    )
