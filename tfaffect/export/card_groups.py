"""The groups of people in a model card: how good the model is for each of them, or that nobody measured it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfaffect.export.markdown import DASH, format_figure, table
from tfaffect.labels import AFFECT

COLUMNS = {
    "accuracy": ("expression", "accuracy"),
    "accuracy, equal mix": ("expression", "accuracy_equal_mix"),
    **{f"CCC {name}": (name, "ccc") for name in AFFECT},
}
"""Figures of `scoring.groups` in the card: title -> (head, name)."""

NOT_TOLD = (
    "The records of these figures give no sex, age or ethnicity, so it is not known whether the model is equally good "
    "for all people."
)
NOT_MEASURED = (
    "No figure by sex, age or ethnicity was measured for this file, so it is not known whether it is equally good for "
    "all people."
)


def describe_groups(scores: Mapping[str, Any]) -> Iterator[str]:
    """Yield paragraphs and tables about the groups of people in the scores of a contract, or one sentence."""
    groups = scores.get("groups")
    if not groups:
        yield NOT_MEASURED if groups is None else NOT_TOLD
        return
    for name, grouping in groups.items():
        yield from _describe_grouping(name, grouping)
    yield (
        "Equal mix: every group has the class shares of all faces. p: permutation test of the gap between the best and "
        "the worst group, corrected for all gaps that were tested (Holm)."
    )


def _describe_grouping(name: str, grouping: Mapping[str, Any]) -> Iterator[str]:
    values = grouping["values"]
    columns = {
        title: (head, figure)
        for title, (head, figure) in COLUMNS.items()
        if any(figure in (value[head] or {}) for value in values.values())
    }
    rows = []
    for group, value in values.items():
        ranked = any(own["ranked"] for head in ("expression", *AFFECT) if (own := value[head]))
        figures = [format_figure(title, (value[head] or {}).get(own)) for title, (head, own) in columns.items()]
        title = group if ranked else f"{group} (not ranked)"
        rows.append([title, f"{value['records']:,}", f"{value['people']:,}", *figures])
    yield table([f"by {name}", "faces", "people", *columns], rows)
    gaps = [
        f"{title} {format_figure(title, gap)} from {gap['worst']} to {gap['best']} (p {_format_p(gap['p_holm'])})"
        for title, (head, figure) in columns.items()
        if (gap := grouping["gap"].get(head, {}).get(figure))
    ]
    yield f"Gaps by {name}: {'; '.join(gaps)}." if gaps else f"By {name}, too few groups are large enough for a gap."


def _format_p(p: float | None) -> str:
    return DASH if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
