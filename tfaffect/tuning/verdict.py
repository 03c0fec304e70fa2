"""What a search has gained, in sentences that claim no more than its numbers support."""

from __future__ import annotations

import math

import pandas as pd

from tfaffect.tuning import statistics
from tfaffect.tuning.findings import Findings
from tfaffect.tuning.settings import COMBINATIONS, count_configs
from tfaffect.tuning.statistics import CONTRASTS, Importance

MIN_CONFIGS = 10
"""Fewest finished configs for which importances are shown."""
MIN_R2 = 0.15
"""Lowest R2 on unseen trials for which importances are shown. Of 180 sets of random scores, with 10 to 20 trials of 8
knobs each, 4 in 100 reached it."""
SEED_NOISE = 0.015
"""Difference in accuracy between two single runs on FER+ that differ only in their seeds."""


def explain_end(findings: Findings) -> str:
    """Why the search has fewer trials than it was asked for; empty if its space has enough configs."""
    settings = findings.settings
    configs = count_configs(settings["knobs"])
    if findings.compares_techniques:
        configs = len(COMBINATIONS) * settings.get("seeds", math.inf)
    if configs >= settings["trials"]:
        return ""
    return (
        f"The search ends after {configs} of {settings['trials']} trials, because its space is used up: it has only "
        f"{configs} different configs."
    )


def conclude(findings: Findings) -> list[str]:
    """Sentences that compare the best trial with the base config, and the difference with that between seeds."""
    best, base, metric = findings.best, findings.base, findings.metric
    if best is None:
        return [_no_score(findings.trials)]
    if base is None:
        status = findings.trials["status"].get(0)
        return [
            f"Trial {best['trial']} is the best. The base config has no score to compare with: its trial is {status}."
        ]
    if best["config"] == base["config"]:
        others = findings.runs["config"].nunique() - 1
        beaten = f"The base config is the best so far: {others} other{'s' * (others > 1)} did not beat it."
        return [beaten if others else "So far only the base config has a score."]
    mean = findings.runs.groupby("config")["score"].mean()
    difference = mean[best["config"]] - mean[base["config"]]
    words = f"{metric.format_difference(abs(difference), '')} {'above' if difference >= 0 else 'below'}"
    sentences = [f"Trial {best['trial']} is the best, {words} the base config."]
    if findings.settings["strategy"] == "hyperband" and best["epochs"] != base["epochs"]:
        sentences.append(
            f"It trained for {best['epochs']:.0f} epochs and the base config for {base['epochs']:.0f}, so "
            "the difference is not only due to the configs."
        )
    return [*sentences, _compare_with_noise(findings, best["config"], base["config"], difference)]


def _no_score(trials: pd.DataFrame) -> str:
    if trials["status"].ne("failed").any():
        return "No trial has finished yet."
    return "No trial has started yet." if trials.empty else "Every trial so far has failed."


def _compare_with_noise(findings: Findings, best: int, base: int, difference: float) -> str:
    """Whether seeds alone could cause the difference, estimated from configs that ran with several seeds."""
    scores = findings.runs.groupby("config")["score"]
    known = statistics.seed_deviation([group for _, group in scores])
    if known is None:
        return _unknown_noise(findings, difference)
    deviation, freedom = known
    count = scores.size()
    bound = statistics.chance_bound(deviation, freedom, (int(count[best]), int(count[base])), len(count) - 1)
    text = findings.metric.format_difference
    verdict = "this is within what seeds alone cause" if difference < bound else "this is more than seeds alone cause"
    return (
        f"Runs of one config with different seeds deviate by {text(deviation, '')} ({freedom} degrees of freedom). "
        f"To differ from chance at the 5 % level, the best of {len(count) - 1} configs has to be {text(bound, '')} "
        f"above the base config (t-test, Bonferroni): {verdict}."
    )


def _unknown_noise(findings: Findings, difference: float) -> str:
    small = ""
    if difference < SEED_NOISE:
        other = "a difference this small in another metric is no more certain"
        small = f", and {'this one is smaller' if findings.metric.share else other}"
    return (
        "No config ran with several seeds, so the effect of the seed is unknown. On FER+ a difference of two single "
        f"runs below {100 * SEED_NOISE:.1f} points of accuracy means nothing{small}."
        f" The best of {len(findings.runs)} runs is probably also a lucky one: train both configs with other seeds to "
        "be sure."
    )


def explain_importance(configs: int, importance: Importance | None) -> str:
    """How reliable the importances are, or why there are none."""
    if configs < MIN_CONFIGS:
        return (
            f"No importances: they need at least {MIN_CONFIGS} finished configs, and there "
            f"{'is 1' if configs == 1 else f'are {configs}'}. With fewer, a forest can give any knob any rank."
        )
    if importance is None:
        return "No importances: all scores are the same."
    result = (
        f"on trials that its trees have not seen, a random forest of the knobs has an R\u00b2 of "
        f"{importance.r2:.2f} over {configs} configs"
    )
    if importance.r2 < MIN_R2:
        return f"No importances: {result}. It explains nothing, so its ranks would be chance."
    caution = " With fewer than 30 configs the ranks of the less important knobs still change from search to search."
    meaning = "1: the knobs explain the scores completely, 0: not at all"
    return f"Importances: {result} ({meaning}).{caution if configs < 30 else ''}"


def explain_tests(trials: pd.DataFrame) -> str:
    """What paired tests over this number of seeds can show, and what not."""
    table = statistics.scores_by_seed(trials)
    seeds = max(statistics.paired_test(table, weights).seeds for weights in CONTRASTS.values())
    if seeds < 2:
        return "A test needs at least 2 seeds with which both sides of a comparison have finished."
    sentence = (
        f"The pairs are the {seeds} seeds, so a test has {seeds - 1} degree{'s' * (seeds > 2)} of freedom, and its "
        f"95 % interval reaches {statistics.half_width(seeds):.2g} standard deviations of the differences to each side."
    )
    if seeds == 2:
        sentence += (
            " Two seeds can show an effect that is large and nearly the same for both. They cannot show that there is "
            "none, and p above 0.05 means nothing here. Five seeds would make the interval seven times shorter."
        )
    strict = f"{0.05 / len(CONTRASTS):.2f}"
    return f"{sentence} The {len(CONTRASTS)} tests are not corrected for each other: p below {strict} holds for all."
