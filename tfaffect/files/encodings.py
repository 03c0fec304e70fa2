"""The encoding of a text file that other programs wrote."""

from __future__ import annotations

import codecs
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files import remote
from tfaffect.files.paths import printable

CP1252 = "cp1252"
"""The encoding of Windows programs in western Europe and America."""

BLOCK = 1 << 20


def encoding_of(path: Path) -> str:
    """Return the encoding in which a complete file can be decoded: that of its mark, else UTF-8, else cp1252.

    The file is read once, in blocks. Raises UsageError for a file that cannot be decoded, and OSError.
    """
    marked = _marked(path)
    for encoding in [marked] if marked else ["utf-8", CP1252]:
        try:
            _decode(path, encoding)
        except UnicodeError as error:
            reason = error
        else:
            return encoding
    tried = f"complete {marked.removesuffix('-sig').upper()}" if marked else "UTF-8, UTF-16 or cp1252"
    raise UsageError(f"{printable(path)} is not text in {tried} ({reason}). Save it with the encoding UTF-8.")


def read_text(path: Path) -> str:
    """Return the text of a file of numbers in UTF-8 or UTF-16. Bytes that are neither become U+FFFD."""
    return path.read_text(encoding=_marked(path) or "utf-8", errors="replace")


def _marked(path: Path) -> str:
    """The encoding that the first bytes of a file state, or an empty text."""
    head = remote.read_start(path, 3)
    if head == codecs.BOM_UTF8:
        return "utf-8-sig"
    return "utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""


def _decode(path: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    with remote.open_file(path) as file:
        while block := file.read(BLOCK):
            decoder.decode(block)
    decoder.decode(b"", final=True)
