"""The report on a table of predictions: scores, figures and an HTML page in one folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import AFFECT
from tfaffect.scoring import group_tables, html_tables
from tfaffect.scoring.alt_texts import describe_all, describe_groups
from tfaffect.scoring.calibration import THRESHOLDS
from tfaffect.scoring.figures import draw_all, save_all
from tfaffect.scoring.formatting import HEADLINES, format_interval, format_score
from tfaffect.scoring.group_figure import draw_groups, picture_name
from tfaffect.scoring.groups import score_groups
from tfaffect.scoring.mistakes import most_confident
from tfaffect.scoring.page import LIST, compose_page, compose_paragraph, compose_pictures, compose_table, compose_tile
from tfaffect.scoring.scores import POOLED, score_all

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
    groupings: Mapping[str, pd.Series] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, Any]:
    """Score predictions and write report.json, predictions.csv, report.html and the figures to `folder`.

    Args:
      predictions: a row per record, with the columns of `scores.COLUMNS`.
      folder: a new or empty folder, or an earlier report, which is replaced when this one is complete.
      protocol: what was scored (model, corpora, split ...), for people and other tools.
      history: `epoch`, `loss` and the other columns that training recorded, for curves.png.
      seed: of the bootstrap.
      resamples: of the bootstrap; 0 leaves the intervals out.
      groupings: the group of each record, from `groupings.assign`; None leaves groups of people out.
      thresholds: top probabilities for which groups have coverage and accuracy.

    Returns:
      The content of report.json: {"protocol": ..., "scores": from `scores.score_all`, "mistakes": from
      `mistakes.most_confident`}, and with groupings "groups": from `groups.score_groups`.

    Raises:
      UsageError: `folder` contains something else than a report.
    """
    folder = Path(folder).resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "report.json").exists():
        raise UsageError(
            f"A report replaces all files in its folder: name a new or empty one. Received: folder={folder}."
        )
    scores, mistakes = score_all(predictions, seed, resamples), most_confident(predictions)
    report: dict[str, Any] = {"protocol": protocol, "scores": scores, "mistakes": mistakes}
    if groupings is not None:
        report["groups"] = score_groups(predictions, groupings, thresholds, seed, resamples)
    groups = report.get("groups", {})
    text = json.dumps(report, indent=1, allow_nan=False)
    figures = draw_all(predictions, scores, history) | draw_groups(groups)
    alts = describe_all(predictions, scores, history) | describe_groups(groups)
    with atomic.write_folder(folder) as new:
        (new / "report.json").write_text(text + "\n", encoding="utf-8")
        predictions.to_csv(new / "predictions.csv", index=False, float_format="%.6g")
        (new / "report.html").write_text(compose(report, save_all(figures, new), alts), encoding="utf-8")
    return report


def summarise(report: dict[str, Any]) -> str:
    """Tables for the terminal: a line per set with its records, the records with a class, and the main scores.

    Then a table per grouping, with a line per group of people.
    """
    people = html_tables.has_people(report["scores"])
    rows = [["set", "records", "with class", *HEADLINES, *["people"] * people]]
    for name, score in report["scores"].items():
        values = [format_interval(score, *place).split("\n")[0] for place in HEADLINES.values()]
        classes = f"{score['expression']['n']:,}" if score["expression"] else "-"
        rows.append([name, f"{score['records']:,}", classes, *values, *[html_tables.format_people(score)] * people])
    tables = [rows, *(group_tables.terminal_rows(*named) for named in report.get("groups", {}).items())]
    return "\n\n".join(map(align, tables))


def align(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows as text with aligned columns; the first `left` columns are left-justified, the others right-justified."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:])] for row in rows)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def compose(report: dict[str, Any], pictures: dict[str, bytes], alts: Mapping[str, str] | None = None) -> str:
    """One self-contained HTML page, from the content of report.json, and the PNG figures and their texts by name."""
    protocol, scores = report["protocol"], report["scores"]
    pooled = scores[POOLED]
    rows = [[key, str(value) or "-"] for key, value in protocol.items()]
    parts = [
        compose_table(None, rows, "What was scored", pd.DataFrame(protocol.items(), columns=[*LIST])) if rows else "",
        f"<div class='tiles'>{''.join(_compose_tile(pooled, name) for name in HEADLINES)}</div>",
        "<h2>All sets of records</h2>",
        html_tables.compose_sets(scores),
        compose_pictures(pictures, CAPTIONS, "sets", alts=alts),
        "<h2>Expression, all records</h2>",
        *_compose_expression(pooled["expression"], pictures, alts),
        html_tables.compose_mistakes(report["mistakes"]),
        "<h2>Valence and arousal</h2>",
        html_tables.compose_affect(scores),
        *(_compose_absence(head) for head in AFFECT if not pooled[head]),
        compose_pictures(pictures, CAPTIONS, "affect", alts=alts),
        *_compose_groups(report.get("groups"), pictures, alts),
        "<h2>Training</h2>" + compose_pictures(pictures, CAPTIONS, "curves", alts=alts) if "curves" in pictures else "",
        "<h2>Notes</h2>" + compose_paragraph(NOTES, small=True),
    ]
    return compose_page(f"Scores of {protocol['model']}" if protocol.get("model") else "Scores", parts)


def _compose_expression(
    expression: dict[str, Any] | None, pictures: dict[str, bytes], alts: Mapping[str, str] | None
) -> list[str]:
    if not expression:
        return [_compose_absence("expression")]
    return [
        html_tables.compose_classes(expression),
        compose_paragraph(f"The expected calibration error (ECE) is {format_score('ece', expression['ece'])}."),
        compose_pictures(pictures, CAPTIONS, "confusion", "reliability", alts=alts),
        html_tables.compose_confusion(expression),
        html_tables.compose_reliability(expression),
    ]


def _compose_groups(
    groups: dict[str, Any] | None, pictures: dict[str, bytes], alts: Mapping[str, str] | None
) -> list[str]:
    if groups is None:
        return []
    parts = ["<h2>Groups of people</h2>"]
    for name, grouping in groups.items():
        captions = {picture_name(name): f"Scores by {name}, with their 95 % intervals and the number of records."}
        parts += [
            *group_tables.compose_grouping(name, grouping),
            compose_pictures(pictures, captions, *captions, alts=alts),
        ]
    words = [group_tables.describe_method(grouping) for grouping in groups.values()] or [group_tables.NONE]
    return [*parts, compose_paragraph(words[0], small=True)]


def _compose_tile(score: dict[str, Any], title: str) -> str:
    head, name = HEADLINES[title]
    if not score[head]:
        return ""
    number, *interval = format_interval(score, head, name).split("\n")
    return compose_tile(title, number, *interval, f"n = {score[head]['n']:,}")


def _compose_absence(head: str) -> str:
    return f"<p>There is no score of {head}: no record has its label, or the model was not trained on it.</p>"
