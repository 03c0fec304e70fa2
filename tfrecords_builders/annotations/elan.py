"""ELAN's `.eaf`: tiers of annotations in milliseconds. The only module that imports pympi.

An annotation holds from its start until before its end, so at the border of two the later one counts. Where inner
borders have no time, as in tiers of the type "Time Subdivision", they are spread evenly; so are the parts of an
annotation in a tier of the type "Symbolic Subdivision".
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError, missing_extra
from tfaffect.files.paths import printable
from tfrecords_builders.annotations.tracks import Tier, Track, segment
from tfrecords_builders.base import Note

Times = dict[str, tuple[float, float]]
"""Start and end in milliseconds by the id of an annotation."""

NO_TIME = Note("annotation of ELAN without a time: left out")


def read(path: Path) -> list[Track]:
    """Return the tiers. Raises UsageError for a file that cannot be read, and without the package pympi-ling."""
    try:
        from pympi.Elan import Eaf
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "pympi":
            raise UsageError(
                f"{printable(path)} is a file of ELAN. To read it needs {missing_extra('pympi')}"
            ) from error
        raise
    try:
        document = Eaf(str(path), suppress_version_warning=True)
        times = _aligned(document)
        for _ in document.tiers:  # a tier may refer to another one that refers to a third
            times |= _referring(document, times)
        return [_tier(path, name, parts[0], parts[1], times) for name, parts in document.tiers.items()]
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise UsageError(f"{printable(path)} is not a complete file of ELAN ({error!r}).") from error
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{printable(path)} is not a file that ELAN wrote: {error}.") from error


def _aligned(document: Any) -> Times:
    """The times of annotations with borders of their own; unknown borders between two known ones are spread evenly."""
    slots = {slot: place for place, slot in enumerate(document.timeslots)}
    times: Times = {}
    for aligned, _, _, _ in document.tiers.values():
        open_chain: list[str] = []
        start = None
        for key, (first, last, _, _) in sorted(aligned.items(), key=lambda item: slots[item[1][0]]):
            if document.timeslots[first] is not None or not open_chain:
                open_chain, start = [], document.timeslots[first]
            open_chain.append(key)
            if document.timeslots[last] is not None and start is not None:
                times |= _spread(open_chain, start, document.timeslots[last])
                open_chain = []
    return times


def _referring(document: Any, times: Times) -> Times:
    """The times of annotations that refer to others: those of the other, shared evenly between all that refer to it."""
    found: Times = {}
    for _, references, _, _ in document.tiers.values():
        children = defaultdict(list)
        for key, (parent, _, _, _) in references.items():
            children[parent].append(key)
        for parent, keys in children.items():
            if parent in times:
                found |= _spread(keys, *times[parent])
    return found


def _spread(keys: Sequence[str], start: float, end: float) -> Times:
    width = (end - start) / len(keys)
    return {key: (start + place * width, start + (place + 1) * width) for place, key in enumerate(keys)}


def _tier(
    path: Path, name: str, aligned: Mapping[str, Sequence[Any]], references: Mapping[str, Sequence[Any]], times: Times
) -> Tier:
    labels = {key: parts[2] for key, parts in aligned.items()} | {key: parts[1] for key, parts in references.items()}
    segments = tuple(
        segment(path, (times[key][0] / 1000, times[key][1] / 1000), label, f"annotation {key}")
        for key, label in labels.items()
        if key in times
    )
    return Tier(name, segments, notes=(NO_TIME,) * (len(segments) < len(labels)))
