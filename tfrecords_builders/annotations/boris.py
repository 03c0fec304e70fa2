"""BORIS: the table of aggregated events, a row for each time that a behaviour was seen. A tier for each subject.

Friard and Gamba: BORIS: a free, versatile open-source event-logging software, Methods in Ecology and Evolution 7, 2016.
One table may hold several observations; a tier has the video that it describes.
"""

import re
from collections import defaultdict
from pathlib import Path, PureWindowsPath

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.files.separated import bare
from tfaffect.files.tables import open_table
from tfrecords_builders.annotations.tracks import Segment, Tier, Track, segment
from tfrecords_builders.base import Note

BEHAVIOUR, START, STOP = "behavior", "start (s)", "stop (s)"
MEDIA = ("media file", "media file name", "source")
"""The column with the video, by version of BORIS."""
NOBODY = "No focal subject"
POINT = Note("point event of BORIS: it has no duration and is left out")


def is_boris(text: str) -> bool:
    """Return whether a text is a table of aggregated events, or another export of BORIS, which is refused."""
    first = text.lstrip().partition("\n")[0].lower()
    return (BEHAVIOUR in first and START in first) or bare(re.split(r"[,;\t]", first)[0]) == "observation id"


def read(path: Path) -> list[Track]:
    """Return a tier for each video and subject; its labels are the behaviours.

    Raises UsageError for another export than that of aggregated events.
    """
    table = open_table(path, (BEHAVIOUR, START, STOP))
    names = [bare(name).lower() for name in table.names]
    if missing := {BEHAVIOUR, START, STOP} - {*names}:
        raise UsageError(
            f"{printable(path)} is a table of BORIS without the columns {sorted(missing)}. Export the observations as "
            f"aggregated events. Received: {table.names}."
        )
    media = next((name for name in MEDIA if name in names), "")
    found: dict[tuple[str, str], list[Segment]] = defaultdict(list)
    for line, cells in table.rows:
        row = dict(zip(names, map(bare, cells), strict=False))
        times = [table.number(row.get(name, "")) for name in (START, STOP)]
        event = segment(path, times, row.get(BEHAVIOUR, ""), f"line {line}")
        found[_file_name(row.get(media, "")), row.get("subject") or NOBODY].append(event)
    return [_tier(subject, events, video) for (video, subject), events in found.items()]


def _tier(subject: str, events: list[Segment], video: str) -> Tier:
    lasting = tuple(event for event in events if event.start < event.end)
    return Tier(subject, lasting, video, notes=(POINT,) * (len(lasting) < len(events)))


def _file_name(media: str) -> str:
    """The file name in lower case of a path on any system. Newer versions write the number of the player before it."""
    return PureWindowsPath(re.sub(r"^player #\d+:", "", media)).name.lower()
