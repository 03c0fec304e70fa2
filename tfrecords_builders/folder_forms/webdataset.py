"""WebDataset: tar files in which files of one name are a sample: a picture, and `.cls` with its class.

Pictures stay in the tar file: a face has the place of its bytes. Nothing is unpacked, so the names of members lead
nowhere.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfrecords_builders.base import Face, Note, Skip, unique
from tfrecords_builders.class_codes import ClassReader
from tfrecords_builders.encoded import decoded
from tfrecords_builders.folder_forms.places import PICTURES, common_folder, files_below, name_below, split_of_file

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
CLASS_NAMES = "classnames.txt"
"""The file with the name of each class a line, in the order of the codes, as CLIP benchmark writes it."""

LONGEST_LABEL = 200  # bytes
REPEATED = Skip("sample with the name of an earlier one")


@dataclass(frozen=True)
class TarPicture:
    """A picture inside a tar file, by the place of its bytes."""

    file: Path
    offset: int
    size: int

    def __call__(self) -> np.ndarray:
        """Return the picture as RGB uint8. Raises OSError and UnreadablePictureError."""
        with open(self.file, "rb") as file:
            file.seek(self.offset)
            return decoded(file.read(self.size))


@dataclass(frozen=True)
class Member:
    """A file in a tar file: name without and with what follows its first dot, place, and text of a `.cls` file."""

    sample: str
    suffix: str
    offset: int
    size: int
    label: str = ""


def find(root: Path) -> list[Path]:
    """Return the tar files below a folder."""
    return [*files_below(root, (".tar", *COMPRESSED))]


def faces(root: Path, found: Sequence[Path], codes: Sequence[str]) -> Iterator[Face | Skip | Note]:
    """Yield a face for every sample with a picture.

    The classes of codes are those of `codes` (--classes), else those of a `classnames.txt` beside or above the tar
    files. Raises UsageError for a file that cannot be read, and for codes that nobody names.
    """
    if packed := [path for path in found if path.suffix.lower() != ".tar"]:
        raise UsageError(f"{printable(packed[0])} is compressed. Decompress it to a .tar file.")
    base = common_folder([path.parent for path in found])
    for path in found:
        read_class = ClassReader(codes, _class_names(root, path))
        name, split = name_below(base, path), split_of_file(path.relative_to(root))
        samples = groupby(_members(path), key=lambda member: member.sample)
        items = (_face(path, f"{name}/{printable(key)}", split, [*files], read_class) for key, files in samples)
        yield from unique((item for some in items for item in some), REPEATED)


def _face(
    path: Path, key: str, split: str | None, files: list[Member], read_class: ClassReader
) -> Iterator[Face | Skip | Note]:
    pictures = [file for file in files if file.suffix in PICTURES]
    labels = [file.label for file in files if file.suffix == ".cls"]
    if not pictures:
        if labels:
            yield Skip("sample without a picture")
        return
    if not labels:
        yield Note("sample without a class file (.cls): face without labels")
    label = read_class(labels[0], f"Sample {key}") if labels else None
    if isinstance(label, Skip):
        yield label
        return
    picture = TarPicture(path, pictures[0].offset, pictures[0].size)
    yield Face(key=key, group=key, image=picture, split=split, expression=label)


def _members(path: Path) -> Iterator[Member]:
    """Yield the files of a tar file one by one. Raises UsageError for a damaged one, wherever the damage is."""
    try:
        with tarfile.open(path, "r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all, a kilobyte each
                folder, _, name = info.name.replace("\\", "/").rpartition("/")
                stem, dot, suffix = name.partition(".")
                if info.isreg() and stem:
                    suffix = f".{suffix.lower().rpartition('.')[2]}" if dot else ""
                    text = tar.extractfile(info) if suffix == ".cls" else None
                    label = text.read(LONGEST_LABEL).decode("utf-8", "replace") if text else ""
                    yield Member(f"{folder}/{stem}".lstrip("/"), suffix, info.offset_data, info.size, label)
            _check_end(path, tar.offset)
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{printable(path)} cannot be read as a tar file: {error}. Download it again.") from error


def _check_end(path: Path, offset: int) -> None:
    """Raise UsageError where the tar file goes on. `tarfile` takes a damaged header for the end."""
    with open(path, "rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise UsageError(f"{printable(path)} is damaged at byte {offset:,}. Download it again.")


def _class_names(root: Path, path: Path) -> list[str]:
    """The names of classes in the nearest `classnames.txt` from the tar file up to the raw folder."""
    for folder in path.parents:
        if (names := folder / CLASS_NAMES).is_file():
            return names.read_text("utf-8", "replace").splitlines()
        if folder == root:
            break
    return []
