"""The figures of a report in words and numbers, for people who do not see them."""

from typing import Any

import numpy as np
import pandas as pd

from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.figures import distinct_sets
from tfaffect.scoring.formatting import format_interval, format_score
from tfaffect.scoring.group_figure import PANELS, drawn_heads, picture_name
from tfaffect.scoring.scores import HUMAN, POOLED


def describe_all(
    predictions: pd.DataFrame, sets: dict[str, dict], history: pd.DataFrame | None = None
) -> dict[str, str]:
    """A text for every figure of `figures.draw_all`, by its name; the arguments are the same."""
    texts, scores = {}, sets[POOLED]
    expression = scores["expression"]
    if expression:
        texts["sets"] = describe_sets(distinct_sets(sets))
        texts["confusion"] = describe_confusion(np.array(expression["confusion"]))
        texts["reliability"] = describe_reliability(expression)
    if any(scores[name] for name in AFFECT):
        texts["affect"] = describe_affect(predictions, scores)
    if history is not None and len(history):
        texts["curves"] = describe_curves(history)
    return texts


def describe_sets(sets: dict[str, dict]) -> str:
    """The accuracy of every set, and that of another panel of raters."""
    lines = []
    for name, score in sets.items():
        if expression := score["expression"]:
            accuracy = format_interval(score, "expression", "accuracy").replace("\n", " ")
            people = f", another panel of raters {format_score(HUMAN, expression[HUMAN])}"
            lines.append(f"{name} {accuracy}{people if expression[HUMAN] is not None else ''}")
    return f"Accuracy with its 95 % interval. {'; '.join(lines)}."


def describe_confusion(confusion: np.ndarray) -> str:
    """The share of each class that is right, and the three most frequent confusions of counts (8, 8)."""
    support = confusion.sum(axis=1)
    right = [
        f"{name} {100 * confusion[row, row] / support[row]:.0f} % of {support[row]:,}"
        for row, name in enumerate(CLASSES)
        if support[row]
    ]
    wrong = np.where(np.eye(len(CLASSES), dtype=bool), 0, confusion)
    places = np.argsort(-wrong, axis=None, kind="stable")[:3]
    often = [
        f"{CLASSES[truth]} predicted as {CLASSES[predicted]} {wrong[truth, predicted]:,} times"
        for truth, predicted in zip(*np.unravel_index(places, wrong.shape), strict=True)
        if wrong[truth, predicted]
    ]
    mistakes = f"Most frequent mistakes: {'; '.join(often)}." if often else "There is no mistake."
    return f"Confusion matrix of {support.sum():,} records. Predicted right: {', '.join(right)}. {mistakes}"


def describe_reliability(expression: dict[str, Any]) -> str:
    """The ECE, the mean confidence and accuracy, and the bin with the largest gap between them, weighted by records."""
    bins = pd.DataFrame([row for row in expression["reliability"] if row["n"]])
    confidence, accuracy = (np.average(bins[name], weights=bins["n"]) for name in ("confidence", "accuracy"))
    worst = bins.loc[(bins["n"] * (bins["accuracy"] - bins["confidence"]).abs()).idxmax()]
    return (
        f"Reliability diagram of {expression['n']:,} records. The expected calibration error is "
        f"{100 * expression['ece']:.1f} %: the mean confidence is {100 * confidence:.1f} % and the accuracy "
        f"{100 * accuracy:.1f} %. The bin that adds most to the error has {worst['n']:,.0f} records with a confidence "
        f"of {100 * worst['confidence']:.1f} % and an accuracy of {100 * worst['accuracy']:.1f} %."
    )


def describe_affect(predictions: pd.DataFrame, scores: dict[str, Any]) -> str:
    """The concordance, the means and the ranges of truth and prediction, for each scored dimension."""
    parts = []
    for name in AFFECT:
        if scores[name]:
            labelled = predictions[predictions[f"true_{name}"].notna()]
            columns = {"truth": labelled[f"true_{name}"], "prediction": labelled[name]}
            ranges = (
                f"{title} from {column.min():.2f} to {column.max():.2f} with mean {column.mean():.2f}"
                for title, column in columns.items()
            )
            ccc = format_score("ccc", scores[name]["ccc"]["value"])
            parts.append(f"{name}: CCC {ccc} over {len(labelled):,} records, {', '.join(ranges)}")
    return f"Truth against prediction. {'; '.join(parts)}."


def describe_curves(history: pd.DataFrame) -> str:
    """The first, the last and the best value of the loss and of each validation metric."""
    parts = []
    for name in history:
        column = history[name].dropna()
        is_loss = str(name).endswith("loss")
        if len(column) and (name == "loss" or str(name).startswith("val_")):
            best = column.idxmin() if is_loss else column.idxmax()
            title = {"loss": "training loss", "val_loss": "validation loss"}.get(str(name), str(name)[4:])
            extreme = f"{'lowest' if is_loss else 'highest'} {column[best]:.3g} at epoch {history['epoch'][best]}"
            title = title.replace("/", " ").replace("_", " ")
            parts.append(f"{title} from {column.iloc[0]:.3g} to {column.iloc[-1]:.3g}, {extreme}")
    return f"Curves of {len(history)} epochs. {'; '.join(parts)}."


def describe_groups(groups: dict[str, dict[str, Any]]) -> dict[str, str]:
    """A text for the picture of every grouping, by the name of the picture."""
    return {
        picture_name(name): f"Scores by {name} with their 95 % intervals. "
        + " ".join(_describe_group_head(grouping, head) for head in drawn_heads(grouping))
        for name, grouping in groups.items()
        if drawn_heads(grouping)
    }


def _describe_group_head(grouping: dict[str, Any], head: str) -> str:
    """The figure of every group, and the gap between the best and the worst one."""
    figure = PANELS[head][0]
    title = figure if head == "expression" else f"{figure.upper()} of {head}"
    parts = []
    for name, value in grouping["values"].items():
        if value[head]:
            text = format_interval(value, head, figure).replace("\n", " ")
            parts.append(f"{name} {text} of {value[head]['n']:,}{'' if value[head]['ranked'] else ', not ranked'}")
    gap = grouping["gap"].get(head, {}).get(figure)
    widest = f" The gap is {format_score(figure, gap['value'])}, from {gap['worst']} to {gap['best']}." if gap else ""
    return f"{title[:1].upper()}{title[1:]}: {'; '.join(parts)}.{widest}"
