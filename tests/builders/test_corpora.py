"""What every corpus promises, held for every layout that tests/fakes writes."""

import importlib
import json
import pkgutil
import shutil
import string
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

import tests.fakes
from tests import ROOT
from tfaffect.labels import CLASSES, SPLITS
from tfaffect.media import faces
from tfaffect.media.detector import Detection
from tfaffect.records.prepared import open_corpus
from tfrecords_builders.__main__ import corpora
from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.prepare import assign_splits, prepare, read_annotations

CORPORA = {name: kind for name, kind in corpora().items() if kind.needs_raw}
FAKES = {
    module.name: importlib.import_module(f"tests.fakes.{module.name}")
    for module in pkgutil.iter_modules(tests.fakes.__path__)
}
LAYOUTS = [
    pytest.param(name, write, id=f"{name}-{layout}")
    for name, fake in sorted(FAKES.items())
    for layout, write in fake.LAYOUTS.items()
]
TEN = {"recola", "sewa", "semaine", "afew_va", "affectnet", "savee", "emotic", "expw", "fer_plus", "raf_db"}
OPEN = {"crema_d", "fer2013"}
WITHHELD = "no ratings (AVEC withholds those of its test)"
DECISIONS = {
    "affectnet": {
        "annotated as uncertain",
        "annotated as no face",
        "annotated with neither class nor valence nor arousal",
        "picture listed before",
    },
    "afew_va": {"clip read before"},
    "emotic": {
        "categories without a class, and neither valence nor arousal",
        "person in a picture that the split lists twice",
    },
    "expw": {"row listed before", "box below --min-confidence"},
    "fer_plus": {"no image name (all of these have ten votes for NF)", "most votes are for unknown or NF"},
    "folder": {
        "file with the same name and content is in another folder of the split and class",
        "picture without a box",
    },
    "raf_db": {"picture listed before"},
    "recola": {WITHHELD},
    "savee": {"clip read before"},
    "semaine": {"Beginning, End or Forbidden: not a dialogue", "no traces of the User"},
    "sewa": {WITHHELD, "no ratings of the kind that --perceived chooses"},
}
"""Every reason of the ten corpora for a skip that is a decision and not a defect."""


def find_green(picture):
    """A face detector for fakes: every patch of pure green is a face."""
    import cv2

    green = (np.abs(picture.astype(int) - (0, 255, 0)) <= 60).all(axis=2).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(green)
    boxes = ((x, y, x + w, y + h) for x, y, w, h, area in stats[1:count].tolist() if area > 100)
    return sorted((Detection(box, 1.0) for box in boxes), key=lambda face: -face.area)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a layout once and return (corpus, raw folder, records folder, report)."""
    done = {}

    def build(name, write):
        if (name, write) not in done:
            raw, records = (tmp_path_factory.mktemp(kind) for kind in ("raw", "records"))
            write(raw)
            corpus = CORPORA[name]()
            report = prepare(corpus, raw, records, face_detector=find_green, max_skipped=0.5)
            done[name, write] = corpus, raw, records, report
        return done[name, write]

    return build


def test_all_corpora_and_the_own_folder_are_there():
    assert set(CORPORA) == set(FAKES) == TEN | OPEN | {"folder", "videos"}


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_facts_are_stated(name):
    corpus = CORPORA[name]()
    assert isinstance(corpus, Corpus)
    assert corpus.labels
    assert corpus.licence
    assert "DIR/" in corpus.instructions
    assert name in ("folder", "videos") or (corpus.homepage.startswith("http") and corpus.citation)
    assert sum(corpus.shares) == pytest.approx(1)
    assert set(corpus.published) <= {
        key for split in (*SPLITS, "all") for key in (split, *(f"{split}/{label}" for label in CLASSES))
    }


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_records_are_whole_and_in_range(built, name, write):
    _, _, records, report = built(name, write)
    prepared = open_corpus(records, name)
    assert next(iter(report["splits"])) == "train"
    keys = []
    for split in report["splits"]:
        assert prepared.size(split) > 0
        dataset = tfds.builder_from_directory(prepared.folder).as_dataset(split=split)
        for record in tfds.as_numpy(dataset):
            keys.append(record["key"].decode())
            assert 1 <= max(record["image"].shape[:2]) <= 288
            assert record["group"].decode()
            total = record["expression"].sum()
            assert total == pytest.approx(1) or total == 0
            for dimension in ("valence", "arousal"):
                assert np.isnan(record[dimension]) or -1 <= record[dimension] <= 1
            assert set(record["tags"].decode()) <= set(string.ascii_letters + string.digits + ",_-")
    assert len(keys) == len(set(keys)) == sum(split["records"] for split in report["splits"].values())


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_no_group_is_in_two_splits(built, name, write):
    _, _, records, report = built(name, write)
    folder = open_corpus(records, name).folder
    groups = {}
    for split in report["splits"]:
        for record in tfds.as_numpy(tfds.builder_from_directory(folder).as_dataset(split=split)):
            groups.setdefault(record["group"], set()).add(split)
    assert all(len(splits) == 1 for splits in groups.values())


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_the_report_adds_up(built, name, write):
    corpus, raw, records, report = built(name, write)
    items = list(corpus.faces(raw))
    faces = sum(isinstance(item, Face) for item in items)
    stated = sum(isinstance(item, Skip) for item in items)
    notes = sum(isinstance(item, Note) for item in items)
    written = sum(split["records"] for split in report["splits"].values())
    assert written + sum(report["skipped"].values()) == faces + stated
    assert sum(report["notes"].values()) == notes
    assert json.loads((open_corpus(records, name).folder / "build_report.json").read_text()) == report


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_only_what_a_protocol_says_is_left_out(built, name, write):
    _, _, _, report = built(name, write)
    left_out = report["decisions"].keys()
    assert left_out <= DECISIONS.get(name, set()) | {"same picture or group is also in a later split"}
    assert {reason: n for reason, n in report["skipped"].items() if reason in left_out} == report["decisions"]


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_reading_is_the_same_twice_and_wherever_the_folder_lies(built, name, write, tmp_path):
    corpus, raw, _, _ = built(name, write)

    def plan(root):
        counts = BuildCounts()
        faces = assign_splits(corpus, read_annotations(corpus, root, counts), counts, keep_twins=False)
        return [astuple(replace(face, image=Path())) for face in faces], counts.skipped

    # parents whose names look like splits and corpora: decisions from an absolute path would show
    moved = shutil.copytree(raw, tmp_path / "test" / "validation" / "train" / "download")
    assert plan(moved) == plan(raw)
    assert plan(moved.parent) == plan(raw)  # one more level of nesting


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_an_empty_folder_says_what_is_expected(name, tmp_path):
    corpus = CORPORA[name]()
    with pytest.raises(RawFolderError) as error:
        list(corpus.faces(tmp_path))
    assert str(tmp_path) in str(error.value)
    assert corpus.instructions.strip() in str(error.value)


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_links_that_lead_in_circles_do_no_harm(built, name, write, tmp_path):
    corpus, raw, _, _ = built(name, write)
    looped = shutil.copytree(raw, tmp_path / "raw")
    for folder in [looped, *(path for path in looped.iterdir() if path.is_dir())]:
        (folder / "loop").symlink_to(looped, target_is_directory=True)
        (folder / "self").symlink_to(folder / "self")
    keys = [[item.key for item in corpus.faces(root) if isinstance(item, Face)] for root in (looped, raw)]
    assert keys[0] == keys[1]


def test_the_corpus_of_the_contributing_guide_works(tmp_path):
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) < 40
    module = {"__name__": "tfrecords_builders.my_faces"}
    exec(code, module)
    lines = [f"{n}.png,subject{n // 2},{'9' if n == 7 else n % 2}" for n in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["picture,subject,code", *lines, "../8.png,subject9,1"]))
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(faces.encode(np.full((9, 9, 3), number, np.uint8)))
    report = prepare(module["MyFaces"](), tmp_path, tmp_path, max_skipped=0.2)
    assert report["skipped"] == {"annotated as uncertain": 1, "path points outside the raw folder": 1}
    assert sum(split["records"] for split in report["splits"].values()) == 7
