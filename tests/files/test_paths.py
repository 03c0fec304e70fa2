"""Files under the names that another system wrote: for the paths themselves, for `embed` and for `folder`."""

import io
import os
from unicodedata import normalize

import pytest

from tfaffect.features.sources import find_sources
from tfaffect.files.paths import existing, printable
from tfrecords_builders.base import Face
from tfrecords_builders.folder import Folder

APART, TOGETHER = (normalize(form, "Zoë/é 1.jpg") for form in ("NFD", "NFC"))
MIXED = "/".join([APART.partition("/")[0], TOGETHER.partition("/")[2]])


def touch(root, name):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def on_a_disk_that_keeps_both(tmp_path):
    """A folder in which the two forms of a letter are two files; on macOS they are one."""
    touch(tmp_path, normalize("NFD", "é"))
    if os.path.exists(tmp_path / normalize("NFC", "é")):
        pytest.skip("this disk treats both forms as one")
    return tmp_path


def both(root, name):
    """The path that each program reads for a name in a table."""
    (root / "labels.csv").write_text(f"path\n{name}\n", encoding="utf-8")
    (source,) = find_sources([str(root / "labels.csv")], io.StringIO())
    assert source.name == name
    (face,) = (item for item in Folder().faces(root) if isinstance(item, Face))
    return source.path, face.image


@pytest.mark.parametrize("stored", [APART, TOGETHER, MIXED])
@pytest.mark.parametrize("written", [APART, TOGETHER, MIXED])
def test_letters_with_accents_are_found_in_either_form(on_a_disk_that_keeps_both, stored, written):
    path = touch(on_a_disk_that_keeps_both, stored)
    assert both(on_a_disk_that_keeps_both, written) == (path, path)


def test_the_form_that_is_written_comes_first(on_a_disk_that_keeps_both):
    root = on_a_disk_that_keeps_both
    for name in (APART, TOGETHER):
        touch(root, name)
    for name in (APART, TOGETHER):
        assert both(root, name) == (root / name, root / name)


def test_backslashes_separate_folders(tmp_path):
    path = touch(tmp_path, "day 1/Zoë/a.jpg")
    assert both(tmp_path, "day 1\\Zoë\\a.jpg") == (path, path)


def test_a_file_with_a_backslash_in_its_name_comes_first(tmp_path):
    touch(tmp_path, "day/a.jpg")
    path = touch(tmp_path, "day\\a.jpg")
    assert both(tmp_path, "day\\a.jpg") == (path, path)


@pytest.mark.parametrize("name", ["a.jpg", "é.jpg", "x/é.jpg", "x\\y.jpg", "/away/é.jpg", "n" * 300 + "é", "é\0"])
def test_a_file_that_is_not_there_keeps_its_name(tmp_path, name):
    assert existing(tmp_path, name) == tmp_path / name


def test_a_folder_outside_is_found_only_where_it_is_written(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "labels.csv").write_text("path\n..\\a.jpg\n")
    (item, *_) = Folder().faces(tmp_path / "raw")
    assert item.reason == "path points outside the raw folder"


def test_bytes_that_are_not_utf_8_can_be_printed():
    assert printable(os.fsdecode(b"caf\xe9/\xc3\xa9")) == r"caf\xe9/é"
