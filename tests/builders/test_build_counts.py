"""The report of a build on screen."""

import io

from rich.console import Console

from tfrecords_builders.__main__ import _tables


def test_names_with_brackets_are_shown_as_they_are():
    """Rich takes brackets for markup: it would leave `[edited]` out, and stop at `[/x]`."""
    name = "gone[/x]/a[edited].jpg"
    report = {"corpus": "folder", "version": "1.0.0", "splits": {}, "decisions": {}}
    report |= {"skipped": {f"no picture: {name}": 1}, "notes": {f"pictures not found: {name}": 1}}
    console = Console(file=io.StringIO(), width=200)
    console.print(_tables(report))
    assert console.file.getvalue().count(name) == 2
