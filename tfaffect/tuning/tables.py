"""The tables of a search's report, as HTML."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from tfaffect.config import Config
from tfaffect.scoring.page import compose_table, compose_tile
from tfaffect.tuning.findings import Findings, Knob
from tfaffect.tuning.settings import TECHNIQUES
from tfaffect.tuning.spelling import spell, spell_flags, spell_range, spell_seconds
from tfaffect.tuning.statistics import COMBINATIONS, CONTRASTS, Effect, by_seed, paired

CORPUS = "corpus_weights/"  # before the name of a corpus: the knob of its weight


def compose_facts(findings: Findings) -> str:
    """What was searched, and how far it has come."""
    settings, trials = findings.settings, findings.trials
    states = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
    recipe = json.loads(json.dumps(asdict(Config()), default=str))
    changed = {name: value for name, value in settings["config"].items() if value != recipe.get(name)}
    facts = {
        "objective": f"{findings.measure.title} on the validation split, of the model that a trial keeps",
        "strategy": settings["strategy"],
        "corpora": " ".join(settings["config"].get("corpora", ())),
        "base config": f"the recipe with {spell_flags(changed)}" if changed else "the recipe",
        "knobs": ", ".join(knob.name for knob in findings.knobs),
        "seed": spell(settings.get("seed")),
        "trials": f"{len(trials)} of {spell(settings.get('trials'))} started" + (f": {states}" if states else ""),
        "training took": spell_seconds(trials["seconds"].sum()),
        "command": settings.get("command"),
    }
    return compose_table(None, [[name, value] for name, value in facts.items() if value])


def compose_tiles(findings: Findings) -> str:
    """The best score and that of base config in large, nothing before the first."""
    best, base, measure = findings.best, findings.base, findings.measure
    if best is None:
        return ""
    place = f"trial {best['trial']}, epoch {spell(best['best_epoch'])}"
    tiles = [compose_tile(f"best {measure.title}", measure.spell(best["score"]), place)]
    if base is not None:
        own = f"trial {base['trial']}, epoch {spell(base['best_epoch'])}"
        tiles.append(compose_tile("base config", measure.spell(base["score"]), own))
    asked = f"of {spell(findings.settings.get('trials'))} trials"
    tiles.append(compose_tile("finished", str(len(findings.done)), asked))
    return f"<div class='tiles'>{''.join(tiles)}</div>"


def compose_best(findings: Findings, folder: Path) -> str:
    """The best trial's knobs that differ from the base config, and how to train with them."""
    best = findings.best
    if best is None:
        return ""
    changed = [knob for knob in findings.knobs if _differs(knob, best[knob.name])]
    if not changed:
        return "<h2>The best config</h2><p>It is the base config, unchanged.</p>"
    rows = [[knob.name, spell_range(knob), spell(knob.default), spell(best[knob.name])] for knob in changed]
    start = f"python train.py --config {shlex.quote(str(folder / 'best' / 'config.json'))} --run RUN"
    ways = [["to train with it", start], ["changed flags", spell_flags(_fields(findings, changed))]]
    table = compose_table(["knob", "searched", "base config", "best"], rows)
    return f"<h2>The best config</h2>{table}<p></p>{compose_table(None, ways)}"


def _fields(findings: Findings, changed: list[Knob]) -> dict[str, object]:
    """The best trial's fields of the config; the weights of single corpora are knobs, and one field together."""
    best, config = findings.best, findings.settings["config"]
    fields = {knob.name: best[knob.name] for knob in changed if not knob.name.startswith(CORPUS)}
    drawn = {knob.name.removeprefix(CORPUS): best[knob.name] for knob in changed if knob.name.startswith(CORPUS)}
    if drawn:
        weights = config["corpus_weights"] or [1.0] * len(config["corpora"])
        fields["corpus_weights"] = [*(dict(zip(config["corpora"], weights, strict=True)) | drawn).values()]
    return fields


def _differs(knob: Knob, value: object) -> bool:
    """Whether a knob applies and is not at the base config's value; trials.csv may have lost the last digits."""
    if pd.isna(value):
        return False
    if knob.numeric and knob.default is not None:
        return abs(value - knob.default) > 1e-9 * abs(knob.default)
    return str(value) != str(knob.default)


def compose_trials(findings: Findings) -> str:
    """Every trial, the best first and those without a score last."""
    if findings.trials.empty:
        return "<p>None has started.</p>"
    techniques = TECHNIQUES if findings.compares_techniques else ()
    names = dict.fromkeys([*techniques, *(knob.name for knob in findings.knobs)])
    rows = []
    for _, row in findings.trials.sort_values("score", ascending=False, kind="stable").iterrows():
        facts = [findings.measure.spell(row["score"]), spell(row["status"]), spell(row["best_epoch"])]
        facts += [spell(row["epochs"]), spell_seconds(row["seconds"]), spell(row["seed"])]
        rows.append([row["trial"], *facts, *(spell(row[name]) for name in names)])
    header = ["trial", findings.measure.title, "status", "best epoch", "epochs", "time", "seed"]
    return compose_table([*header, *(name.replace("_", " ") for name in names)], rows)


def compose_failures(findings: Findings) -> str:
    """Why trials failed, nothing when none did."""
    failed = findings.trials[findings.trials["status"] == "failed"]
    rows = [[row["trial"], spell(row["reason"])] for _, row in failed.iterrows()]
    return f"<h2>Why trials failed</h2>{compose_table(None, rows)}" if rows else ""


def compose_combinations(findings: Findings) -> str:
    """Mean and deviation over the seeds of each of the four combinations, and every score."""
    table, measure = by_seed(findings.done), findings.measure
    rows = []
    for techniques, name in COMBINATIONS.items():
        scores = table[techniques]
        deviation = measure.spell_difference(scores.std(), "") if scores.count() > 1 else "-"
        figures = [measure.spell(scores.mean()), deviation, str(scores.count())]
        rows.append([name, *figures, *map(measure.spell, scores)])
    header = ["combination", f"mean {measure.title}", "standard deviation", "seeds"]
    return compose_table([*header, *(f"seed {seed:.0f}" for seed in table.index)], rows)


def compose_effects(findings: Findings) -> str:
    """The paired test of every contrast of the combinations."""
    table = by_seed(findings.done)
    rows = [[name, *_spell_effect(findings, paired(table, weights))] for name, weights in CONTRASTS.items()]
    return compose_table(["difference", "mean", "95 % interval", "t", "degrees of freedom", "p"], rows)


def _spell_effect(findings: Findings, effect: Effect) -> list[str]:
    spelled = findings.measure.spell_difference
    mean = "-" if effect.mean is None else spelled(effect.mean)
    if effect.p is None:
        return [mean, "-", "-", "-", "-"]
    ends = f"{spelled(effect.low).removesuffix(' points')} to {spelled(effect.high)}"
    p = f"{effect.p:.3f}" if effect.p >= 0.001 else "< 0.001"
    return [mean, ends, f"{effect.t:.2f}", str(effect.seeds - 1), p]
