"""Curves of valence and arousal for ELAN: a table of numbers for each track, and the file that tells how to show them.

ELAN reads a table as follows (its classes CSVReader and TSConfigurationParser). Lines with `#` are comments. A time is
in seconds only if it has a decimal point, else in milliseconds. `NaN` interrupts a curve; an empty cell at the end of a
line would be 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from tfaffect.features.series import Series, Track
from tfaffect.features.video_names import write_text
from tfaffect.labels import AFFECT

COLOURS = {"valence": "59,76,192", "arousal": "209,96,61"}
"""Red, green and blue of each curve."""

PROVIDER = "mpi.eudico.client.annotator.timeseries.csv.CSVServiceProvider"
"""ELAN's reader of tables."""


def write_curves(stem: Path, series: Series, trained: Collection[str]) -> list[Path]:
    """Write `<stem>.track0.csv` and so on, and `<stem>_tsconf.xml`. Return them, the last one at the end.

    A table has the seconds first, then valence and arousal, if the network learned them, from the first frame of the
    track to its last. Nothing is written where neither was learned or nobody was found.
    """
    names = [name for name in AFFECT if name in trained]
    if not names or not series.tracks:
        return []
    root = ElementTree.Element("timeseries", date=datetime.now(UTC).isoformat(timespec="seconds"), version="1.0")
    tables = []
    for track in series.tracks:
        table = stem.with_name(f"{stem.name}.track{track.number}.csv")
        write_text(table, [f"# {','.join(['seconds', *names])}", *_lines(series, track, names)])
        root.append(_source(table, track.number, names))
        tables.append(table)
    return [*tables, write_xml(stem.with_name(f"{stem.name}_tsconf.xml"), root)]


def _lines(series: Series, track: Track, names: Collection[str]) -> Iterator[str]:
    first, last = track.frames[[0, -1]]
    values = np.full((last - first + 1, len(names)), np.nan)
    values[track.frames - first] = np.stack([track.affect(name) for name in names], axis=1)
    for time, numbers in zip(series.seconds[first : last + 1], values, strict=True):
        yield ",".join([f"{time:.3f}", *("NaN" if np.isnan(number) else f"{number:.4f}" for number in numbers)])


def _source(table: Path, number: int, names: Collection[str]) -> ElementTree.Element:
    facts = {"source-url": to_url(table), "sample-type": "Discontinuous Rate", "time-column": "0"}
    source = ElementTree.Element("tracksource", facts)
    ElementTree.SubElement(source, "property", key="provider", value=PROVIDER)
    for column, name in enumerate(names, start=1):
        track = ElementTree.SubElement(source, "track", name=f"track{number} {name}", derivative="0")
        ElementTree.SubElement(track, "property", key="detect-range", value="false")
        place = ElementTree.SubElement(track, "sample-position")
        ElementTree.SubElement(place, "pos", row="0", col=str(column))
        ElementTree.SubElement(track, "range", min="-1.0", max="1.0")
        ElementTree.SubElement(track, "color").text = COLOURS[name]
    return source


def write_xml(path: Path, root: ElementTree.Element) -> Path:
    """Write an XML file and return its path."""
    ElementTree.indent(root, "    ")
    write_text(path, ['<?xml version="1.0" encoding="UTF-8"?>', ElementTree.tostring(root, encoding="unicode")])
    return path


def to_url(path: Path) -> str:
    """Return the address of a file as ELAN writes it: spaces and accents stay as they are."""
    return f"file://{to_text(os.path.abspath(path))}"


def to_text(name: str) -> str:
    """Return a file name for XML. What XML cannot hold is replaced: then the link leads nowhere."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(r"[\x00-\x1f\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text)
