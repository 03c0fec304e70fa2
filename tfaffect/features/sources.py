"""Finds the pictures and videos that the inputs of a command name: files, folders, tables and lists of paths."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tfaffect.errors import UsageError
from tfaffect.features.folders import search_folder, sequence
from tfaffect.features.kinds import kind
from tfaffect.features.listed import read_listed
from tfaffect.features.source import Search, Source
from tfaffect.files.paths import printable
from tfaffect.files.tables import SUFFIXES
from tfaffect.files.workbooks import OLDER

__all__ = ["Search", "Source", "find_sources", "kind", "resolved", "sequence"]


def find_sources(inputs: Sequence[str], stdin: TextIO, search: Search | None = None) -> list[Source]:
    """Return the sources that inputs name, in order. A source that is named twice is returned twice.

    An input is a picture, a video, a folder (see `search_folder`), a table or list of paths (see `read_listed`), or `-`
    for paths on `stdin`, one per line. The other columns of a table are copied to the output.

    Raises UsageError for an input that does not exist, an invalid table, and if there is no source at all. A file in a
    table or list need not exist: its row will have the reason.
    """
    search = search or Search()
    sources: list[Source] = []
    for name in inputs:
        if name == "-":
            for line in _lines(stdin):
                sources.extend(_expand(line, search))
        elif not os.path.exists(name):
            raise UsageError(f"There is no picture, video, folder or CSV at {printable(name)!r}.")
        else:
            sources.extend(_expand(name, search))
    if not sources:
        received = ", ".join(map(printable, inputs)) or "nothing"
        raise UsageError(f"Name pictures, videos, folders that hold some, a CSV of paths, or -. Received: {received}.")
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
    path = Path(name)
    if os.path.isdir(path):
        for found in search_folder(path, search):
            yield Source(found, printable(found))
    elif path.suffix.lower() in (*SUFFIXES, *OLDER) and os.path.isfile(path):
        yield from read_listed(path, search)
    else:
        yield Source(path, printable(name))
