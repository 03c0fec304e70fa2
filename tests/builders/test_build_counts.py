"""The report of a build on screen."""

import io
from pathlib import Path

from rich.console import Console

from tfrecords_builders.__main__ import _tables
from tfrecords_builders.base import Face, Skip
from tfrecords_builders.build_counts import BuildCounts


def test_names_with_brackets_are_shown_as_they_are():
    """Rich takes brackets for markup: it would leave `[edited]` out, and stop at `[/x]`."""
    name = "gone[/x]/a[edited].jpg"
    report = {"corpus": "folder", "version": "1.0.0", "splits": {}, "decisions": {}}
    report |= {"skipped": {f"no picture: {name}": 1}, "notes": {f"pictures not found: {name}": 1}}
    report |= {"attributes": {"sex": {name: 1}}}
    console = Console(file=io.StringIO(), width=200)
    console.print(_tables(report))
    shown = console.file.getvalue()
    assert shown.count(name) == 3
    assert "Annotations without a record, and notes" in shown
    assert f"note: pictures not found: {name}" in shown


def test_a_report_lists_the_most_frequent_values_of_an_attribute_and_sums_up_the_others():
    counts = BuildCounts()
    for number in range(60):
        face = Face(key=str(number), group="g", image=Path("x"), split="train", age=str(max(number, 3)))
        counts.count_outcome(face, "a record", {})
    counts.count_outcome(Face(key="x", group="g", image=Path("x"), split="train", sex="male"), Skip("gone"), {})
    (listed,) = counts.report({})["attributes"].values()
    assert list(listed.items())[:2] == [("3", 4), ("4", 1)]
    assert (len(listed), listed["other values"], sum(listed.values())) == (51, 7, 60)
