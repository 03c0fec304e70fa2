"""Finds the pictures and videos that the inputs of a command name: files, folders, CSV tables and lists of paths."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import re
import stat
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from tfaffect.errors import UsageError
from tfaffect.media.animation import is_animated
from tfaffect.media.decoding import RAW_JPEG

PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif"),
)
"""Suffixes of pictures in folders. HEIC is included although it cannot be decoded: a row with the reason is written."""

VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".asf", ".flv", ".3gp", ".3g2", ".ogv"),
    *(".ts", ".mts", ".m2ts", ".vob", ".m2v", ".mxf", ".dv", ".h264", ".264", ".h265", ".hevc", ".mjpeg", ".mjpg"),
)
"""Suffixes of videos in folders. A `.ts` file is used only if it is an MPEG transport stream: TypeScript has it too."""

_PICTURE_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II[*+]\0|MM\0[*+]|RIFF....WEBP|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-7]\s"
    rb"|....ftyp(?:he[iv][cmsx]|mif[12]|msf1|avi[fs])",  # HEIC and AVIF are containers like MP4
    re.DOTALL,
)
_VIDEO_SIGNATURE = re.compile(
    rb"....(?:ftyp|moov|mdat|wide|free|skip)|RIFF....AVI |\x1a\x45\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|OggS"
    rb"|\x06\x0e\x2b\x34|\x1f\x07\0|\0\0\0\x01[\x09\x27\x40\x46\x67]|\x47.{187}\x47|.{4}\x47.{191}\x47"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # MP4 and MOV, AVI, Matroska and WebM, MPEG, Flash, Ogg, WMV
    re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """A picture or a video, which may be missing or broken.

    name: as typed, listed, or found in a typed folder. Bytes of a file name that are not UTF-8 are written as `\\xe9`,
    because tables cannot store them. carried: the other columns of the CSV that lists it. start, end: seconds between
    which a video is used; None for the whole.
    """

    path: Path
    name: str
    carried: dict[str, str] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None


@dataclass
class Search:
    """How inputs become sources, and what was passed over.

    reserved: the columns of the output, which a CSV must not have. start_column, end_column: columns of a CSV with the
    start and end of each video in seconds, "" for none. sequences: whether a folder of picture files is one video.
    passed_over: number of files in folders that are neither pictures nor videos, by suffix.
    """

    reserved: Collection[str] = ()
    start_column: str = ""
    end_column: str = ""
    sequences: bool = False
    passed_over: Counter[str] = field(default_factory=Counter)


def find_sources(inputs: Sequence[str], stdin: TextIO, search: Search | None = None) -> list[Source]:
    """Return the sources that inputs name, in order. A source that is named twice is returned twice.

    An input is a picture, a video, a folder (see `_search_folder`), a CSV with a column `path` (relative to the CSV's
    folder), or `-` for paths on `stdin`, one per line. The other columns of a CSV are copied to the output.

    Raises UsageError for an input that does not exist, an invalid CSV, and if there is no source at all. A file in a
    CSV or list need not exist: its row will have the reason.
    """
    search = search or Search()
    sources: list[Source] = []
    for name in inputs:
        if name == "-":
            for line in _lines(stdin):
                sources.extend(_expand(line, search))
        elif not os.path.exists(name):
            raise UsageError(f"There is no picture, video, folder or CSV at {_printable(name)!r}.")
        else:
            sources.extend(_expand(name, search))
    if not sources:
        received = ", ".join(map(_printable, inputs)) or "nothing"
        raise UsageError(f"Name pictures, videos, folders that hold some, a CSV of paths, or -. Received: {received}.")
    return sources


def kind(path: Path) -> Literal["picture", "video"]:
    """Return how to read a file: by its first bytes, else by its suffix, else as a picture.

    The content is not checked further. Raises OSError if the file cannot be read.
    """
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "Not a file", os.fspath(path))  # opening a pipe would block
        with open(path, "rb") as file:
            head = file.read(200)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"Not a valid file name ({error})") from error
    if _PICTURE_SIGNATURE.match(head) and path.suffix.lower() not in RAW_JPEG:
        return "video" if is_animated(path) else "picture"
    return "video" if _VIDEO_SIGNATURE.match(head) or path.suffix.lower() in VIDEOS else "picture"


def resolved(path: Path) -> Path:
    """Return the absolute path without links, to compare it with others; an invalid path is returned unchanged.

    `Path.resolve` would raise RuntimeError for a loop of links and ValueError for a name with a null character.
    """
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def _printable(name: str | Path) -> str:
    """Replace bytes that are not UTF-8, so that a name can be printed and stored."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _lines(stdin: TextIO) -> Iterator[str]:
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # file names need not be UTF-8
    for number, line in enumerate(stdin):
        name = line.rstrip("\r\n").removeprefix("" if number else "\ufeff")
        if name.strip():
            yield name


def _expand(name: str, search: Search) -> Iterator[Source]:
    path = Path(name)
    if os.path.isdir(path):
        for found in _search_folder(path, search):
            yield Source(found, _printable(found))
    elif path.suffix.lower() == ".csv" and os.path.isfile(path):
        yield from _read_csv(path, search)
    else:
        yield Source(path, _printable(name))


def _search_folder(folder: Path, search: Search) -> list[Path]:
    """Return the pictures and videos in a folder and its subfolders by suffix, `face2.png` before `face10.png`.

    With `search.sequences`, a folder of pictures is returned in their place.

    Hidden files and folders are left out. Links are followed last and no folder is entered twice. So loops end, and a
    file is found under its real path if that is inside the folder.
    """
    found, entered, queue = set(), set(), deque([folder])
    while queue:
        current = queue.popleft()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            names = os.listdir(current)
        except OSError as error:
            raise UsageError(f"The folder {_printable(current)} cannot be read: {error.strerror}.") from error
        for path in (current / name for name in names if not name.startswith(".")):
            if os.path.isdir(path):
                (queue.append if path.is_symlink() else queue.appendleft)(path)
            elif path.suffix.lower() in PICTURES and search.sequences:
                found.add(current)
            elif _is_named_like_media(path):
                found.add(path)
            else:
                search.passed_over[path.suffix.lower() or "no suffix"] += 1
    return sorted(found, key=lambda path: ([_natural_key(part) for part in path.parts], path))


def _is_named_like_media(path: Path) -> bool:
    """Return whether a suffix is that of a picture or video, and for `.ts` whether the content is one too."""
    if path.suffix.lower() != ".ts":
        return path.suffix.lower() in (*PICTURES, *VIDEOS)
    with suppress(OSError), open(path, "rb") as file:
        return _VIDEO_SIGNATURE.match(file.read(200)) is not None
    return True


def sequence(folder: Path) -> list[str]:
    """Return the names of the pictures in a folder, in the order of a video: `face2.png` before `face10.png`.

    Raises OSError for what is no folder.
    """
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    return sorted((name for name in names if Path(name).suffix.lower() in PICTURES), key=_natural_key)


def _natural_key(name: str) -> list[str | int]:
    """Return a sort key that compares numbers in names as numbers: alternating text and numbers."""
    return [int(part) if index % 2 else part.casefold() for index, part in enumerate(re.split(r"(\d+)", name))]


def _read_csv(path: Path, search: Search) -> Iterator[Source]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=_delimiter(file))
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, search)
            for cells in reader:
                if any(cells):
                    yield _row(path, reader.line_num, header, cells, search)
    except UnicodeDecodeError as error:
        raise UsageError(f"{_printable(path)} is not UTF-8. Save it with that encoding.") from error
    except (csv.Error, OSError) as error:
        raise UsageError(f"{_printable(path)} cannot be read as a table: {error}.") from error


def _delimiter(file: TextIO) -> str:
    """Return a comma, or the semicolon or tab that spreadsheets write in countries with a decimal comma."""
    first = file.readline()
    file.seek(0)
    return next((mark for mark in ",;\t" if "path" in (cell.strip(' "\r\n') for cell in first.split(mark))), ",")


def _check_header(path: Path, header: Sequence[str], search: Search) -> None:
    name = _printable(path)
    if "path" not in header:
        raise UsageError(f"{name} has no column named path. Received: {header}.")
    if "" in header:
        raise UsageError(f"{name} has a column without a name. Name it, or save with index=False in pandas.")
    if repeated := sorted({column for column in header if header.count(column) > 1}):
        raise UsageError(f"{name} has several columns with the same name: {repeated}.")
    if taken := sorted((set(header) - {"path"}) & set(search.reserved)):
        raise UsageError(f"{name} has columns that the output has too: {taken}. Rename or remove them.")
    for column in filter(None, (search.start_column, search.end_column)):
        if column not in header:
            raise UsageError(f"{name} has no column named {column}. Received: {header[:10]}.")


def _row(path: Path, line: int, header: Sequence[str], cells: Sequence[str], search: Search) -> Source:
    if len(cells) != len(header):
        raise UsageError(f"Line {line} of {_printable(path)} has {len(cells)} cells, but the header has {len(header)}.")
    carried = dict(zip(header, cells, strict=True))
    name = carried.pop("path")
    if not name:
        raise UsageError(f"Line {line} of {_printable(path)} has no path.")
    times = [_seconds(path, line, carried.get(column, "")) for column in (search.start_column, search.end_column)]
    return Source(path.parent / name, name, carried, *times)


def _seconds(path: Path, line: int, cell: str) -> float | None:
    """Return a time in seconds; None for an empty cell. Raises UsageError for anything else."""
    if not cell.strip():
        return None
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UsageError(f"Line {line} of {_printable(path)}: a time is a number of seconds. Received: {cell!r}.")
    return seconds
