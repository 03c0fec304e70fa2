"""Find out by its content which format a file of annotations has, and read it."""

from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files import workbooks
from tfaffect.files.encodings import read_text
from tfaffect.files.paths import printable
from tfrecords_builders.annotations import boris, carma, elan, nova, plain, ssi_stream, xml_files
from tfrecords_builders.annotations.tracks import Track

ROOTS = {"annotation": nova.read, "stream": ssi_stream.read}
ELAN = "ANNOTATION_DOCUMENT"


def read(path: Path, unit: str = "") -> list[Track]:
    """Return the tracks in a file. The name of the file plays no part, but for workbooks.

    unit: "seconds" or "milliseconds" for a table that does not say it, or an empty text. Raises UsageError for a file
    that cannot be read.
    """
    if path.suffix.lower() in (*workbooks.SUFFIXES, *workbooks.OLDER):
        return plain.read(path, unit)
    try:
        text = read_text(path)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{printable(path)} cannot be read: {error}.") from error
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        return _xml(path)
    if "\0" in text[:1000]:
        raise UsageError(
            f"{printable(path)} is not a text. Name the header of a NOVA annotation or an SSI stream, whose name does "
            "not end with ~."
        )
    if boris.is_boris(text):
        return boris.read(path)
    return carma.read(path) if carma.is_carma(text) else plain.read(path, unit)


def _xml(path: Path) -> list[Track]:
    root = xml_files.root(path)
    if root.tag == ELAN:
        return elan.read(path)
    if root.tag not in ROOTS:
        raise UsageError(
            f"{printable(path)} is XML of another kind. Read are <annotation> (NOVA), <stream> (SSI) and <{ELAN}> "
            f"(ELAN). Received: <{root.tag[:50]}>."
        )
    return ROOTS[root.tag](path, root)
