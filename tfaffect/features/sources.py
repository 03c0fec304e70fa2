"""Finds the pictures and videos that the inputs of a command name: files, folders, CSV tables and lists of paths."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import stat
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from tfaffect.errors import UsageError

PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif"),
)
"""Suffixes of pictures in folders. HEIC is included although it cannot be decoded: a row with the reason is written."""

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".ogv")
"""Suffixes of videos in folders."""

_PICTURE_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II[*+]\0|MM\0[*+]|RIFF....WEBP|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-7]\s"
    rb"|....ftyp(?:he[iv][cmsx]|mif[12]|msf1|avi[fs])",  # HEIC and AVIF are containers like MP4
    re.DOTALL,
)
_VIDEO_SIGNATURE = re.compile(
    rb"....(?:ftyp|moov|mdat|wide|free|skip)|RIFF....AVI |\x1a\x45\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|OggS"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # MP4 and MOV, AVI, Matroska and WebM, MPEG, Flash, Ogg, WMV
    re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """A picture or a video, which may be missing or broken.

    name: as typed, listed, or found in a typed folder. Bytes of a file name that are not UTF-8 are written as `\\xe9`,
    because tables cannot store them. carried: the other columns of the CSV that lists it.
    """

    path: Path
    name: str
    carried: dict[str, str] = field(default_factory=dict)


def find_sources(inputs: Sequence[str], stdin: TextIO, reserved: Collection[str] = ()) -> list[Source]:
    """Return the sources that inputs name, in order. A source that is named twice is returned twice.

    An input is a picture, a video, a folder (see `_search_folder`), a CSV with a column `path` (relative to the CSV's
    folder), or `-` for paths on `stdin`, one per line. The other columns of a CSV are copied to the output; they must
    not have a name in `reserved`, the columns of the output.

    Raises UsageError for an input that does not exist, an invalid CSV, and if there is no source at all. A file in a
    CSV or list need not exist: its row will have the reason.
    """
    sources: list[Source] = []
    for name in inputs:
        if name == "-":
            for line in _lines(stdin):
                sources.extend(_expand(line, reserved))
        elif not os.path.exists(name):
            raise UsageError(f"There is no picture, video, folder or CSV at {_printable(name)!r}.")
        else:
            sources.extend(_expand(name, reserved))
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
            head = file.read(16)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"Not a valid file name ({error})") from error
    if _PICTURE_SIGNATURE.match(head):
        return "picture"
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


def _expand(name: str, reserved: Collection[str]) -> Iterator[Source]:
    path = Path(name)
    if os.path.isdir(path):
        for found in _search_folder(path):
            yield Source(found, _printable(found))
    elif path.suffix.lower() == ".csv" and os.path.isfile(path):
        yield from _read_csv(path, reserved)
    else:
        yield Source(path, _printable(name))


def _search_folder(folder: Path) -> list[Path]:
    """Return the pictures and videos in a folder and its subfolders by suffix, `face2.png` before `face10.png`.

    Hidden files and folders are left out. Links are followed last and no folder is entered twice. So loops end, and a
    file is found under its real path if that is inside the folder.
    """
    found, entered, queue = [], set(), deque([folder])
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
            elif path.suffix.lower() in (*PICTURES, *VIDEOS):
                found.append(path)
    return sorted(found, key=lambda path: ([_natural_key(part) for part in path.parts], path))


def _natural_key(name: str) -> list[str | int]:
    """Return a sort key that compares numbers in names as numbers: alternating text and numbers."""
    return [int(part) if index % 2 else part.casefold() for index, part in enumerate(re.split(r"(\d+)", name))]


def _read_csv(path: Path, reserved: Collection[str]) -> Iterator[Source]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=_delimiter(file))
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, reserved)
            for cells in reader:
                if any(cells):
                    yield _row(path, reader.line_num, header, cells)
    except UnicodeDecodeError as error:
        raise UsageError(f"{_printable(path)} is not UTF-8. Save it with that encoding.") from error
    except (csv.Error, OSError) as error:
        raise UsageError(f"{_printable(path)} cannot be read as a table: {error}.") from error


def _delimiter(file: TextIO) -> str:
    """Return a comma, or the semicolon or tab that spreadsheets write in countries with a decimal comma."""
    first = file.readline()
    file.seek(0)
    return next((mark for mark in ",;\t" if "path" in (cell.strip(' "\r\n') for cell in first.split(mark))), ",")


def _check_header(path: Path, header: Sequence[str], reserved: Collection[str]) -> None:
    name = _printable(path)
    if "path" not in header:
        raise UsageError(f"{name} has no column named path. Received: {header}.")
    if "" in header:
        raise UsageError(f"{name} has a column without a name. Name it, or save with index=False in pandas.")
    if repeated := sorted({column for column in header if header.count(column) > 1}):
        raise UsageError(f"{name} has several columns with the same name: {repeated}.")
    if taken := sorted((set(header) - {"path"}) & set(reserved)):
        raise UsageError(f"{name} has columns that the output has too: {taken}. Rename or remove them.")


def _row(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> Source:
    if len(cells) != len(header):
        raise UsageError(f"Line {line} of {_printable(path)} has {len(cells)} cells, but the header has {len(header)}.")
    carried = dict(zip(header, cells, strict=True))
    name = carried.pop("path")
    if not name:
        raise UsageError(f"Line {line} of {_printable(path)} has no path.")
    return Source(path.parent / name, name, carried)
