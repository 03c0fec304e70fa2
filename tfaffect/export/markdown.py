"""Figures and facts as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

DASH = "-"
"""The text for an unknown value."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; `|` in a cell becomes `/`, because it would end the cell."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def percent(share: float | None) -> str:
    """Return a share with one decimal of a percent."""
    return DASH if share is None else f"{100 * share:.1f} %"


def format_figure(title: str, figure: Mapping | float | None) -> str:
    """Return a figure with its interval: CCC and RMSE as numbers, the others as percentages.

    figure: {"value", "low", "high"}, or a number without an interval, for example the ECE of `scoring.scores`.
    """
    text = "{:.3f}".format if title.startswith(("CCC", "RMSE")) else percent
    known = figure if isinstance(figure, Mapping) else {"value": figure}
    value, low, high = (known.get(name) for name in ("value", "low", "high"))
    if value is None:
        return DASH
    bounds = "" if low is None else f" [{text(low).removesuffix(' %')}, {text(high).removesuffix(' %')}]"
    return text(value) + bounds


def facts(values: Mapping[str, object], prefix: str = "") -> list[list[str]]:
    """Return nested values as rows of a table: {"differences": {"valence": 1e-6}} -> ["differences, valence", "1e-06"].

    `bytes` becomes a size in megabytes.
    """
    return [row for name, value in values.items() for row in _facts(f"{prefix}{name}".replace("_", " "), value)]


def _facts(name: str, value: object) -> Iterator[list[str]]:
    if isinstance(value, Mapping):
        yield from facts(value, f"{name}, ")
    else:
        yield ["size", f"{value / 1e6:.1f} MB"] if name == "bytes" and isinstance(value, int) else [name, _text(value)]


def _text(value: object) -> str:
    if value is None:
        return DASH
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value)) or DASH
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
