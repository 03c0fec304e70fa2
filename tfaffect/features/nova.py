"""Annotations in the format of NOVA and SSI: valence and arousal at a fixed rate, classes as segments of time.

Baur et al., "Explainable cooperative machine learning with NOVA", KI 2020. An annotation is two files: `x.annotation`
(XML) has the scheme, `x.annotation~` has one line for each sample or segment. The format is that of NOVA's manual.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from tfaffect.features.panel import CLASS_COLOURS
from tfaffect.features.series import Series
from tfaffect.features.video_names import write_text
from tfaffect.labels import AFFECT, CLASSES, HEADS

ENDINGS = rf"\.track\d+\.(?:{'|'.join(HEADS)})\.annotation~?"
"""Regular expression of the endings of all files."""

ANNOTATOR = "tfaffect"

RANGE = {"min": "-1", "max": "1", "mincolor": "#FF3B4CC0", "maxcolor": "#FFD1603D"}
"""The range of valence and arousal, and the colours of its ends: alpha, red, green, blue."""

BACKGROUND = "#FFFFFFFF"


def write_nova(stem: Path, series: Series, trained: Collection[str], abstain: float = 0.0) -> None:
    """Write the annotations of one video: `<stem>.track0.valence.annotation`, its data file, and so on.

    trained: heads of the network that learned; the others have no files. abstain: lowest probability of a segment.
    """
    for track in series.tracks:
        role = f"track{track.number}"
        for name in AFFECT:
            if name in trained:
                facts = {"name": name, "type": "CONTINUOUS", "sr": f"{series.rate:g}", **RANGE}
                scheme = ElementTree.Element("scheme", facts)
                samples = series.regular(track, track.affect(name))
                _write_pair(stem, role, scheme, [*_sample_lines(samples)])
        if HEADS[0] in trained:
            lines = [
                f"{start:.3f};{end:.3f};{label};{confidence:.4f}"
                for start, end, label, confidence in series.segments(track, abstain)
            ]
            _write_pair(stem, role, _class_scheme(), lines)


def _sample_lines(samples: Iterable[float]) -> Iterator[str]:
    """Yield score and confidence. NOVA reads a missing score only as `NaN`: it takes `nan` for 0."""
    for value in samples:
        yield "NaN;0" if np.isnan(value) else f"{value:.4f};1"


def _class_scheme() -> ElementTree.Element:
    scheme = ElementTree.Element("scheme", name=HEADS[0], type="DISCRETE", color=BACKGROUND)
    for number, (name, colour) in enumerate(zip(CLASSES, CLASS_COLOURS, strict=True)):
        ElementTree.SubElement(scheme, "item", name=name, id=str(number), color="#FF{:02X}{:02X}{:02X}".format(*colour))
    return scheme


def _write_pair(stem: Path, role: str, scheme: ElementTree.Element, lines: Sequence[str]) -> None:
    """Write the data file, and then the XML: who sees an annotation finds its data."""
    root = ElementTree.Element("annotation", {"ssi-v": "3"})
    ElementTree.SubElement(root, "info", ftype="ASCII", size=str(len(lines)))
    ElementTree.SubElement(root, "meta", role=role, annotator=ANNOTATOR)
    root.append(scheme)
    ElementTree.indent(root, "    ")
    path = stem.with_name(f"{stem.name}.{role}.{scheme.get('name')}.annotation")
    write_text(path.with_name(f"{path.name}~"), lines)
    write_text(path, ['<?xml version="1.0" ?>', ElementTree.tostring(root, encoding="unicode")])
