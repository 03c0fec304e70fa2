"""The tables of a report, as HTML: people read rounded numbers, and the CSV of a table has all their digits."""

from typing import Any

import pandas as pd

from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.formatting import HEADLINES, format_interval, format_score
from tfaffect.scoring.page import compose_details, compose_table
from tfaffect.scoring.scores import HUMAN, POOLED

AFFECT_COLUMNS = ("ccc", "rmse", "pcc", "sagr")


def compose_sets(scores: dict[str, Any]) -> str:
    """The main scores of every set of records."""
    columns = {title: place for title, place in HEADLINES.items() if scores[POOLED][place[0]]}
    people = has_people(scores)
    rows, data = [], []
    for name, score in scores.items():
        cells = [format_interval(score, *place) for place in columns.values()]
        rows.append([name, f"{score['records']:,}", *cells, *[format_people(score)] * people])
        numbers = {"set": name, "records": score["records"]}
        for title, place in columns.items():
            numbers |= _spread(title, score, *place)
        data.append(numbers | ({"people": score["expression"] and score["expression"][HUMAN]} if people else {}))
    header = ["set", "records", *columns, *["people"] * people]
    return compose_table(header, rows, "Scores of each set of records", _frame(data))


def has_people(scores: dict[str, Any]) -> bool:
    """Whether a set of records has the accuracy of another panel of raters."""
    return any(score["expression"] and score["expression"][HUMAN] is not None for score in scores.values())


def format_people(score: dict[str, Any]) -> str:
    """The accuracy of another panel of raters on a set of records."""
    return format_score(HUMAN, score["expression"] and score["expression"][HUMAN])


def compose_classes(expression: dict[str, Any]) -> str:
    """Precision, recall, F1 and support of each class."""
    classes = expression["classes"]
    rows = [[name, *(format_score(key, value) for key, value in row.items())] for name, row in classes.items()]
    data = _frame([{"class": name, **row} for name, row in classes.items()])
    return compose_table(["class", "precision", "recall", "F1", "support"], rows, "Scores of each class", data)


def compose_confusion(expression: dict[str, Any]) -> str:
    """The numbers of the confusion matrix, shown on request; rows are the truth."""
    rows = []
    for name, counts in zip(CLASSES, expression["confusion"], strict=True):
        shares = (f"\n{100 * count / sum(counts):.1f} %" if count else "" for count in counts)
        rows.append([name, *(f"{count:,}{share}" for count, share in zip(counts, shares, strict=True))])
    data = pd.DataFrame(expression["confusion"], columns=[*CLASSES])
    data.insert(0, "truth", [*CLASSES])
    table = compose_table(["truth", *CLASSES], rows, "Records by truth (rows) and prediction (columns)", data)
    return compose_details("The numbers of the confusion matrix", table)


def compose_reliability(expression: dict[str, Any]) -> str:
    """The bins of the reliability diagram, shown on request."""
    bins = [row for row in expression["reliability"] if row["n"]]
    rows = [
        [
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %",
            f"{row['n']:,}",
            *(format_score(name, row[name]) for name in ("confidence", "accuracy")),
        ]
        for row in bins
    ]
    header = ["bin of confidence", "records", "mean confidence", "accuracy"]
    table = compose_table(header, rows, "Accuracy by confidence", _frame(bins))
    return compose_details("The numbers of the reliability diagram", table)


def compose_mistakes(mistakes: list[dict[str, Any]]) -> str:
    """The most confident mistakes, with what to think of them; nothing if there are none."""
    if not mistakes:
        return ""
    columns = (("truth", "share"), ("predicted", "probability"))
    rows = [
        [f"{row['corpus']}/{row['key']}", *(f"{row[name]}, {100 * row[share]:.0f} %" for name, share in columns)]
        for row in mistakes
    ]
    words = "<p>Check these first: the label or the model may be wrong. Beside the truth: its share of the label.</p>"
    table = compose_table(
        ["record", "truth", "predicted"], rows, "Mistakes, the most confident first", _frame(mistakes)
    )
    return f"<h2>The most confident mistakes</h2>{words}{table}"


def compose_affect(scores: dict[str, Any]) -> str:
    """The scores of valence and arousal of every set of records; nothing if there are none."""
    rows, data = [], []
    for name, score in scores.items():
        for head in AFFECT:
            if score[head]:
                cells = [format_interval(score, head, key) for key in AFFECT_COLUMNS]
                rows.append([f"{name}, {head}", f"{score[head]['n']:,}", *cells])
                numbers = {"set": name, "dimension": head, "n": score[head]["n"]}
                for key in AFFECT_COLUMNS:
                    numbers |= _spread(key, score, head, key)
                data.append(numbers)
    header = ["set", "n", *map(str.upper, AFFECT_COLUMNS)]
    return compose_table(header, rows, "Scores of valence and arousal of each set", _frame(data)) if rows else ""


def _spread(title: str, score: dict[str, Any], head: str, name: str) -> dict[str, float | None]:
    """A score and its interval as three columns."""
    figure = score[head][name] if score[head] else dict.fromkeys(("value", "low", "high"))
    return {title: figure["value"], f"{title} low": figure["low"], f"{title} high": figure["high"]}


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table that keeps whole numbers whole beside gaps."""
    return pd.DataFrame(rows, dtype=object)
