"""Report: a table of predictions becomes a folder of figures for people and for later tools."""

import json
from html import escape
from pathlib import Path

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
"""The figures that open a report: title -> head and name of the figure."""

AFFECT_COLUMNS = ("ccc", "rmse", "pcc", "sagr")
DECIMALS = ("ccc", "rmse", "pcc")  # the other figures are shares, written as percentages
CAPTIONS = {
    "confusion": "Confusion of the classes: the share of each true class, and the number of records.",
    "reliability": "Reliability: above the line the model is right more often than it claims, below it less often.",
    "sets": "Accuracy by set of records, with its 95 % interval; where labels are votes, a bar for what people score.",
    "affect": "Truth against prediction: on the line, both agree.",
    "curves": "The training of the model: loss, and metrics on the validation split.",
}
NOTES = """In brackets: 95 % percentile intervals of a bootstrap over groups (subjects, clips or photos), because the
faces of one group are not independent. UAR is the mean recall and macro F1 the mean F1, both over the classes that
occur in the truth. People: how often another panel of as many raters would give most votes to the label's class, by
empirical Bayes from the votes of all records. ECE is the expected calibration error, CCC Lin's concordance, SAGR the
share of equal signs. A dash stands for a figure that is not defined."""


def write(
    predictions: pd.DataFrame,
    folder: Path,
    protocol: dict[str, str | float],
    history: pd.DataFrame | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> dict:
    """Scores predictions and replaces `folder` by report.json, predictions.csv, report.html and the pictures.

    Args:
      predictions: a row per record, with the columns of `scores.COLUMNS`.
      folder: a new or empty folder, or an earlier report, which stays as it is until this one is complete.
      protocol: what was scored (model, corpora, split ...), for people and later tools.
      history: `epoch`, `loss` and what else training recorded, for curves.png.
      seed: of the bootstrap.
      resamples: of the bootstrap; 0 leaves the intervals out.

    Returns:
      What report.json holds: {"protocol": ..., "scores": as `scores.score_all` returns them, "mistakes": as
      `mistakes.most_confident` does}.

    Raises:
      UsageError: `folder` holds something else than a report.
    """
    folder = Path(folder).resolve()
    _require_report_or_nothing(folder)
    report = {
        "protocol": protocol,
        "scores": score_all(predictions, seed, resamples),
        "mistakes": most_confident(predictions),
    }
    text = json.dumps(report, indent=1, allow_nan=False)
    figures = draw_all(predictions, report["scores"], history)
    with atomic.write_folder(folder) as new:
        (new / "report.json").write_text(text + "\n", encoding="utf-8")
        predictions.to_csv(new / "predictions.csv", index=False, float_format="%.6g")
        for name, figure in figures.items():
            figure.savefig(new / f"{name}.png", dpi=150, bbox_inches="tight")
        pictures = {name: (new / f"{name}.png").read_bytes() for name in figures}
        (new / "report.html").write_text(compose(report, pictures), encoding="utf-8")
    return report


def _require_report_or_nothing(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / "report.json").exists():
        raise UsageError(f"A report replaces its whole folder: name a new or empty one. Received: folder={folder}.")


def summarise(report: dict) -> str:
    """A table for the terminal: a line per set with its records and headline figures, "-" where there is none."""
    people = _people_were_asked(report["scores"])
    rows = [["set", "n", *HEADLINES, *["people"] * people]]
    for name, score in report["scores"].items():
        figures = [_spell(figure, _pick(score, head, figure)["value"]) for head, figure in HEADLINES.values()]
        rows.append([name, f"{score['records']:,}", *figures, *[_spell_people(score)] * people])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join("  ".join(line) for line in lines)


def compose(report: dict, pictures: dict[str, bytes]) -> str:
    """One self-contained HTML page, from what report.json holds and the PNG pictures by name."""
    protocol, scores = report["protocol"], report["scores"]
    title = f"Scores of {protocol['model']}" if protocol.get("model") else "Scores"
    parts = [
        compose_table(None, [[key, str(value) or "-"] for key, value in protocol.items()]) if protocol else "",
        f"<div class='tiles'>{''.join(_compose_tile(scores[POOLED], name) for name in HEADLINES)}</div>",
        _compose_sets(scores),
        "<h2>Expression, all records</h2>",
        _compose_classes(scores[POOLED]["expression"])
        if scores[POOLED]["expression"]
        else _compose_absence("expression"),
        compose_pictures(pictures, CAPTIONS, "confusion", "reliability"),
        compose_pictures(pictures, CAPTIONS, "sets"),
        _compose_mistakes(report["mistakes"]),
        "<h2>Valence and arousal</h2>",
        _compose_affect(scores),
        *(_compose_absence(head) for head in AFFECT if not scores[POOLED][head]),
        compose_pictures(pictures, CAPTIONS, "affect"),
        "<h2>Training</h2>" + compose_pictures(pictures, CAPTIONS, "curves") if "curves" in pictures else "",
        f"<h2>Notes</h2><p><small>{escape(NOTES)}</small></p>",
    ]
    return compose_page(title, parts)


def _compose_tile(score: dict, title: str) -> str:
    head, name = HEADLINES[title]
    if not score[head]:
        return ""
    number, *interval = _spell_interval(score, head, name).split("\n")
    return compose_tile(title, number, *interval, f"n = {score[head]['n']:,}")


def _compose_sets(scores: dict) -> str:
    columns = {title: place for title, place in HEADLINES.items() if scores[POOLED][place[0]]}
    people = _people_were_asked(scores)
    rows = [
        [
            name,
            f"{score['records']:,}",
            *(_spell_interval(score, *place) for place in columns.values()),
            *[_spell_people(score)] * people,
        ]
        for name, score in scores.items()
    ]
    return "<h2>All sets of records</h2>" + compose_table(["set", "records", *columns, *["people"] * people], rows)


def _people_were_asked(scores: dict) -> bool:
    return any(score["expression"] and score["expression"][HUMAN] is not None for score in scores.values())


def _spell_people(score: dict) -> str:
    return _spell(HUMAN, score["expression"] and score["expression"][HUMAN])


def _compose_classes(expression: dict) -> str:
    header = ["class", "precision", "recall", "F1", "support"]
    rows = [[name, *(_spell(key, value) for key, value in row.items())] for name, row in expression["classes"].items()]
    sentence = f"<p>The expected calibration error (ECE) is {_spell('ece', expression['ece'])}.</p>"
    return compose_table(header, rows) + sentence


def _compose_mistakes(mistakes: list[dict]) -> str:
    if not mistakes:
        return ""
    rows = [
        [
            f"{row['corpus']}/{row['key']}",
            f"{row['truth']}, {100 * row['share']:.0f} %",
            f"{row['predicted']}, {100 * row['probability']:.0f} %",
        ]
        for row in mistakes
    ]
    words = (
        "<p>Where to look first, at the labels as much as at the model. Beside the truth: its share of the label.</p>"
    )
    return "<h2>The most confident mistakes</h2>" + words + compose_table(["record", "truth", "predicted"], rows)


def _compose_affect(scores: dict) -> str:
    rows = [
        [f"{name}, {head}", f"{score[head]['n']:,}", *(_spell_interval(score, head, key) for key in AFFECT_COLUMNS)]
        for name, score in scores.items()
        for head in AFFECT
        if score[head]
    ]
    return compose_table(["set", "n", *map(str.upper, AFFECT_COLUMNS)], rows) if rows else ""


def _compose_absence(head: str) -> str:
    return f"<p>There is no score of {head}: no record carries its label, or the model was never trained on it.</p>"


def _pick(score: dict, head: str, name: str) -> dict:
    return score[head][name] if score[head] else {"value": None, "low": None, "high": None}


def _spell_interval(score: dict, head: str, name: str) -> str:
    figure = _pick(score, head, name)
    number, low, high = (_spell(name, figure[key]) for key in ("value", "low", "high"))
    return number if figure["low"] is None else f"{number}\n[{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def _spell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "support":
        return f"{value:,}"
    return f"{value:.3f}" if name in DECIMALS else f"{100 * value:.1f} %"
