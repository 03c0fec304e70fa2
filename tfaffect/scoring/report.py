"""Report: a table of predictions becomes a folder of figures for people and for later tools."""

import base64
import json
from html import escape
from pathlib import Path

import pandas as pd

from tfaffect import whole
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT
from tfaffect.scoring.figures import draw_all
from tfaffect.scoring.scores import POOLED, score_all

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
    "affect": "Truth against prediction: on the line, both agree.",
    "curves": "The training of the model: loss, and metrics on the validation split.",
}
NOTES = """In brackets: 95 % percentile intervals of a bootstrap over groups (subjects, clips or photos), because the
faces of one group are not independent. UAR is the mean recall and macro F1 the mean F1, both over the classes that
occur in the truth. ECE is the expected calibration error, CCC Lin's concordance, SAGR the share of equal signs. A dash
stands for a figure that is not defined."""
STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --muted: #646b7a; --line: #dfe2e8; --page: #f5f6f8; --card: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ee; --muted: #9aa1b1; --line: #333947; --page: #14171d; --card: #1d2129 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 68rem; padding: 1rem 1rem 3rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0 }
.tile, .table { background: var(--card); border: 1px solid var(--line); border-radius: .6rem }
.tile { padding: .8rem 1rem }
.tile b { display: block; font-size: 1.9rem; line-height: 1.3; font-weight: 650 }
small, figcaption { color: var(--muted); font-size: .82rem }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .45rem .9rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line);
  vertical-align: top; font-weight: 400 }
thead th { color: var(--muted); font-size: .82rem; border: 0 }
th:first-child, .protocol td { text-align: left }
.protocol td { width: 100%; white-space: normal; overflow-wrap: anywhere }
small { display: block }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem }
figure { margin: 0; flex: 1 1 min(24rem, 100%); min-width: 0 }
figure div { overflow-x: auto; background: #fff; padding: .75rem; border: 1px solid var(--line); border-radius: .6rem }
img { display: block; width: 100% }
figure:only-child img { min-width: 29rem }
"""


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
      What report.json holds: {"protocol": ..., "scores": as `scores.score_all` returns them}.

    Raises:
      UsageError: `folder` holds something else than a report.
    """
    folder = Path(folder).resolve()
    _require_report_or_nothing(folder)
    report = {"protocol": protocol, "scores": score_all(predictions, seed, resamples)}
    text = json.dumps(report, indent=1, allow_nan=False)
    figures = draw_all(predictions, report["scores"][POOLED], history)
    with whole.folder(folder) as new:
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
    rows = [["set", "n", *HEADLINES]]
    for name, score in report["scores"].items():
        figures = [_spell(figure, _pick(score, head, figure)["value"]) for head, figure in HEADLINES.values()]
        rows.append([name, f"{score['records']:,}", *figures])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join("  ".join(line) for line in lines)


def compose(report: dict, pictures: dict[str, bytes]) -> str:
    """One self-contained HTML page, from what report.json holds and the PNG pictures by name."""
    protocol, scores = report["protocol"], report["scores"]
    title = escape(f"Scores of {protocol['model']}" if protocol.get("model") else "Scores")
    viewport = "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    parts = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>{viewport}",
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>",
        _compose_table(None, [[key, str(value) or "-"] for key, value in protocol.items()]) if protocol else "",
        f"<div class='tiles'>{''.join(_compose_tile(scores[POOLED], name) for name in HEADLINES)}</div>",
        _compose_sets(scores),
        "<h2>Expression, all records</h2>",
        _compose_classes(scores[POOLED]["expression"])
        if scores[POOLED]["expression"]
        else _compose_absence("expression"),
        _compose_pictures(pictures, "confusion", "reliability"),
        "<h2>Valence and arousal</h2>",
        _compose_affect(scores),
        *(_compose_absence(head) for head in AFFECT if not scores[POOLED][head]),
        _compose_pictures(pictures, "affect"),
        "<h2>Training</h2>" + _compose_pictures(pictures, "curves") if "curves" in pictures else "",
        f"<h2>Notes</h2><p><small>{escape(NOTES)}</small></p></body></html>\n",
    ]
    return "\n".join(filter(None, parts))


def _compose_tile(score: dict, title: str) -> str:
    head, name = HEADLINES[title]
    if not score[head]:
        return ""
    number, *interval = _spell_interval(score, head, name).split("\n")
    lines = [*interval, f"n = {score[head]['n']:,}"]
    return (
        f"<div class='tile'>{escape(title)}<b>{number}</b>{''.join(f'<small>{line}</small>' for line in lines)}</div>"
    )


def _compose_sets(scores: dict) -> str:
    columns = {title: place for title, place in HEADLINES.items() if scores[POOLED][place[0]]}
    rows = [
        [name, f"{score['records']:,}", *(_spell_interval(score, *place) for place in columns.values())]
        for name, score in scores.items()
    ]
    return "<h2>All sets of records</h2>" + _compose_table(["set", "records", *columns], rows)


def _compose_classes(expression: dict) -> str:
    header = ["class", "precision", "recall", "F1", "support"]
    rows = [[name, *(_spell(key, value) for key, value in row.items())] for name, row in expression["classes"].items()]
    sentence = f"<p>The expected calibration error (ECE) is {_spell('ece', expression['ece'])}.</p>"
    return _compose_table(header, rows) + sentence


def _compose_affect(scores: dict) -> str:
    rows = [
        [f"{name}, {head}", f"{score[head]['n']:,}", *(_spell_interval(score, head, key) for key in AFFECT_COLUMNS)]
        for name, score in scores.items()
        for head in AFFECT
        if score[head]
    ]
    return _compose_table(["set", "n", *map(str.upper, AFFECT_COLUMNS)], rows) if rows else ""


def _compose_absence(head: str) -> str:
    return f"<p>There is no score of {head}: no record carries its label, or the model was never trained on it.</p>"


def _compose_table(header: list[str] | None, rows: list[list[str]]) -> str:
    """A table of plain text, the first column as row headings; a second line of a cell is written small."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in header or ())
    lines = []
    for first, *cells in rows:
        parts = [escape(cell).replace("\n", "<small>", 1) + "</small>" * ("\n" in cell) for cell in cells]
        lines.append(f"<tr><th scope='row'>{escape(first)}</th>{''.join(f'<td>{part}</td>' for part in parts)}</tr>")
    kind, head = ("table", f"<thead><tr>{head}</tr></thead>") if header else ("table protocol", "")
    return f"<div class='{kind}'><table>{head}<tbody>{''.join(lines)}</tbody></table></div>"


def _compose_pictures(pictures: dict[str, bytes], *names: str) -> str:
    figures = [
        f"<figure><div><img alt='{CAPTIONS[name]}' "
        f"src='data:image/png;base64,{base64.b64encode(pictures[name]).decode()}'></div><figcaption>{CAPTIONS[name]}</figcaption></figure>"
        for name in names
        if name in pictures
    ]
    return f"<div class='pictures'>{''.join(figures)}</div>" if figures else ""


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
