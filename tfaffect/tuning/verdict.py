"""What a search has won, in sentences that do not promise more than its numbers hold."""

from __future__ import annotations

import pandas as pd

from tfaffect.tuning.findings import Findings
from tfaffect.tuning.statistics import CONTRASTS, Importance, by_seed, chance_bound, half_width, paired, seed_deviation

FEWEST = 10
"""Finished configs below which no importances are shown."""
EXPLAINED = 0.15
"""R2 on unseen trials below which no importances are shown. Of 180 sets of scores that were pure chance, 10 to 20
trials of 8 knobs each, 4 in 100 reached it."""
NOTHING = 0.015
"""Difference of the accuracies of two single runs on FER+ that other seeds alone bring about."""


def conclude(findings: Findings) -> list[str]:
    """Sentences on the best trial against the base config, and on what seeds alone do."""
    best, base, measure = findings.best, findings.base, findings.measure
    if best is None:
        return ["No trial has finished yet." if findings.trials["status"].ne("failed").any() else _none(findings)]
    if base is None:
        return [f"Trial {best['trial']} is the best. {_base_missing(findings)}"]
    if best["config"] == base["config"]:
        return [_base_ahead(findings.runs["config"].nunique() - 1)]
    mean = findings.runs.groupby("config")["score"].mean()
    difference = mean[best["config"]] - mean[base["config"]]
    words = f"{measure.spell_difference(abs(difference), '')} {'above' if difference >= 0 else 'below'}"
    sentences = [f"Trial {best['trial']} is the best, {words} the base config."]
    if findings.settings["strategy"] == "hyperband" and best["epochs"] != base["epochs"]:
        sentences.append(
            f"It trained for {best['epochs']:.0f} epochs and the base config for {base['epochs']:.0f}, so "
            "the difference is not the configs' alone."
        )
    return [*sentences, _noise(findings, difference)]


def _base_ahead(others: int) -> str:
    if not others:
        return "So far only the base config has a score."
    return f"The base config is the best so far: {others} other{'s' * (others > 1)} did not beat it."


def _none(findings: Findings) -> str:
    return "No trial has started yet." if findings.trials.empty else "Every trial so far has failed."


def _base_missing(findings: Findings) -> str:
    status = findings.trials["status"].get(0)
    return f"The base config has no score to compare with: its trial is {status}."


def _noise(findings: Findings, difference: float) -> str:
    """Whether seeds alone could make the difference, from configs that ran with several of them."""
    scores = findings.runs.groupby("config")["score"]
    known = seed_deviation([group.to_numpy() for _, group in scores])
    if known is None:
        return _unknown_noise(findings, difference)
    deviation, freedom = known
    count = scores.size()
    pair = (int(count[findings.best["config"]]), int(count[findings.base["config"]]))
    bound = chance_bound(deviation, freedom, pair, len(count) - 1)
    spelled = findings.measure.spell_difference
    verdict = "this is within what seeds alone do" if difference < bound else "this is more than seeds alone do"
    return (
        f"Runs of one config with other seeds deviate by {spelled(deviation, '')} ({freedom} degrees of freedom). "
        f"To be told from luck at the 5 % level, the best of {len(count) - 1} configs has to be {spelled(bound, '')} "
        f"above the base config (t-test, Bonferroni): {verdict}."
    )


def _unknown_noise(findings: Findings, difference: float) -> str:
    small = ""
    if difference < NOTHING:
        small = ", and this is one" if findings.measure.share else ", and one this small here is no surer"
    return (
        "No config ran with several seeds, so what seeds alone do is not known here: on FER+ a difference of two "
        f"single runs below {100 * NOTHING:.1f} points of accuracy means nothing{small}."
        f" The best of {len(findings.runs)} is also among the luckiest; training both configs with other seeds would "
        "tell."
    )


def weigh_importance(configs: int, weights: Importance | None) -> str:
    """How much the importances mean, or why there are none."""
    if configs < FEWEST:
        return (
            f"No importances: they need at least {FEWEST} finished configs, and there {_are(configs)}. With fewer, a "
            "forest can give any knob any rank."
        )
    if weights is None:
        return "No importances: all scores are the same."
    told = f"On trials that its trees have not seen, a random forest of the knobs has an R\u00b2 of {weights.r2:.2f}"
    if weights.r2 < EXPLAINED:
        return (
            f"No importances: {told[0].lower()}{told[1:]} over {configs} configs. It explains nothing, so its ranks "
            "would be chance."
        )
    caution = " With fewer than 30 configs the ranks of the lesser knobs still change from search to search."
    return f"{told} over {configs} configs (1: the knobs decide, 0: they say nothing).{caution if configs < 30 else ''}"


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


def limits(trials: pd.DataFrame) -> str:
    """What paired tests over so many seeds can show, and what not."""
    seeds = max(paired(by_seed(trials), weights).seeds for weights in CONTRASTS.values())
    if seeds < 2:
        return "A test needs at least 2 seeds that both sides of a comparison have finished with."
    width = half_width(seeds)
    sentence = (
        f"The pairs are the {seeds} seeds, so a test has {seeds - 1} degree{'s' * (seeds > 2)} of freedom, and its "
        f"95 % interval reaches {width:.2g} standard deviations of the differences to each side."
    )
    if seeds == 2:
        sentence += (
            " Two seeds can show an effect that is large and nearly the same for both; they cannot show that there is "
            "none, and p above 0.05 says nothing here. Five would make the interval seven times shorter."
        )
    strict = f"{0.05 / len(CONTRASTS):.2f}"
    return f"{sentence} The {len(CONTRASTS)} tests are not corrected for one another: p below {strict} holds in all."
