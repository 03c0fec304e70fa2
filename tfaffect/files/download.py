"""Download a small file whose SHA-256 is known, from the first of its addresses that sends it."""

from __future__ import annotations

import hashlib
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError, URLError

PAUSES = (1.0, 4.0)
"""Seconds before the second and the third try of an address."""

TIMEOUT = 10.0
"""Seconds without a byte after which a try has failed."""

CHUNK_BYTES = 1 << 14
PASSING = (408, 429)
"""HTTP statuses below 500 of errors that pass: the request took too long, or there were too many."""


class DownloadError(Exception):
    """No address sent the file. The message has a line for each address with its last error."""


class WrongFileError(Exception):
    """An address sent another file."""


def download(urls: Sequence[str], sha256: str, name: str) -> bytes:
    """Return the content of a file. Standard error shows a progress bar with `name`, and every failed try.

    The addresses are tried one after the other, and all of them three times. An error that would come again ends the
    tries of its address: a status like 404, a wrong certificate, another file. Raises DownloadError.
    """
    problems: dict[str, Exception] = {}
    with _progress_bar(name) as (advance, say):
        for pause in (0.0, *PAUSES):
            left = [url for url in urls if _may_pass(problems.get(url))]
            if left and pause:
                say(f"Trying again in {pause:g} s.")
                time.sleep(pause)
            for url in left:
                try:
                    return _checked(_read(url, advance), sha256)
                except (OSError, HTTPException, WrongFileError) as error:
                    problems[url] = error
                    say(f"{url}: {_reason(error)}")
    raise DownloadError("\n".join(f"  {url}: {_reason(error)}" for url, error in problems.items()))


@contextmanager
def _progress_bar(name: str) -> Iterator[tuple[Callable[[int, int | None], None], Callable[[str], None]]]:
    """Yield a function that receives the bytes so far and of the file, and one that prints a line above the bar."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with Progress(TextColumn(name), BarColumn(), DownloadColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total), console.print


def _read(url: str, advance: Callable[[int, int | None], None]) -> bytes:
    """Return the body of an address. Raises OSError or HTTPException, also for a body that is cut off."""
    content = bytearray()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        length = response.headers["Content-Length"]
        total = int(length) if length else None
        while chunk := response.read(CHUNK_BYTES):  # it ends without an error where the connection was cut
            content += chunk
            advance(len(content), total)
    if total is not None and len(content) < total:
        raise ConnectionError(f"The connection ended after {len(content):,} of {total:,} bytes.")
    return bytes(content)


def _checked(content: bytes, sha256: str) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise WrongFileError(f"Another file. Received: sha256 {digest}, {len(content):,} bytes. Expected: {sha256}.")
    return content


def _may_pass(error: Exception | None) -> bool:
    """Return whether another try can end without this error."""
    if isinstance(error, HTTPError):
        return error.code >= 500 or error.code in PASSING
    certificate = isinstance(error, URLError) and isinstance(error.reason, ssl.SSLCertVerificationError)
    return not (certificate or isinstance(error, WrongFileError))


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"HTTP status {error.code}, {error.reason}"
    return str(error.reason if isinstance(error, URLError) else error)
