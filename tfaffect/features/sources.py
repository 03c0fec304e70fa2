"""Finds the pictures and videos that the inputs of a command name: files, folders, tables and lists of paths."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tfaffect.errors import UsageError
from tfaffect.features.folders import search_folder, sequence
from tfaffect.features.kinds import is_named_like_media, kind
from tfaffect.features.listed import read_listed
from tfaffect.features.source import Search, Source
from tfaffect.files import remote
from tfaffect.files.paths import printable
from tfaffect.files.tables import SUFFIXES
from tfaffect.files.workbooks import OLDER

__all__ = ["Search", "Source", "find_sources", "kind", "resolved", "sequence"]


def find_sources(inputs: Sequence[str], stdin: TextIO, search: Search | None = None) -> list[Source]:
    """Return the sources that inputs name, in order. A source that is named twice is returned twice.

    An input is a picture, a video, a folder (see `search_folder`), a table or list of paths (see `read_listed`), or `-`
    for paths on `stdin`, one per line. Each may be at an address, such as s3://bucket/clips/. The other columns of a
    table are copied to the output.

    Raises UsageError for an input that does not exist, an invalid table, and if there is no source at all. A file in a
    table or list need not exist: its row will have the reason.
    """
    search = search or Search()
    sources: list[Source] = []
    for name in inputs:
        if name == "-":
            for line in _lines(stdin):
                sources.extend(_expand(line, search))
        elif not _exists(name):
            known = f" Addresses begin with {':// or '.join(remote.PACKAGES)}://." if "://" in name else ""
            raise UsageError(
                f"There is no picture, video, folder, table or list (.csv, .tsv, .xlsx, .txt) at {printable(name)!r}."
                f"{known}"
            )
        else:
            sources.extend(_expand(name, search))
    if not sources:
        received = ", ".join(map(printable, inputs)) or "nothing"
        raise UsageError(
            f"Name pictures, videos, folders that hold some, a table or list of paths, or -. Received: {received}."
        )
    return sources


def resolved(path: Path) -> Path:
    """Return the absolute path without links, to compare it with others; an invalid path is returned unchanged.

    `Path.resolve` would raise RuntimeError for a loop of links and ValueError for a name with a null character.
    """
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def _lines(stdin: TextIO) -> Iterator[str]:
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # file names need not be UTF-8
    for number, line in enumerate(stdin):
        name = line.rstrip("\r\n").removeprefix("" if number else "\ufeff")
        if name.strip():
            yield name


def _expand(name: str, search: Search) -> Iterator[Source]:
    path = remote.to_path(name)
    is_table = remote.suffix(path) in (*SUFFIXES, *OLDER)
    if _is_folder(path, name, is_table):
        for found in search_folder(path, search):
            yield Source(found, remote.address(found) or printable(found))
    elif is_table and remote.is_file(path):
        yield from read_listed(path, search)
    else:
        yield Source(path, printable(name))


def _is_folder(path: Path, name: str, is_table: bool) -> bool:
    """Return whether a path is a folder. An address is asked only if neither a slash nor a suffix tells."""
    if not remote.address(path):
        return os.path.isdir(path)
    return name.endswith("/") or not (is_table or is_named_like_media(path) or not _asked(remote.is_folder, path))


def _exists(name: str) -> bool:
    path = remote.to_path(name)
    return _asked(remote.exists, path) if remote.address(path) else os.path.exists(name)


def _asked(question: Callable[[Path], bool], path: Path) -> bool:
    try:
        return question(path)
    except OSError as error:
        raise UsageError(f"{remote.address(path)} cannot be read: {error.strerror}.") from error
