"""Counts of a complete folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from tfaffect.features.cluster.folder import REPORT, ROWS, Folder
from tfaffect.features.cluster.units import Unit
from tfaffect.features.job import Counts, count

COUNTED = ("path", "frame", "face", "problem")
"""The columns that are read to count rows."""


def write_report(folder: Folder, units: Sequence[Unit]) -> Counts:
    """Write the counts of all units, and return them."""
    counts = counts_of(folder, units)
    folder.write_json(REPORT, {"sources": units[-1].last + 1, "units": len(units), **asdict(counts)})
    return counts


def counts_of(folder: Folder, units: Sequence[Unit]) -> Counts:
    """Count the rows of units."""
    return count(folder.batches(ROWS, units, COUNTED))


def read_report(folder: Folder, units: Sequence[Unit]) -> Counts:
    """Return the counts of a folder whose units are complete."""
    if not folder.store.exists(folder.path / REPORT):  # the last job was killed before it wrote them
        return write_report(folder, units)
    facts = folder.read_json(REPORT)
    return Counts(**{name: facts[name] for name in Counts.__dataclass_fields__})
