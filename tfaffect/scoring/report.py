"""The report on a table of predictions: scores, figures and an HTML page in one folder."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import AFFECT
from tfaffect.scoring.figures import draw_all
from tfaffect.scoring.mistakes import most_confident
from tfaffect.scoring.page import compose_page, compose_pictures, compose_table, compose_tile
from tfaffect.scoring.scores import HUMAN, POOLED, score_all

HEADLINES = {
    "accuracy": ("expression", "accuracy"),
    "UAR": ("expression", "uar"),
    "macro F1": ("expression", "macro_f1"),
    **{f"CCC {name}": (name, "ccc") for name in AFFECT},
}
"""The main scores of a report: title -> head and name of the score."""

AFFECT_COLUMNS = ("ccc", "rmse", "pcc", "sagr")
DECIMALS = ("ccc", "rmse", "pcc")  # the names of all other scores, which are percentages, start differently
CAPTIONS = {
    "confusion": "Confusion matrix: the share of each true class, and the number of records.",
    "reliability": "Reliability: above the line the model is right more often than it claims, below it less often.",
    "sets": "Accuracy by set of records, with its 95 % interval. If labels are votes, a bar shows the human accuracy.",
    "affect": "Truth against prediction: on the line, both agree.",
    "curves": "The training of the model: loss, and metrics on the validation split.",
}
NOTES = """In brackets: 95 % percentile intervals of a bootstrap over groups (subjects, clips or photos), because the
faces of one group are not independent. UAR is the mean recall and macro F1 the mean F1, both over the classes that
occur in the truth. People: how often another panel of as many raters would give most votes to the label's class,
estimated by empirical Bayes from the votes of all records. ECE is the expected calibration error, CCC Lin's
concordance correlation coefficient, SAGR the share of equal signs. A dash: the score is not defined."""


def write(
    predictions: pd.DataFrame,
    folder: Path,
    protocol: Mapping[str, str | float],
    history: pd.DataFrame | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Score predictions and write report.json, predictions.csv, report.html and the figures to `folder`.

    Args:
      predictions: a row per record, with the columns of `scores.COLUMNS`.
      folder: a new or empty folder, or an earlier report, which is replaced when this one is complete.
      protocol: what was scored (model, corpora, split ...), for people and other tools.
      history: `epoch`, `loss` and the other columns that training recorded, for curves.png.
      seed: of the bootstrap.
      resamples: of the bootstrap; 0 leaves the intervals out.

    Returns:
      The content of report.json: {"protocol": ..., "scores": from `scores.score_all`, "mistakes": from
      `mistakes.most_confident`}.

    Raises:
      UsageError: `folder` contains something else than a report.
    """
    folder = Path(folder).resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "report.json").exists():
        raise UsageError(
            f"A report replaces all files in its folder: name a new or empty one. Received: folder={folder}."
        )
    scores, mistakes = score_all(predictions, seed, resamples), most_confident(predictions)
    report = {"protocol": protocol, "scores": scores, "mistakes": mistakes}
    text = json.dumps(report, indent=1, allow_nan=False)
    figures = draw_all(predictions, scores, history)
    with atomic.write_folder(folder) as new:
        (new / "report.json").write_text(text + "\n", encoding="utf-8")
        predictions.to_csv(new / "predictions.csv", index=False, float_format="%.6g")
        for name, figure in figures.items():
            figure.savefig(new / f"{name}.png", dpi=150, bbox_inches="tight")
        pictures = {name: (new / f"{name}.png").read_bytes() for name in figures}
        (new / "report.html").write_text(compose(report, pictures), encoding="utf-8")
    return report


def summarise(report: dict[str, Any]) -> str:
    """A table for the terminal: a line per set with its records, the records with a class, and the main scores."""
    people = _has_people(report["scores"])
    rows = [["set", "records", "with class", *HEADLINES, *["people"] * people]]
    for name, score in report["scores"].items():
        values = [_format_interval(score, *place).split("\n")[0] for place in HEADLINES.values()]
        classes = f"{score['expression']['n']:,}" if score["expression"] else "-"
        rows.append([name, f"{score['records']:,}", classes, *values, *[_format_people(score)] * people])
    return align(rows)


def align(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows as text with aligned columns; the first `left` columns are left-justified, the others right-justified."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:])] for row in rows)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def compose(report: dict[str, Any], pictures: dict[str, bytes]) -> str:
    """One self-contained HTML page, from the content of report.json and the PNG figures by name."""
    protocol, scores = report["protocol"], report["scores"]
    pooled, expression = scores[POOLED], scores[POOLED]["expression"]
    title = f"Scores of {protocol['model']}" if protocol.get("model") else "Scores"
    parts = [
        compose_table(None, [[key, str(value) or "-"] for key, value in protocol.items()]) if protocol else "",
        f"<div class='tiles'>{''.join(_compose_tile(pooled, name) for name in HEADLINES)}</div>",
        _compose_sets(scores),
        "<h2>Expression, all records</h2>",
        _compose_classes(expression) if expression else _compose_absence("expression"),
        compose_pictures(pictures, CAPTIONS, "confusion", "reliability"),
        compose_pictures(pictures, CAPTIONS, "sets"),
        _compose_mistakes(report["mistakes"]),
        "<h2>Valence and arousal</h2>",
        _compose_affect(scores),
        *(_compose_absence(head) for head in AFFECT if not pooled[head]),
        compose_pictures(pictures, CAPTIONS, "affect"),
        "<h2>Training</h2>" + compose_pictures(pictures, CAPTIONS, "curves") if "curves" in pictures else "",
        f"<h2>Notes</h2><p><small>{escape(NOTES)}</small></p>",
    ]
    return compose_page(title, parts)


def _compose_tile(score: dict[str, Any], title: str) -> str:
    head, name = HEADLINES[title]
    if not score[head]:
        return ""
    number, *interval = _format_interval(score, head, name).split("\n")
    return compose_tile(title, number, *interval, f"n = {score[head]['n']:,}")


def _compose_sets(scores: dict[str, Any]) -> str:
    columns = {title: place for title, place in HEADLINES.items() if scores[POOLED][place[0]]}
    people = _has_people(scores)
    rows = []
    for name, score in scores.items():
        cells = [_format_interval(score, *place) for place in columns.values()]
        rows.append([name, f"{score['records']:,}", *cells, *[_format_people(score)] * people])
    return "<h2>All sets of records</h2>" + compose_table(["set", "records", *columns, *["people"] * people], rows)


def _has_people(scores: dict[str, Any]) -> bool:
    return any(score["expression"] and score["expression"][HUMAN] is not None for score in scores.values())


def _format_people(score: dict[str, Any]) -> str:
    return format_score(HUMAN, score["expression"] and score["expression"][HUMAN])


def _compose_classes(expression: dict[str, Any]) -> str:
    header = ["class", "precision", "recall", "F1", "support"]
    rows = [
        [name, *(format_score(key, value) for key, value in row.items())] for name, row in expression["classes"].items()
    ]
    sentence = f"<p>The expected calibration error (ECE) is {format_score('ece', expression['ece'])}.</p>"
    return compose_table(header, rows) + sentence


def _compose_mistakes(mistakes: list[dict[str, Any]]) -> str:
    if not mistakes:
        return ""
    columns = (("truth", "share"), ("predicted", "probability"))
    rows = [
        [f"{row['corpus']}/{row['key']}", *(f"{row[name]}, {100 * row[share]:.0f} %" for name, share in columns)]
        for row in mistakes
    ]
    words = "<p>Check these first: the label or the model may be wrong. Beside the truth: its share of the label.</p>"
    return "<h2>The most confident mistakes</h2>" + words + compose_table(["record", "truth", "predicted"], rows)


def _compose_affect(scores: dict[str, Any]) -> str:
    rows = [
        [f"{name}, {head}", f"{score[head]['n']:,}", *(_format_interval(score, head, key) for key in AFFECT_COLUMNS)]
        for name, score in scores.items()
        for head in AFFECT
        if score[head]
    ]
    return compose_table(["set", "n", *map(str.upper, AFFECT_COLUMNS)], rows) if rows else ""


def _compose_absence(head: str) -> str:
    return f"<p>There is no score of {head}: no record has its label, or the model was not trained on it.</p>"


def _format_interval(score: dict[str, Any], head: str, name: str) -> str:
    figure = score[head][name] if score[head] else {}
    value, low, high = (format_score(name, figure.get(key)) for key in ("value", "low", "high"))
    return value if low == "-" else f"{value}\n[{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def format_score(name: str, value: float | None) -> str:
    """A score as text: CCC, RMSE and PCC with three decimals, other scores as percentages; "-" if it is not defined."""
    if value is None or math.isnan(value):
        return "-"
    if name == "support":
        return f"{value:,}"
    return f"{value:.3f}" if name.startswith(DECIMALS) else f"{100 * value:.1f} %"
