"""Annotation files of ELAN (.eaf, format 3.0): the most probable class of each track as segments of time.

The schema is EAFv3.0.xsd of the Max Planck Institute for Psycholinguistics. Times are in whole milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from mimetypes import MimeTypes
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from tfaffect.features.elan_curves import to_text, to_url, write_curves, write_xml
from tfaffect.features.series import Segment, Series
from tfaffect.files import remote
from tfaffect.labels import CLASSES, HEADS

ENDINGS = r"\.eaf|_tsconf\.xml|\.track\d+\.csv"
"""Regular expression of the endings of all files."""

AUTHOR = "tfaffect"
SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
LANGUAGE = {"LANG_ID": "eng", "LANG_DEF": "http://cdb.iso.org/lg/CDB-00138502-001", "LANG_LABEL": "English (eng)"}
"""Entries of a vocabulary are in a language."""

UNKNOWN_TYPE = "unknown"
"""ELAN's word for a file whose type it does not know. It then tries all its players."""


def write_elan(stem: Path, video: Path, series: Series, trained: Collection[str], abstain: float = 0.0) -> None:
    """Write `<stem>.eaf`, the curves of valence and arousal beside it, and links to them and to the video.

    trained: heads of the network that learned; the others have neither tiers nor curves. abstain: lowest probability
    of a segment.
    """
    path = stem.with_name(f"{stem.name}.eaf")
    curves = write_curves(stem, series, trained)
    tiers: dict[str, Sequence[Segment]] = {}
    if HEADS[0] in trained:
        tiers = {f"track{track.number}": series.segments(track, abstain) for track in series.tracks}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    root = Element("ANNOTATION_DOCUMENT", AUTHOR=AUTHOR, DATE=date, FORMAT="3.0", VERSION="3.0")
    root.set(SCHEMA_LOCATION, SCHEMA)
    header = _header(path.parent, video, curves)
    times, annotated = _annotated(tiers)
    SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(len(times) // 2)
    root.extend([header, times, *annotated, *_vocabulary()])
    write_xml(path, root)


def _header(folder: Path, video: Path, curves: Sequence[Path]) -> Element:
    header = Element("HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if not video.is_dir():  # ELAN cannot open a folder of pictures
        SubElement(header, "MEDIA_DESCRIPTOR", _link("MEDIA_URL", video, folder))
    for curve in curves:
        SubElement(header, "LINKED_FILE_DESCRIPTOR", _link("LINK_URL", curve, folder))
    return header


def _link(name: str, path: Path, folder: Path) -> dict[str, str]:
    """Return the attributes of a link: absolute, and relative to the folder of the .eaf, for when both were moved."""
    kind = "text/xml" if path.suffix == ".xml" else MimeTypes().guess_type(path.name)[0]
    if url := remote.address(path):
        return {name: to_text(url), "MIME_TYPE": kind or UNKNOWN_TYPE}
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return {
        name: to_url(path),
        f"RELATIVE_{name}": to_text(relative if relative.startswith("../") else f"./{relative}"),
        "MIME_TYPE": kind or UNKNOWN_TYPE,
    }


def _annotated(tiers: dict[str, Sequence[Segment]]) -> tuple[Element, list[Element]]:
    """Return the times of all segments in their order, and the tiers with the segments."""
    spans = [(name, *_milliseconds(segment), segment.label) for name in tiers for segment in tiers[name]]
    spans = [span for span in spans if span[1] < span[2]]  # ELAN has no annotation shorter than a millisecond
    borders = sorted((time, number, side) for number, span in enumerate(spans) for side, time in enumerate(span[1:3]))
    slots = {(number, side): f"ts{place}" for place, (_, number, side) in enumerate(borders, start=1)}
    times = Element("TIME_ORDER")
    for time, number, side in borders:
        SubElement(times, "TIME_SLOT", TIME_SLOT_ID=slots[number, side], TIME_VALUE=str(time))
    annotated = {
        name: Element("TIER", TIER_ID=name, PARTICIPANT=name, ANNOTATOR=AUTHOR, LINGUISTIC_TYPE_REF=HEADS[0])
        for name in tiers
    }
    for number, (name, _, _, label) in enumerate(spans):
        references = {"TIME_SLOT_REF1": slots[number, 0], "TIME_SLOT_REF2": slots[number, 1]}
        annotation = SubElement(annotated[name], "ANNOTATION")
        facts = {"ANNOTATION_ID": f"a{number + 1}", **references, "CVE_REF": f"cve_{CLASSES[label]}"}
        aligned = SubElement(annotation, "ALIGNABLE_ANNOTATION", facts)
        SubElement(aligned, "ANNOTATION_VALUE").text = CLASSES[label]
    return times, list(annotated.values())


def _milliseconds(segment: Segment) -> tuple[int, int]:
    return round(1000 * segment.start), round(1000 * segment.end)


def _vocabulary() -> list[ElementTree.Element]:
    """Return the type of the tiers with the class names as its vocabulary, from which people choose corrections."""
    facts = {"LINGUISTIC_TYPE_ID": HEADS[0], "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    tier_type = Element("LINGUISTIC_TYPE", {**facts, "CONTROLLED_VOCABULARY_REF": HEADS[0]})
    vocabulary = Element("CONTROLLED_VOCABULARY", CV_ID=HEADS[0])
    SubElement(vocabulary, "DESCRIPTION", LANG_REF=LANGUAGE["LANG_ID"])
    for name in CLASSES:
        entry = SubElement(vocabulary, "CV_ENTRY_ML", CVE_ID=f"cve_{name}")
        SubElement(entry, "CVE_VALUE", LANG_REF=LANGUAGE["LANG_ID"]).text = name
    return [tier_type, Element("LANGUAGE", LANGUAGE), vocabulary]
