"""Corpus `folder`: tar files of WebDataset."""

import tarfile

import numpy as np
import pytest
from hypothesis import given

from tests.builders.test_folder import read
from tests.builders.test_parquet import grey
from tests.fakes import folder as fakes
from tests.mutations import BRIEFLY, changes
from tfaffect.errors import UsageError
from tfaffect.media.faces import UnreadablePictureError

READ = {"read as WebDataset files": 1}
CARVED = {"no validation split: a share of train's groups is drawn for it": 1}


def test_splits_names_and_pictures_by_hand(tmp_path):
    fakes.write_webdataset(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert set(faces) == {f"{'train' if n < 8 else 'test'}/0.tar/s{n:07d}" for n in range(12)}
    expected = {0: "anger", 3: "happiness", 6: "surprise", 11: "neutral"}
    for seed, expression in expected.items():
        face = faces[f"{'train' if seed < 8 else 'test'}/0.tar/s{seed:07d}"]
        assert (face.expression, face.split) == (expression, "train" if seed < 8 else "test")
        np.testing.assert_array_equal(face.image(), grey(seed))
    assert not skips
    assert notes == READ | CARVED


def test_words_other_pictures_and_samples_that_lack_something(tmp_path):
    members = [
        ("a.png", fakes.encoded(0)),
        ("a.cls", b"Happy\n"),
        ("b.0.png", fakes.encoded(1)),
        ("b.json", b"{}"),
        ("sub/c.cls", b"sad"),
        ("d.cls", b"bored"),
        ("d.jpeg", fakes.encoded(2)),
        ("._e.jpg", b"x"),
        ("readme.txt", b"x"),
        ("a.png", fakes.encoded(3)),
    ]
    fakes.write_tar(tmp_path / "x.tar", members)
    faces, skips, notes = read(tmp_path)
    assert {key: face.expression for key, face in faces.items()} == {"x.tar/a": "happiness", "x.tar/b": None}
    assert skips == {
        "sample without a picture": 1,
        "label is no class: bored": 1,
        "sample with the name of an earlier one": 1,
    }
    assert notes == READ | {"sample without a class file (.cls): face without labels": 2}


def test_names_of_members_lead_nowhere(tmp_path):
    members = [("../../a.jpg", fakes.encoded(0)), ("../../a.cls", b"sad"), ("/etc/b.png", fakes.encoded(1))]
    fakes.write_tar(tmp_path / "raw" / "x.tar", members)
    faces, *_ = read(tmp_path / "raw")
    assert [(face.image.file, face.expression) for face in faces.values()] == [
        (tmp_path / "raw" / "x.tar", "sadness"),
        (tmp_path / "raw" / "x.tar", None),
    ]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["raw", "x.tar"]


def test_members_that_are_no_files_are_not_read(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        link = tarfile.TarInfo("a.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert read(tmp_path)[0] == {}


def test_codes_without_names_are_never_guessed(tmp_path):
    fakes.write_webdataset(tmp_path)
    (tmp_path / "classnames.txt").unlink()
    with pytest.raises(UsageError, match=r"Sample test/0\.tar/s0000008: .*none is guessed.*Received: '1'"):
        read(tmp_path)
    assert read(tmp_path, classes=["sad"] * 7)[0]["train/0.tar/s0000003"].expression == "sadness"


def test_a_compressed_file_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(UsageError, match=r"x\.tar\.gz is compressed\. Decompress it"):
        read(tmp_path)


@pytest.mark.parametrize("keep", [700, 100, 1024 + 512])
def test_a_file_that_ends_too_early_is_refused(tmp_path, keep):
    fakes.write_tar(tmp_path / "x.tar", [("a.cls", b"sad"), ("a.jpg", fakes.encoded(0, side=64))])
    (tmp_path / "x.tar").write_bytes((tmp_path / "x.tar").read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"x\.tar .*Download it again"):
        read(tmp_path)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    fakes.write_tar(tmp_path / "x.tar", [("a.cls", b"sad"), ("a.jpg", fakes.encoded(0)), ("b.jpg", fakes.encoded(1))])
    content = bytearray((tmp_path / "x.tar").read_bytes())
    content[1024 + 150] ^= 1  # the checksum of the second header
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.tar is damaged at byte 1,024"):
        read(tmp_path)


def test_damaged_pictures_are_survived(tmp_path):
    fakes.write_webdataset(tmp_path)
    path = tmp_path / "train" / "0.tar"
    images, whole = [face.image for face in read(tmp_path)[0].values() if face.split == "train"], path.read_bytes()

    @BRIEFLY
    @given(damage=changes())
    def check(damage):
        path.write_bytes(damage(whole))
        for image in images:
            try:
                image()
            except (OSError, UnreadablePictureError):
                continue

    check()
