"""Read ratings from files: tables, pairs of time and value, and ARFF."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files.encodings import read_text
from tfrecords_builders.tables import number, rows
from tfrecords_builders.traces import Trace


def read_table(
    path: Path, required: Sequence[str] = (), header: Sequence[str] = (), time: str = "time"
) -> dict[str, Trace]:
    """Return a trace for each column of a table except the times, by its name in lower case.

    The times are in the column whose name starts with `time`. `header` names the columns of a table without a header.
    A table without rows has no traces. Raises UsageError for a table without times or a `required` column.
    """
    table = [{name.lower(): cell for name, cell in row.items()} for row in rows(path, header=header)]
    names = max((list(row) for row in table), key=len, default=[])
    if not names:
        return {}
    time = next((name for name in names if name.startswith(time)), time)
    if missing := {time, *required} - set(names):
        raise UsageError(f"{path} lacks the columns {sorted(missing)}. Received: {names}.")
    times = [number(row.get(time)) for row in table]
    return {
        name: Trace.of(zip(times, (number(row.get(name)) for row in table), strict=True))
        for name in names
        if name and name != time
    }


def read_pairs(path: Path) -> Trace:
    """Return the trace of a file without header, with a time in seconds and a value on every line.

    The two are separated by blanks, semicolons or commas. Commas beside blanks or semicolons are decimal marks, unless
    the line has a point.
    """
    cells = map(_split_pair, read_text(path).splitlines())
    return Trace.of((number(pair[0]), number(pair[1])) for pair in cells if len(pair) > 1)


def read_arff(path: Path) -> dict[str, Trace]:
    """Return the traces of an ARFF file by instance. The rating is the last attribute.

    The instance is the text attribute, which SciPy's reader refuses. Raises UsageError for a file without `@data`, or
    without a time attribute before the rating.
    """
    lines = read_text(path).splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.strip().startswith("%")]
    start = next((place for place, line in enumerate(lines) if line.lower().startswith("@data")), None)
    if start is None:
        raise UsageError(f"{path} has no line @data. Received: {lines[:1]}.")
    attributes = [re.match(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(\S+)", line, re.I) for line in lines[:start]]
    kinds = {found[1].strip("'\"").lower(): found[2].lower() for found in attributes if found}
    names = list(kinds)
    time = next((name for name in names if "time" in name), None)
    if time in (None, names[-1]):
        raise UsageError(f"{path} lacks a time attribute, or the rating after it. Received: {names}.")
    instance = next((name for name, kind in kinds.items() if kind == "string"), "")
    samples = defaultdict(list)
    for line in lines[start + 1 :]:
        row = dict(zip(names, (cell.strip().strip("'\"") for cell in line.split(",")), strict=False))
        samples[row.get(instance, "")].append((number(row.get(time)), number(row.get(names[-1]))))
    return {name: Trace.of(pairs) for name, pairs in samples.items()}


def _split_pair(line: str) -> list[str]:
    if "." not in line and re.search(r"[;\s]", line.strip()):
        line = re.sub(r"(?<=\d),(?=\d)", ".", line)
    return line.replace(",", " ").replace(";", " ").split()
