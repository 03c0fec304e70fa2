"""What every column of the tables means: type, unit, range, meaning, and by what it was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import pyarrow as pa

from tfaffect.features import fex, tables
from tfaffect.features.windows import STATISTICS
from tfaffect.labels import CLASSES

NETWORK, DETECTOR, LINKER, FILE = "network", "face detector", "tracks", "file"
"""By what a column was found. The protocol of each stands once in the data dictionary."""

NO_UNIT = ""
INFINITE = None


@dataclass(frozen=True)
class Column:
    """One column. range: lowest and highest value, None without a limit, () for text. source: by what it was found."""

    type: str
    meaning: str
    unit: str = NO_UNIT
    range: tuple[float | None, ...] = ()
    source: str = FILE

    def entry(self) -> dict[str, object]:
        """Return the column as an entry of a data dictionary, without facts that it does not have."""
        facts = asdict(self)
        return {
            name: facts[name] for name in ("type", "unit", "range", "meaning", "source") if facts[name] not in ("", ())
        }


def _probability(name: str) -> Column:
    return Column("number", f"probability of {name}", NO_UNIT, (0, 1), NETWORK)


def _pixels(meaning: str) -> Column:
    return Column("number", meaning, "pixel", (INFINITE, INFINITE), DETECTOR)


_PARTS = {
    **{"right_eye": "centre of the person's right eye", "left_eye": "centre of the person's left eye"},
    **{"nose": "tip of the nose", "mouth_right": "right corner of the mouth", "mouth_left": "left corner of the mouth"},
}

ROWS: dict[str, Column] = {
    "path": Column("text", "the picture or video as it was named"),
    "expression": Column("text", f"the most probable class, one of: {', '.join(CLASSES)}", source=NETWORK),
    **{f"expression_{name}": _probability(name) for name in CLASSES},
    "valence": Column("number", "unpleasant (-1) to pleasant (1)", NO_UNIT, (-1, 1), NETWORK),
    "arousal": Column("number", "calm (-1) to excited (1)", NO_UNIT, (-1, 1), NETWORK),
    "frame": Column("integer", "number of the frame in its video, from 0", NO_UNIT, (0, INFINITE)),
    "seconds": Column("number", "time of the frame", "second", (0, INFINITE)),
    "face": Column("integer", "number of the face in its picture or frame, 0 for the largest", NO_UNIT, (0, INFINITE)),
    "track": Column("integer", "number of the person in the video, from 0", NO_UNIT, (0, INFINITE), LINKER),
    **{f"box_{side}": _pixels(f"{side} edge of the face's box") for side in ("left", "top", "right", "bottom")},
    **{f"{part}_{axis}": _pixels(f"{axis} of the {text}") for part, text in _PARTS.items() for axis in "xy"},
    "detection_score": Column("number", "confidence that the box holds a face", NO_UNIT, (0, 1), DETECTOR),
    "problem": Column("text", "why the other columns are empty: no face, or why an input could not be read"),
    **{
        name: Column("number", f"affective feature {place} of the face", NO_UNIT, (-1, 1), NETWORK)
        for place, name in enumerate(tables.EMBEDDING)
    },
}
"""The columns of the layout `tfaffect`."""

FEX: dict[str, Column] = {
    **{fex.RENAMED.get(name, name): column for name, column in ROWS.items() if name not in tables.BOX},
    "FaceRectX": _pixels("left edge of the face's box"),
    "FaceRectY": _pixels("top edge of the face's box"),
    "FaceRectWidth": replace(_pixels("width of the face's box"), range=(0, INFINITE)),
    "FaceRectHeight": replace(_pixels("height of the face's box"), range=(0, INFINITE)),
    "FaceScore": replace(ROWS["detection_score"], meaning="confidence that the box holds a face; 0 without a face"),
    "frame": replace(ROWS["frame"], meaning="number of the frame in its video, from 0; of a picture, of the picture"),
    "approx_time": Column("text", "time of the frame in minutes and whole seconds, as 01:05"),
}
"""The columns of the layout `fex`."""

_OF_WINDOW: dict[str, Column] = {
    "path": ROWS["path"],
    "begin_seconds": Column("number", "start of the window", "second", (INFINITE, INFINITE)),
    "end_seconds": Column("number", "end of the window; a frame at this time is not in it", "second", (0, INFINITE)),
    "track": replace(ROWS["track"], meaning="number of the person in the video; missing in a window without any face"),
    "frames": Column("integer", "number of sampled frames in the window", NO_UNIT, (0, INFINITE)),
    "faces": Column("integer", "number of these frames that show the person", NO_UNIT, (0, INFINITE), LINKER),
    "face_share": Column("number", "faces divided by frames; 0 in a window without frames", NO_UNIT, (0, 1), LINKER),
}


def _statistic(name: str, column: Column) -> Column:
    """Return the statistic of a column over the frames of a window."""
    low, high = (float(limit or 0) for limit in column.range)
    limits: dict[str, tuple[float | None, ...]] = {
        "deviation": (0, (high - low) / 2),
        "slope": (INFINITE, INFINITE),
    }
    words = {"deviation": "standard deviation", "slope": "least-squares change per second"}
    return replace(
        column,
        meaning=f"{words.get(name, name)} over the window: {column.meaning}",
        unit="1 / second" if name == "slope" else column.unit,
        range=limits.get(name, column.range),
    )


WINDOWS: dict[str, Column] = {
    **_OF_WINDOW,
    **{f"{name}_{kind}": _statistic(kind, ROWS[name]) for kind in STATISTICS for name in tables.VALUES},
}
"""The columns of a table of windows."""

CARRIED = Column("text", "copied from the table that lists the inputs")


def describe(schema: pa.Schema, known: dict[str, Column], carried: Sequence[str]) -> Iterator[tuple[str, Column]]:
    """Yield the name and description of every column of a table. Raises KeyError for one that has none."""
    for name in schema.names:
        yield name, CARRIED if name in carried else known[name]
