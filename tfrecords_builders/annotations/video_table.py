"""A user's own table of videos: its columns under their usual names, and what its rows say about a video."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfaffect.errors import UsageError
from tfaffect.files.paths import existing, printable
from tfaffect.files.tables import PATH, open_table
from tfaffect.labels import AFFECT
from tfrecords_builders.annotations.first_few import FirstFew
from tfrecords_builders.base import OUTSIDE_RAW, Note, Skip
from tfrecords_builders.label_table import CLASS, Cells, LabelTable, named_columns
from tfrecords_builders.raw_files import path_below

VIDEO = (*PATH, "video")
"""The column with the path of a video, and the names that stand for it where it is missing."""

FACTS = ("group", "split", "sex", "age", "ethnicity")
COLUMNS = ("path", *AFFECT, "class", "annotation", "start", "end", *FACTS)
NO_GROUP = Note("no column group: a video is a group, so the same person may be in several splits")


def open_videos(path: Path) -> LabelTable:
    """Return the table of videos in a file.

    Raises UsageError for a table without paths or without a column for labels, or with two columns of one name.
    """
    table = open_table(path, (*COLUMNS, *VIDEO, *CLASS))
    columns = named_columns(table, VIDEO, CLASS)
    if not {*AFFECT, "class", "annotation"} & {*columns}:
        raise UsageError(f"{table} has no column valence, arousal, class or annotation. Received: {table.names}.")
    notes = [Note(note) for note in table.notes]
    notes += [Note(f"column not read: {name}") for name in sorted({*columns} - {*COLUMNS})]
    return LabelTable(table, columns, notes=notes if "group" in columns else [*notes, NO_GROUP])


def video_name(folder: Path, name: str) -> str | Skip:
    """Return the path of a video below the folder of the table, or why there is none."""
    if not name.strip():
        return Skip("row without a path")
    if (path := path_below(folder, name)) is None:
        return OUTSIDE_RAW
    return existing(folder, path.relative_to(folder).as_posix()).relative_to(folder).as_posix()


def row_named(skip: Skip, cells: Cells, few: FirstFew) -> Skip:
    """Return a skip whose reason also names the video and its row, for the first few of each reason."""
    place = f"{printable(cells.row.get('path', '')).strip()} (row {cells.line})".strip()
    return Skip(f"{skip.reason}: {few.name(skip.reason, place)}", skip.intended)


def facts(name: str, rows: Sequence[Cells]) -> dict[str, Any]:
    """Return what the rows of a video say about it. Raises UsageError where they disagree."""
    found: dict[str, Any] = {}
    for cells in rows:
        for fact in FACTS:
            value = cells.split() if fact == "split" else cells.text(fact)
            if value and found.setdefault(fact, value) != value:
                raise cells.error(fact, f"{found[fact]!r} as in an earlier row of {name}")
    return {"group": name, **found}
