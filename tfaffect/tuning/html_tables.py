"""The tables of a search's report, as HTML."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from tfaffect.config import Config
from tfaffect.scoring.group_tables import format_p
from tfaffect.scoring.page import compose_table, compose_tile
from tfaffect.tuning import verdict
from tfaffect.tuning.findings import Findings, Knob
from tfaffect.tuning.formatting import format_duration, format_flags, format_value
from tfaffect.tuning.settings import COMBINATIONS
from tfaffect.tuning.statistics import CONTRASTS, Effect, paired_test, scores_by_seed

CORPUS = "corpus_weights/"
"""Prefix of the knob that is the weight of one corpus."""


def compose_facts(findings: Findings) -> str:
    """The settings of the search, and its progress."""
    settings, trials = findings.settings, findings.trials
    states = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
    recipe = json.loads(json.dumps(asdict(Config()), default=str))
    changed = {name: value for name, value in settings["config"].items() if value != recipe.get(name)}
    facts = {
        "objective": f"{findings.metric.title} on the validation split, of the model that a trial saves",
        "strategy": settings["strategy"],
        "corpora": " ".join(settings["config"].get("corpora", ())),
        "base config": f"the recipe with {format_flags(changed)}" if changed else "the recipe",
        "knobs": ", ".join(knob.name for knob in findings.knobs),
        "seed": format_value(settings.get("seed")),
        "trials": f"{len(trials)} of {format_value(settings.get('trials'))} started"
        + (f": {states}" if states else "")
        + f"\n{verdict.explain_end(findings)}".rstrip(),
        "training time": format_duration(trials["seconds"].sum()),
        "command": settings.get("command"),
    }
    return compose_table(None, [[name, value] for name, value in facts.items() if value], "The search")


def compose_tiles(findings: Findings) -> str:
    """The best score and that of the base config as large numbers; nothing without a score."""
    if findings.best is None:
        return ""
    tiles, rows = [], {f"best {findings.metric.title}": findings.best, "base config": findings.base}
    for title, row in rows.items():
        if row is not None:
            place = f"trial {row['trial']}, epoch {format_value(row['best_epoch'])}"
            tiles.append(compose_tile(title, findings.metric.format(row["score"]), place))
    total = f"of {format_value(findings.settings.get('trials'))} trials"
    return f"<div class='tiles'>{''.join(tiles)}{compose_tile('finished', str(len(findings.done)), total)}</div>"


def compose_best(findings: Findings, folder: Path) -> str:
    """The knobs of the best trial that differ from the base config, and how to train with them."""
    best = findings.best
    if best is None:
        return ""
    changed = [knob for knob in findings.knobs if _differs(knob, best[knob.name])]
    if not changed:
        return "<h2>The best config</h2><p>It is the base config, unchanged.</p>"
    command = f"tfaffect train --config {shlex.quote(str(folder / 'best' / 'config.json'))} --run RUN"
    usage = [["to train with it", command], ["changed flags", format_flags(_fields(findings, best, changed))]]
    header = ["knob", "searched", "base config", "best"]
    rows = [[knob.name, _format_range(knob), knob.default, best[knob.name]] for knob in changed]
    texts = [[*map(format_value, row)] for row in rows]
    table = compose_table(header, texts, "The best config", pd.DataFrame(rows, columns=header, dtype=object))
    return f"<h2>The best config</h2>{table}{compose_table(None, usage, 'How to use it')}"


def _fields(findings: Findings, best: pd.Series, changed: list[Knob]) -> dict[str, object]:
    """The changed fields of the config; the weights of all corpora are one field."""
    config, fields = findings.settings["config"], {knob.name: best[knob.name] for knob in changed}
    drawn = {name.removeprefix(CORPUS): fields.pop(name) for name in [*fields] if name.startswith(CORPUS)}
    if drawn:
        weights = config["corpus_weights"] or [1.0] * len(config["corpora"])
        fields["corpus_weights"] = [*(dict(zip(config["corpora"], weights, strict=True)) | drawn).values()]
    return fields


def _format_range(knob: Knob) -> str:
    """The range or the choices of a knob."""
    if not knob.numeric:
        return ", ".join(knob.choices)
    return f"{format_value(knob.low)} to {format_value(knob.high)}{', log' if knob.log else ''}"


def _differs(knob: Knob, value: Any) -> bool:
    """Whether a trial uses a knob, with another value than the base config; trials.csv may have rounded it."""
    if pd.isna(value):
        return False
    if knob.numeric and knob.default is not None:
        return abs(value - knob.default) > 1e-9 * abs(knob.default)
    return str(value) != str(knob.default)


def compose_trials(findings: Findings) -> str:
    """Every trial, from the best to those without a score."""
    if findings.trials.empty:
        return "<p>No trial has started.</p>"
    formats: dict[str, Callable[[Any], str]] = {"score": findings.metric.format, "seconds": format_duration}
    first = ["trial", "score", "status"]
    columns = [*first, *findings.trials.columns.drop([*first, "reason", "config"])]
    ordered = findings.trials.sort_values("score", ascending=False, kind="stable")
    rows = [[formats.get(name, format_value)(row[name]) for name in columns] for _, row in ordered.iterrows()]
    titles = {"score": findings.metric.title, "seconds": "time"}
    header = [titles.get(name, name.replace("_", " ")) for name in columns]
    return compose_table(header, rows, "All trials", findings.trials.drop(columns="config"))


def compose_failures(findings: Findings) -> str:
    """The reason of each failed trial; nothing if none failed."""
    failed = findings.trials[findings.trials["status"] == "failed"]
    rows = [[row["trial"], format_value(row["reason"])] for _, row in failed.iterrows()]
    return f"<h2>Why trials failed</h2>{compose_table(None, rows, 'Failed trials')}" if rows else ""


def compose_combinations(findings: Findings) -> str:
    """Mean and standard deviation over the seeds of each combination, and every score."""
    table, metric = scores_by_seed(findings.done), findings.metric
    rows, exact = [], []
    for techniques, name in COMBINATIONS.items():
        scores = table[techniques]
        mean, deviation, count = scores.agg(["mean", "std", "count"])
        exact.append([name, mean, deviation, count, *scores])
        spread = metric.format_difference(deviation, "") if count > 1 else "-"
        rows.append([name, metric.format(mean), spread, f"{count:.0f}", *map(metric.format, scores)])
    header = ["combination", f"mean {metric.title}", "standard deviation", "seeds"]
    header += [f"seed {seed:.0f}" for seed in table.index]
    return compose_table(header, rows, "The four combinations", pd.DataFrame(exact, columns=header))


def compose_effects(findings: Findings) -> str:
    """The paired test of every contrast of the combinations."""
    table = scores_by_seed(findings.done)
    effects = {name: paired_test(table, weights) for name, weights in CONTRASTS.items()}
    rows = [[name, *_format_effect(findings, effect)] for name, effect in effects.items()]
    header = ["difference", "mean", "95 % interval", "t", "degrees of freedom", "p"]
    exact = pd.DataFrame([{"difference": name, **asdict(effect)} for name, effect in effects.items()], dtype=object)
    return compose_table(header, rows, "Paired tests", exact)


def _format_effect(findings: Findings, effect: Effect) -> list[str]:
    difference = findings.metric.format_difference
    mean = "-" if effect.mean is None else difference(effect.mean)
    if effect.low is None or effect.high is None:
        return [mean, "-", "-", "-", "-"]
    interval = f"{difference(effect.low).removesuffix(' points')} to {difference(effect.high)}"
    return [mean, interval, f"{effect.t:.2f}", str(effect.seeds - 1), format_p(effect.p)]
