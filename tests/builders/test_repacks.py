"""Re-packs that mislead: recognised by their published numbers and columns, and named wherever they are read."""

import json

import numpy as np
import pytest

from tests.builders.test_prepare import Handmade, face
from tfaffect.errors import UsageError
from tfaffect.media import faces
from tfrecords_builders import repacks
from tfrecords_builders.__main__ import main
from tfrecords_builders.affectnet import AffectNet
from tfrecords_builders.fer_plus import FerPlus
from tfrecords_builders.prepare import prepare
from tfrecords_builders.raf_db import RafDb


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"train": 66_379, "validation": 8_341, "test": 3_579}, "arnabkumarroy02/ferplus"),
        ({"train": 28_561, "validation": 3_579, "test": 3_574}, None),  # FER+ itself
        (
            {"train": 28_709, "test": 7_178},
            None,
        ),  # FER2013 as class folders
        ({"train": 12_271, "validation": 1_534, "test": 1_534}, "nishchalchandel/raf-db-face-emotion-dataset"),
        ({"train": 12_271, "test": 3_068}, None),  # RAF-DB itself
        ({"all": 15_339}, None),  # RAF-DB itself in one table
        ({"all": 20_471}, "deanngkl/raf-db-7emotions"),
        ({"train": 20_471}, "deanngkl/raf-db-7emotions"),
        ({"all": 29_042, "all/happiness": 5_044}, "noamsegal/affectnet-training-data"),
        ({"train": 287_651, "validation": 3_999}, None),  # AffectNet itself
        ({}, None),
    ],
)
def test_published_numbers_tell_a_repack_from_a_release(tmp_path, sizes, named):
    found = repacks.recognise(sizes, tmp_path)
    assert len(found) == (named is not None)
    assert all(named in sentence for sentence in found)


def test_a_table_tells_a_repack_even_when_faces_are_missing(tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "labels.csv").write_text(",pth,label,relFCs\n0,anger/1.jpg,surprise,0.87\n")
    (sentence,) = repacks.recognise({"all": 1}, tmp_path)
    assert "noamsegal/affectnet-training-data" in sentence
    (tmp_path / "archive" / "labels.csv").write_text("path,label\na.jpg,anger\n")
    assert repacks.recognise({"all": 1}, tmp_path) == []


def test_pictures_are_counted_by_the_folders_of_splits(tmp_path):
    for name in ("images/Train/happy/1.jpg", "images/Train/sad/2.PNG", "valid/sad/3.jpeg", "4.jpg", "test/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert repacks.sizes_of_folders(tmp_path) == {"train": 2, "validation": 1, "all": 1}


@pytest.fixture
def small(monkeypatch):
    """A re-pack of a few faces stands for those of thousands."""
    small = repacks.Repack(
        "This is nobody/small, a re-pack.", splits={"validation": 1, "test": 1}, columns=frozenset({"lighting"})
    )
    monkeypatch.setattr(repacks, "REPACKS", (small,))


@pytest.mark.usefixtures("small")
def test_the_warning_stays_in_the_report(tmp_path):
    items = [face(0), face(1, split="validation"), face(2, split="test")]
    report = prepare(Handmade(*items), tmp_path, tmp_path)
    assert report["warnings"] == ["This is nobody/small, a re-pack."]
    assert json.loads((tmp_path / "handmade" / "1.0.0" / "build_report.json").read_text()) == report
    assert prepare(Handmade(*items[:2]), tmp_path, tmp_path, overwrite=True)["warnings"] == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("corpus", [FerPlus(), RafDb()])
def test_a_builder_that_cannot_read_a_repack_refuses_it_by_name(tmp_path, corpus):
    for name in ("train/happy/1.jpg", "validation/happy/2.jpg", "test/happy/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"This is nobody/small, a re-pack\.(?s:.*)Neither .* found\.") as error:
        prepare(corpus, tmp_path, tmp_path / "records")
    assert corpus.instructions.strip() in str(error.value)


def test_affectnet_refuses_the_repack_whose_labels_disagree(tmp_path):
    (tmp_path / "labels.csv").write_text(",pth,label,relFCs\n0,anger/1.jpg,surprise,0.87\n")
    with pytest.raises(UsageError, match=r"noamsegal/affectnet-training-data(?s:.*)training\.csv \(2017\)"):
        prepare(AffectNet(), tmp_path, tmp_path / "records")


@pytest.mark.usefixtures("small")
def test_the_command_prints_the_warning(tmp_path, capsys):
    rows = ["path,class,group,lighting"]
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(faces.encode(np.full((9, 9, 3), number, np.uint8)))
        rows.append(f"{number}.png,anger,g{number},dim")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    main(["folder", "--raw", str(tmp_path), "--records", str(tmp_path / "records"), "--workers", "1"])
    assert "warning: This is nobody/small, a re-pack." in " ".join(capsys.readouterr().out.split())
