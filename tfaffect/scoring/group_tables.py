"""The groups of people of a report, as tables for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import pandas as pd

from tfaffect.labels import AFFECT
from tfaffect.scoring.formatting import format_interval, format_score
from tfaffect.scoring.group_faces import SMALLEST
from tfaffect.scoring.group_sums import EQUAL_MIX
from tfaffect.scoring.page import compose_details, compose_table

CLASS_FIGURES = {
    "accuracy": ("expression", "accuracy"),
    "accuracy, equal mix": ("expression", "accuracy" + EQUAL_MIX),
    "UAR": ("expression", "uar"),
    "macro F1": ("expression", "macro_f1"),
    "macro F1, equal mix": ("expression", "macro_f1" + EQUAL_MIX),
    "ECE": ("expression", "ece"),
}
AFFECT_FIGURES = {f"{name.upper()} {head}": (head, name) for head in AFFECT for name in ("ccc", "rmse")}
TABLE_FIGURES = {title: place for title, place in CLASS_FIGURES.items() if title != "macro F1, equal mix"}
"""Those that fit beside each other on a page; the table of gaps and report.json have all."""

FIGURES = CLASS_FIGURES | AFFECT_FIGURES
"""The figures of a group: title -> head and name."""

MAIN = ("accuracy", "accuracy, equal mix", *(f"CCC {head}" for head in AFFECT))
"""The titles of the figures on the terminal."""

NONE = "No record of these corpora gives sex, age or ethnicity, so there are no scores by group of people."


def compose_grouping(name: str, grouping: dict[str, Any]) -> list[str]:
    """The tables of one grouping: the classes, valence and arousal, the gaps, and what happens with a threshold."""
    return [
        _compose_figures(f"Classes by {name}", grouping, TABLE_FIGURES),
        _compose_figures(f"Valence and arousal by {name}", grouping, AFFECT_FIGURES),
        _compose_gaps(name, grouping),
        _compose_missing(grouping),
        _compose_thresholds(name, grouping),
    ]


def describe_method(grouping: dict[str, Any]) -> str:
    """How the numbers of groups were made, with the seed and the counts."""
    draws = f"{grouping['resamples']:,} draws of people with replacement, seed {grouping['seed']}"
    return (
        f"In brackets: 95 % intervals of a bootstrap ({draws}); all faces of a person are drawn together. A gap is the "
        "distance between the best and the worst group. Its interval is for these two groups and leaves out that they "
        f"were chosen. p: how often {grouping['permutations']:,} permutations of the groups among people, within each "
        "corpus, give a gap as large. The corrected p also holds for all "
        f"{grouping['tests']:,} tests on this page together (Holm). Groups with fewer than {SMALLEST} faces are not "
        "ranked. Equal mix: every group gets the class shares of all faces, so that a group with more hard faces is "
        "not worse for this reason."
    )


def scored_figures(grouping: dict[str, Any], figures: dict[str, tuple[str, str]] = FIGURES) -> dict[str, tuple]:
    """The figures that a group of this grouping has."""
    values = grouping["values"].values()
    return {
        title: (head, name)
        for title, (head, name) in figures.items()
        if any(value[head] and name in value[head] for value in values)
    }


def format_p(p: float | None) -> str:
    """A p value as text."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def terminal_rows(name: str, grouping: dict[str, Any]) -> list[list[str]]:
    """The main figures of the groups for the terminal, and their gaps in the last rows."""
    columns = {title: place for title, place in scored_figures(grouping).items() if title in MAIN}
    rows = [[f"by {name}", "records", "people", *columns]]
    for group, value in grouping["values"].items():
        cells = [_cell(value, *place).split("\n")[0] for place in columns.values()]
        rows.append([group, f"{value['records']:,}", f"{value['people']:,}", *cells])
    gaps = [grouping["gap"].get(head, {}).get(figure) for head, figure in columns.values()]
    if any(gaps):
        texts = [
            format_score(place[1], gap and gap["value"]) for place, gap in zip(columns.values(), gaps, strict=True)
        ]
        rows.append(["gap", "", "", *texts])
        rows.append(["p of the gap, corrected", "", "", *(format_p(gap and gap["p_holm"]) for gap in gaps)])
    return rows


def _compose_figures(caption: str, grouping: dict[str, Any], figures: dict[str, tuple[str, str]]) -> str:
    columns = scored_figures(grouping, figures)
    if not columns:
        return ""
    heads = {head for head, _ in columns.values()}
    rows, data = [], []
    for group, value in grouping["values"].items():
        known = [value[head] for head in heads if value[head]]
        faces, people = (max((own[key] for own in known), default=0) for key in ("n", "people"))
        ranked = "" if any(own["ranked"] for own in known) else "\nnot ranked"
        cells = [_cell(value, *place) for place in columns.values()]
        rows.append([group, f"{faces:,}{ranked}", f"{people:,}", *cells])
        data += list(_numbers(group, value, columns))
    return compose_table(["group", "faces", "people", *columns], rows, caption, pd.DataFrame(data, dtype=object))


def _numbers(group: str, value: dict[str, Any], columns: dict[str, tuple]) -> Iterator[dict[str, Any]]:
    """A row of the CSV for every figure of a group."""
    for title, (head, name) in columns.items():
        if value[head] and name in value[head]:
            counts = {key: value[head][key] for key in ("n", "people", "ranked")}
            yield {"group": group, "figure": title, **counts, **value[head][name]}


def _compose_gaps(name: str, grouping: dict[str, Any]) -> str:
    rows, data = [], []
    for title, (head, figure) in FIGURES.items():
        if gap := grouping["gap"].get(head, {}).get(figure):
            chance = [format_p(gap[key]) for key in ("p", "p_holm")]
            rows.append([title, format_interval(grouping["gap"], head, figure), gap["best"], gap["worst"], *chance])
            data.append({"figure": title, **gap})
    if not rows:
        return f"<p>Fewer than two groups have {SMALLEST} faces or more, so there is no gap.</p>"
    header = ["figure", "gap", "best", "worst", "p", "p, corrected"]
    return compose_table(header, rows, f"Gaps by {name}", pd.DataFrame(data, dtype=object))


def _compose_missing(grouping: dict[str, Any]) -> str:
    """Which classes a group lacks, and which the equal mix leaves out."""
    groups = {name: value["expression"] for name, value in grouping["values"].items() if value["expression"]}
    lines = [f"{name} has no {', '.join(own['lacks'])}" for name, own in groups.items() if own["lacks"]]
    if left_out := grouping["left_out"]:
        lines.append(f"the equal mix leaves out {', '.join(left_out)}, because a ranked group has no such face")
    return f"<p>Classes without a face: {escape('; '.join(lines))}.</p>" if lines else ""


def _compose_thresholds(name: str, grouping: dict[str, Any]) -> str:
    """Coverage and accuracy of each group if only confident faces get a class, shown on request."""
    rows, data = [], []
    for group, value in grouping["values"].items():
        for own in value["expression"]["abstain"] if value["expression"] else ():
            limit, cells = own["threshold"], [format_interval({"": own}, "", key) for key in ("coverage", "accuracy")]
            rows.append([group, f"{limit:g}", *cells])
            columns = {f"{key} {part}": own[key][part] for key in ("coverage", "accuracy") for part in own[key]}
            data.append({"group": group, "threshold": limit, **columns})
    if not rows:
        return ""
    caption = f"Only confident faces get a class, by {name}"
    header = ["group", "top probability at least", "faces with a class", "accuracy on these"]
    return compose_details(caption, compose_table(header, rows, f"{caption}: the numbers", pd.DataFrame(data)))


def _cell(value: dict[str, Any], head: str, name: str) -> str:
    return format_interval(value, head, name) if value[head] and name in value[head] else "-"
