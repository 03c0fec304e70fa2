"""XML of annotation tools."""

from pathlib import Path
from xml.etree import ElementTree

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type, and with it entities that expand without limit."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ElementTree.ParseError("it has a document type, which no annotation tool writes")


def root(path: Path) -> ElementTree.Element:
    """Return the root of an XML file. Raises UsageError for a file that is not XML, or declares a document type."""
    try:
        return ElementTree.parse(path, ElementTree.XMLParser(target=_NoDoctype())).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UsageError(f"{printable(path)} cannot be read as XML: {error}.") from error


def require(path: Path, element: ElementTree.Element, name: str) -> ElementTree.Element:
    """Return a child of an element. Raises UsageError if it has none of this name."""
    if (child := element.find(name)) is None:
        raise UsageError(f"{printable(path)} has no element <{name}>.")
    return child


def number(path: Path, element: ElementTree.Element, name: str) -> float:
    """Return an attribute that is a number. Raises UsageError without one."""
    if (value := to_number(element.get(name, ""))) is None:
        raise UsageError(f"{printable(path)}: {name} must be a number. Received: {element.get(name)!r}.")
    return value


def positive(path: Path, element: ElementTree.Element, name: str) -> float:
    """Return an attribute that is a number above 0. Raises UsageError without one."""
    if not (value := number(path, element, name)) > 0:
        raise UsageError(f"{printable(path)}: {name} must be more than 0. Received: {value:g}.")
    return value


def data_file(path: Path) -> Path:
    """Return the file with the data of a header: SSI and NOVA add `~` to its name. Raises UsageError without it."""
    data = path.with_name(f"{path.name}~")
    if not data.is_file():
        raise UsageError(f"{printable(path)} is only a header. Put its data beside it: {printable(data.name)}.")
    return data
