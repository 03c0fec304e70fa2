"""The same records come out of Apache Beam; skipped where it is not installed (requirements-beam.txt)."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.builders.test_corpora import find_green
from tests.builders.test_prepare import Handmade, face
from tfaffect.errors import UsageError
from tfrecords_builders.prepare import prepare


@pytest.fixture
def corpus(tmp_path):
    faces = [
        face(
            n,
            image=partial(np.full, (40, 60, 3), 98 if n == 99 else n, np.uint8),  # a worker can get it: it is no lambda
            split=("train", "validation", "test")[n % 3],
            expression="happy" if n % 2 else {"happy": 1, "sad": 3},
        )
        for n in range(100)
    ]
    lost = face(100, image=tmp_path / "missing.png", tags=("lost",)), replace(faces[0], key="k101", detect=True)
    return Handmade(*faces, *lost)


def files(records):
    """The content of every file of records, by name."""
    folder = records / "handmade" / "1.0.0"
    return {path.name: path.read_bytes() for path in folder.iterdir() if "tfrecord" in path.name}


def test_without_beam_the_error_says_what_to_install(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "apache_beam.options.pipeline_options", None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-beam\.txt"):
        prepare(corpus, tmp_path, tmp_path / "beam", beam=("DirectRunner", ()), face_detector=find_green)
    assert [path.name for path in (tmp_path / "beam").iterdir()] == []


def test_the_same_records_and_report_come_out(corpus, tmp_path):
    pytest.importorskip("apache_beam")
    here = prepare(corpus, tmp_path, tmp_path / "here", face_detector=find_green)
    beam = prepare(corpus, tmp_path, tmp_path / "beam", face_detector=find_green, beam=("DirectRunner", ()))
    assert beam == here
    assert here["skipped"] == {
        "picture file missing or unreadable": 1,
        "no face detected where one is annotated": 1,
        "same picture or group is also in a later split": 1,
    }
    assert here["splits"]["test"]["tags"] == {"twin": 1}
    assert here["splits"]["test"]["grey"] == here["splits"]["test"]["records"]
    assert files(tmp_path / "beam") == files(tmp_path / "here")
    read = tfds.builder_from_directory(tmp_path / "beam" / "handmade" / "1.0.0").as_dataset(split="train")
    assert len(list(read)) == 33
