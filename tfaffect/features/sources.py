"""From what somebody typed to a list of pictures and videos: files, folders, tables and lists, mixed at will."""

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
"""Suffixes of pictures in folders. HEIC is among them though it cannot be decoded: a row says so, silence would not."""

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".ogv")
"""Suffixes of videos in folders."""

_PICTURE_STARTS = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM|II[*+]\0|MM\0[*+]|RIFF....WEBP|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-7]\s"
    rb"|....ftyp(?:he[iv][cmsx]|mif[12]|msf1|avi[fs])",  # HEIC and AVIF share their boxes with MP4
    re.DOTALL,
)
_VIDEO_STARTS = re.compile(
    rb"....(?:ftyp|moov|mdat|wide|free|skip)|RIFF....AVI |\x1a\x45\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|OggS"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # MP4 and MOV, AVI, Matroska and WebM, MPEG, Flash, Ogg, WMV
    re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """A picture or a video, which may be missing or broken.

    name: as it was typed, listed, or found under the folder that was typed; bytes of a file name that are not UTF-8
    stand as `\\xe9`, because tables cannot hold them. carried: the further columns of the CSV that named it.
    """

    path: Path
    name: str
    carried: dict[str, str] = field(default_factory=dict)


def find_sources(inputs: Sequence[str], stdin: TextIO, reserved: Collection[str] = ()) -> list[Source]:
    """Return the sources that inputs name, in their order; what is named twice is there twice.

    An input is a picture, a video, a folder (see `_in_folder`), a CSV with a column `path`, whose relative paths begin
    at its own folder, or `-` for names on `stdin`, one a line. The further columns of a CSV are carried over; none of
    them may have a name in `reserved`, the columns of the output.

    Raises UsageError for an input that does not exist, a CSV that cannot be used, and when there is no source at all. A
    file that a CSV or a list names need not exist: reading it will tell.
    """
    sources: list[Source] = []
    for typed in inputs:
        if typed == "-":
            for line in _lines(stdin):
                sources.extend(_named(line, reserved))
        elif not os.path.exists(typed):
            raise UsageError(f"There is no picture, video, folder or CSV at {_shown(typed)!r}.")
        else:
            sources.extend(_named(typed, reserved))
    if not sources:
        received = ", ".join(map(_shown, inputs)) or "nothing"
        raise UsageError(f"Name pictures, videos, folders that hold some, a CSV of paths, or - . Received: {received}.")
    return sources


def kind(path: Path) -> Literal["picture", "video"]:
    """Say whether a file is read as a picture or as a video: by its first bytes, else by its suffix, else a picture.

    It may still turn out to be neither. Raises OSError for what cannot be read.
    """
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "Not a file", os.fspath(path))  # opening a pipe would wait for its other end
        with open(path, "rb") as file:
            head = file.read(16)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"Not a name of a file ({error})") from error
    if _PICTURE_STARTS.match(head):
        return "picture"
    return "video" if _VIDEO_STARTS.match(head) or path.suffix.lower() in VIDEOS else "picture"


def resolved(path: Path) -> Path:
    """Return where a path leads, links followed, to compare it with others; one that leads nowhere stays as it is.

    `Path.resolve` raises RuntimeError for links in a loop and ValueError for a name with a null character.
    """
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def _shown(name: str | Path) -> str:
    """Return a name that can be printed and stored."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _lines(stdin: TextIO) -> Iterator[str]:
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # the bytes of a name, whatever they mean
    for number, line in enumerate(stdin):
        name = line.rstrip("\r\n").removeprefix("" if number else "\ufeff")
        if name.strip():
            yield name


def _named(name: str, reserved: Collection[str]) -> Iterator[Source]:
    path = Path(name)
    if os.path.isdir(path):
        for found in _in_folder(path):
            yield Source(found, _shown(found))
    elif path.suffix.lower() == ".csv" and os.path.isfile(path):
        yield from _in_table(path, reserved)
    else:
        yield Source(path, _shown(name))


def _in_folder(folder: Path) -> list[Path]:
    """Return the pictures and videos below a folder by their suffixes: `face2.png` before `face10.png`.

    Hidden files and folders are left out. Links are followed after everything else, and no folder is entered twice, so
    that loops end and a file is found under its own name where it has one here.
    """
    found, entered, waiting = [], set(), deque([folder])
    while waiting:
        current = waiting.popleft()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            names = os.listdir(current)
        except OSError as error:
            raise UsageError(f"The folder {_shown(current)} cannot be read: {error.strerror}.") from error
        for path in (current / name for name in names if not name.startswith(".")):
            if os.path.isdir(path):
                (waiting.append if path.is_symlink() else waiting.appendleft)(path)
            elif path.suffix.lower() in (*PICTURES, *VIDEOS):
                found.append(path)
    return sorted(found, key=lambda path: ([_natural(part) for part in path.parts], path))


def _natural(name: str) -> list[str | int]:
    """A key by which numbers in names count as numbers: text and numbers take turns."""
    return [int(part) if place % 2 else part.casefold() for place, part in enumerate(re.split(r"(\d+)", name))]


def _in_table(path: Path, reserved: Collection[str]) -> Iterator[Source]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=_delimiter(file))
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, reserved)
            for cells in reader:
                if any(cells):
                    yield _row(path, reader.line_num, header, cells)
    except UnicodeDecodeError as error:
        raise UsageError(f"{_shown(path)} is not UTF-8. Save it with that encoding.") from error
    except (csv.Error, OSError) as error:
        raise UsageError(f"{_shown(path)} cannot be read as a table: {error}.") from error


def _delimiter(file: TextIO) -> str:
    """A comma, or the semicolon or tab that spreadsheets write where a comma marks decimals."""
    first = file.readline()
    file.seek(0)
    return next((mark for mark in ",;\t" if "path" in (cell.strip(' "\r\n') for cell in first.split(mark))), ",")


def _check_header(path: Path, header: Sequence[str], reserved: Collection[str]) -> None:
    if "path" not in header:
        raise UsageError(f"{_shown(path)} lacks a column named path. Received: {header}.")
    if "" in header:
        raise UsageError(f"{_shown(path)} has a column without a name. Name it, or save with index=False in pandas.")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise UsageError(f"{_shown(path)} has several columns of the same name: {twice}.")
    if taken := sorted((set(header) - {"path"}) & set(reserved)):
        raise UsageError(f"{_shown(path)} has columns that the output has as well: {taken}. Rename or remove them.")


def _row(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> Source:
    if len(cells) != len(header):
        raise UsageError(f"Line {line} of {_shown(path)} has {len(cells)} cells, its header {len(header)}.")
    carried = dict(zip(header, cells, strict=True))
    name = carried.pop("path")
    if not name:
        raise UsageError(f"Line {line} of {_shown(path)} names no path.")
    return Source(path.parent / name, name, carried)
