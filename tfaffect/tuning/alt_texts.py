"""The figures of a search in words and numbers, for people who do not see them."""

from __future__ import annotations

from tfaffect.tuning.findings import Findings
from tfaffect.tuning.formatting import format_value
from tfaffect.tuning.settings import COMBINATIONS
from tfaffect.tuning.statistics import Importance, scores_by_seed


def describe_all(findings: Findings, importance: Importance | None) -> dict[str, str]:
    """A text for every figure of `figures.draw_all`, by its name."""
    texts, metric = {}, findings.metric
    if findings.compares_techniques:
        means = scores_by_seed(findings.done).mean()
        parts = [f"{name} {metric.format(means.get(techniques))}" for techniques, name in COMBINATIONS.items()]
        return {"combinations": f"Curves and scores of the combinations. Mean {metric.title}: {', '.join(parts)}."}
    if findings.curves:
        texts["curves"] = describe_curves(findings)
    if findings.best is not None:
        texts["course"] = describe_course(findings)
        texts["slices"] = f"{metric.title} against each knob. {'; '.join(_describe_knobs(findings))}."
        values = ", ".join(f"{knob.name} {format_value(findings.best[knob.name])}" for knob in findings.knobs)
        texts["parallel"] = f"Parallel coordinates of {len(findings.trials)} trials. The best one has {values}."
    if importance is not None:
        drops = sorted(importance.drops.items(), key=lambda item: -item[1])
        texts["importance"] = f"Drop in R² by knob: {', '.join(f'{name} {drop:.2f}' for name, drop in drops)}."
    return texts


def describe_course(findings: Findings) -> str:
    """The range of the scores, the best trial, the base config, and how many trials failed."""
    scores, best, base = findings.done["score"], findings.best, findings.base
    low, high = map(findings.metric.format, (scores.min(), scores.max()))
    parts = [f"{findings.metric.title} of {len(scores)} trials from {low} to {high}"]
    parts += [] if best is None else [f"the best is trial {best['trial']}"]
    parts += [] if base is None else [f"the base config has {findings.metric.format(base['score'])}"]
    return f"{'; '.join(parts)}; {(findings.trials['status'] == 'failed').sum()} failed."


def describe_curves(findings: Findings) -> str:
    """The highest and the last value of the best trial's curve and of the base config's."""
    metric = findings.curve_metric
    longest = max(curve.index[-1] for curve in findings.curves.values())
    parts = [f"{metric.title} of {len(findings.curves)} trials over up to {longest} epochs"]
    for title, row in (("best trial", findings.best), ("base config", findings.base)):
        if row is not None and row["trial"] in findings.curves:
            curve = findings.curves[row["trial"]]
            parts.append(f"{title}: highest {metric.format(curve.max())}, last {metric.format(curve.iloc[-1])}")
    return f"{'; '.join(parts)}."


def _describe_knobs(findings: Findings) -> list[str]:
    """The rank correlation of each numeric knob with the score, and the median score of each choice."""
    parts, done = [], findings.done
    for knob in findings.knobs:
        if knob.numeric:
            varies = done.dropna(subset=[knob.name])[[knob.name, "score"]].nunique().min() > 1
            correlation = f"{done[knob.name].corr(done['score'], method='spearman'):.2f}" if varies else "not defined"
            parts.append(f"{knob.name}: rank correlation {correlation}")
        else:
            medians = done.groupby(knob.name)["score"].median()
            choices = (f"{choice} {findings.metric.format(median)}" for choice, median in medians.items())
            parts.append(f"{knob.name}: medians {', '.join(choices)}")
    return parts
