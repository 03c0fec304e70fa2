"""Tables in Markdown of what `benchmarks/peers.py` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LEARNED = "Ours learned the votes of ten people a face; the others learned what the last column says."
COSTS = ("", "version", "ms a face", "weights, MB", "installed, MB", "peak memory, MB", "runtime")
FOUND = ("", "found", "false", "ms a picture", "smallest face, pixels", "peak memory, MB")
NONE = "-"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    print()
    for cells in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(cells)} |")


def print_scores(result: Mapping[str, Any], learned: Mapping[str, str]) -> None:
    """Print a table for each protocol, and its paired tests. learned: the labels that each peer learned from."""
    classes = result["classes"]
    print(f"\n{LEARNED} The columns of classes have the faces found. Classes: {', '.join(classes)}.")
    for tag, protocol in result["protocols"].items():
        header = (tag, "faces", "accuracy, %", "macro F1, %", "UAR, %", "ECE", *classes, "learned")
        rows = []
        for name, own in protocol["scores"].items():
            shares = [interval(own[figure]) for figure in ("accuracy", "macro_f1", "uar")]
            recall = [format_recall(own["recall"].get(word)) for word in classes]
            rows.append([name, f"{own['n']:,}", *shares, interval(own["ece"], 1, 3), *recall, learned[name]])
        print_table(header, rows)
        print()
        for test in protocol["tests"]:
            pair = f"{test['ours']} against {test['peer']}: right alone {test['first']} and {test['second']}"
            print(f"- {pair}, McNemar p {test['p']:.2g}, Holm {test['p_holm']:.2g}")


def print_costs(costs: Mapping[str, Any]) -> None:
    """Print the time, the sizes and the versions."""
    rows = []
    for name, cost in costs.items():
        weights = "downloaded" if cost["weights"] is None else f"{cost['weights']:.2f}"
        sizes = [f"{cost['installed']:,.0f}", f"{cost['memory']:,.0f}"]
        rows.append([name, cost["version"], f"{cost['ms']:.2f}", weights, *sizes, cost["runtime"]])
    print_table(COSTS, rows)


def print_scenes(scenes: Mapping[str, Any]) -> None:
    """Print what was found in the photos and in the video."""
    rows = []
    for scene, peers in scenes.items():
        for name, own in peers.items():
            smallest = NONE if own["smallest"] is None else f"{own['smallest']:.0f}"
            found = [f"{scene}: {name}", f"{own['found']} of {own['faces']}", str(own["false"])]
            rows.append([*found, f"{1000 * own['seconds']:.0f}", smallest, f"{own['memory']:,.0f}"])
    print_table(FOUND, rows)


def interval(figure: Mapping[str, float], factor: float = 100, digits: int = 1) -> str:
    """Return a figure with its interval in brackets."""
    value, low, high = (figure[part] for part in ("value", "low", "high"))
    if low is None:
        return f"{factor * value:.{digits}f}"
    return f"{factor * value:.{digits}f} ({factor * low:.{digits}f} to {factor * high:.{digits}f})"


def format_recall(row: Mapping[str, float] | None) -> str:
    """Return how many faces of a class were found, of how many."""
    return NONE if row is None else f"{round(row['recall'] * row['support'])} of {row['support']}"
