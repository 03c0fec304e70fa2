"""NOVA and SSI annotations: a header in XML (`x.annotation`), and its data beside it (`x.annotation~`).

Baur et al., eXplainable Cooperative Machine Learning with NOVA, KI 34, 2020. NOVA writes a missing score as `NaN`, and
its own reader takes `nan` for 0. Both mean "missing" here. The confidences are not read.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.encodings import read_text
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number
from tfrecords_builders.annotations import xml_files
from tfrecords_builders.annotations.tracks import Curve, Segment, Tier, Track, curve, segment
from tfrecords_builders.base import Note

SCORE = np.dtype([("score", "<f4"), ("confidence", "<f4")])
SEGMENT = np.dtype([("from", "<f8"), ("to", "<f8"), ("id", "<i4"), ("confidence", "<f4")])
GARBAGE = -1
"""The id of segments that belong to no class."""
Row = tuple[str, tuple[float | None, float | None], str]
"""Place, start and end in seconds, and label or id of a segment."""

OTHER_SIZE = Note("header of NOVA states another number of samples than the data has")


def read(path: Path, header: Element) -> list[Track]:
    """Return the one track of an annotation. Raises UsageError for a scheme or data that cannot be read."""
    info, scheme = (xml_files.require(path, header, name) for name in ("info", "scheme"))
    kind, binary = scheme.get("type", "").upper(), info.get("ftype", "ASCII").upper() == "BINARY"
    data = xml_files.data_file(path)
    if kind == "CONTINUOUS":
        return [_continuous(path, data, scheme, info, binary)]
    if kind == "DISCRETE" or (kind == "FREE" and not binary):
        items = _items(path, scheme) if kind == "DISCRETE" else None
        return [Tier(scheme.get("name", ""), tuple(_segments(data, items, binary)), data=data)]
    raise UsageError(
        f"{printable(path)} has the scheme {kind or 'without a type'}{' in binary form' if binary else ''}. Only "
        "CONTINUOUS, DISCRETE and, in ASCII form, FREE are read."
    )


def _continuous(path: Path, data: Path, scheme: Element, info: Element, binary: bool) -> Curve:
    rate = xml_files.positive(path, scheme, "sr")
    low, high = limits = (xml_files.number(path, scheme, "min"), xml_files.number(path, scheme, "max"))
    if not low < high:
        raise UsageError(f"{printable(path)}: min must be less than max. Received: {low:g} and {high:g}.")
    name = scheme.get("name", "")
    if binary:
        scores = _records(data, SCORE)["score"].astype(float)
        samples = np.arange(len(scores))
        scores = np.where(np.isinf(scores), np.nan, scores)
        found = Curve(name, samples / rate, scores, samples + 1, "sample", limits, data=data)
    else:
        lines = read_text(data).rstrip().splitlines()
        cells = [(number + 1, number / rate, line.partition(";")[0]) for number, line in enumerate(lines)]
        found = curve(data, name, cells, limits)
    stated = to_number(info.get("size", ""))
    return found if stated in (None, len(found.values)) else replace(found, notes=(OTHER_SIZE,))


def _items(path: Path, scheme: Element) -> dict[int, str]:
    """The names of the classes by id."""
    items = {int(xml_files.number(path, item, "id")): item.get("name", "") for item in scheme.iter("item")}
    if not items:
        raise UsageError(f"{printable(path)} has a DISCRETE scheme without an <item>.")
    return items


def _segments(data: Path, items: dict[int, str] | None, binary: bool) -> Iterator[Segment]:
    """Yield the segments. `items` has the names of a discrete scheme; a free scheme has labels in its data."""
    for place, times, label in _binary_rows(data) if binary else _text_rows(data):
        if items is None:
            yield segment(data, times, label, place)
            continue
        number = to_number(label)
        if number == GARBAGE or label.strip().lower() == "nan":
            continue
        if number not in items:
            raise UsageError(
                f"{place.capitalize()} of {printable(data)}: the header has no class {label.strip()[:50]!r}."
            )
        yield segment(data, times, items[int(number)], place)


def _text_rows(data: Path) -> Iterator[Row]:
    for line, text in enumerate(read_text(data).splitlines(), start=1):
        cells = text.split(";")
        if text.strip() and len(cells) < 3:
            raise UsageError(
                f"Line {line} of {printable(data)}: a segment is written as from;to;label;confidence. "
                f"Received: {text.strip()[:50]!r}."
            )
        if text.strip():
            yield f"line {line}", (to_number(cells[0]), to_number(cells[1])), cells[2]


def _binary_rows(data: Path) -> Iterator[Row]:
    for number, row in enumerate(_records(data, SEGMENT), start=1):
        yield f"segment {number}", (float(row["from"]), float(row["to"])), str(int(row["id"]))


def _records(data: Path, kind: np.dtype) -> np.ndarray:
    content = data.read_bytes()
    if len(content) % kind.itemsize:
        raise UsageError(
            f"{printable(data)} is cut off, or not in binary form: its length must be a multiple of {kind.itemsize} "
            f"bytes. Received: {len(content)}."
        )
    return np.frombuffer(content, kind)
