"""SSI streams: a header in XML (`x.stream`), and its samples beside it (`x.stream~`). A curve for each dimension.

Wagner et al., The Social Signal Interpretation (SSI) Framework, ACM Multimedia 2013. The dimensions have no names; here
they are called by their numbers from 0.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.encodings import read_text
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number
from tfrecords_builders.annotations import xml_files
from tfrecords_builders.annotations.tracks import Curve, Track, curve

KINDS = {
    **dict.fromkeys(("CHAR", "SHORT", "INT", "LONG"), "i"),
    **dict.fromkeys(("UCHAR", "USHORT", "UINT", "ULONG", "BOOL"), "u"),
    **dict.fromkeys(("FLOAT", "DOUBLE", "LDOUBLE"), "f"),
}
"""Type of a sample -> NumPy's letter for it. UNDEF, STRUCT and IMAGE are no numbers."""
DTYPES = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
MOST_DIMENSIONS = 1000


def read(path: Path, header: Element) -> list[Track]:
    """Return a curve for each dimension. Raises UsageError for samples that cannot be read as numbers."""
    info = xml_files.require(path, header, "info")
    rate, width = xml_files.positive(path, info, "sr"), xml_files.positive(path, info, "dim")
    if not (width.is_integer() and width <= MOST_DIMENSIONS):
        raise UsageError(f"{printable(path)}: dim must be a whole number up to {MOST_DIMENSIONS}. Received: {width:g}.")
    data = xml_files.data_file(path)
    if info.get("ftype", "BINARY").upper() == "ASCII":
        return _ascii(path, data, header, rate, int(width), info.get("delim") or " ")
    values = _binary(path, data, info, int(width))
    seconds = _seconds(path, header, rate, len(values))
    numbers = np.arange(1, len(values) + 1)
    return [Curve(str(place), seconds, values[:, place], numbers, "sample", data=data) for place in range(int(width))]


def _ascii(path: Path, data: Path, header: Element, rate: float, width: int, separator: str) -> list[Track]:
    lines = [(number, line) for number, line in enumerate(read_text(data).splitlines(), start=1) if line.strip()]
    rows = [(number, line.split(separator if separator.strip() else None)) for number, line in lines]
    for number, cells in rows:
        if len(cells) < width:
            raise UsageError(f"Line {number} of {printable(data)} must have {width} numbers. Received: {len(cells)}.")
    seconds = _seconds(path, header, rate, len(rows)).tolist()
    return [
        curve(
            data,
            str(place),
            [(number, time, cells[place]) for (number, cells), time in zip(rows, seconds, strict=True)],
        )
        for place in range(width)
    ]


def _binary(path: Path, data: Path, info: Element, width: int) -> np.ndarray:
    kind, size = info.get("type", "").upper(), info.get("byte", "")
    dtype = f"{KINDS.get(kind, '')}{size}"
    if dtype not in DTYPES:
        raise UsageError(
            f"{printable(path)} has samples of the type {kind or 'UNDEF'} with {size or 'no'} bytes. "
            f"Only numbers are read: {', '.join(KINDS)}."
        )
    content = data.read_bytes()
    if len(content) % (width * int(size)):
        raise UsageError(
            f"{printable(data)} is cut off: its length must be a multiple of {width * int(size)} bytes. "
            f"Received: {len(content)}."
        )
    with np.errstate(invalid="ignore"):
        values = np.frombuffer(content, f"<{dtype}").reshape(-1, width).astype(float)
    return np.where(np.isfinite(values), values, np.nan)


def _seconds(path: Path, header: Element, rate: float, samples: int) -> np.ndarray:
    """The times of the samples: each chunk has its own start and number of samples."""
    parts: list[np.ndarray] = []
    for chunk in header.iter("chunk"):
        start, count = xml_files.number(path, chunk, "from"), to_number(chunk.get("num", ""))
        left = samples - sum(len(part) for part in parts)
        parts.append(start + np.arange(left if count is None else min(max(int(count), 0), left)) / rate)
    left = samples - sum(len(part) for part in parts)
    if parts and left:
        raise UsageError(f"{printable(path)}: the chunks have {samples - left} samples, and the data has {samples}.")
    return np.concatenate(parts) if parts else np.arange(samples) / rate
