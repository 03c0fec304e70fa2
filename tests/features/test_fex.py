"""The layout of Py-Feat's class Fex. Its column names and values without a face are those of its version 2.1.5."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfaffect.features import fex, tables
from tfaffect.features.row import NO_FACE, Row

FIRST = [
    *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "valence", "arousal"),
    *("input", "frame", "approx_time"),
]


def face(**facts):
    given = {
        **{"source": "talk.mp4", "frame": 3, "seconds": 65.9, "face": 0, "track": 2, "box": (1.5, 2, 31, 42)},
        **{"landmarks": ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10)), "score": 0.75},
        "expression": np.arange(8, dtype=np.float32) / 28,
        **{"valence": 0.5, "arousal": float("nan"), "embedding": np.full(256, 0.25, np.float32)},
        "carried": {"subject": "007"},
    }
    return Row(**{**given, **facts})


def written(rows, path, carried=()):
    """Write rows in two batches, as parts are."""
    schema = tables.with_carried(tables.SCHEMA, carried)
    batches = [tables.to_batch(part, schema) for part in (rows[:2], rows[2:])]
    out = tables.with_carried(fex.SCHEMA, carried)
    tables.writer(path)(path, out, fex.to_fex(iter(batches), carried))
    return path


@pytest.fixture
def rows():
    return [
        face(),
        Row("talk.mp4", frame=4, seconds=66.0, problem=NO_FACE),
        face(source="a.png", frame=None, seconds=None, track=None),
        face(source="a.png", frame=None, seconds=None, track=None, face=1),
        Row("b.png", problem="unreadable: empty"),
        Row("c.png", problem=NO_FACE),
    ]


def test_its_columns_come_first_and_nothing_is_lost(rows, tmp_path):
    table = pd.read_csv(written(rows, tmp_path / "faces.csv", ["subject"]), dtype={"subject": str})
    assert list(table.columns)[: len(FIRST)] == FIRST
    assert {"Contempt", "track", "seconds", "face", "expression", "problem", "nose_x", "embedding_255"} <= {*table}
    assert len(table.columns) == len(tables.SCHEMA) + 1 + 1  # approx_time and the carried column
    first = table.iloc[0]
    assert first[["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]].tolist() == [
        *(1.5, 2, 29.5, 40, 0.75)
    ]
    np.testing.assert_allclose(first[["Neutral", "Happy", "Sad", "Anger", "Contempt"]].tolist(), np.r_[0:3, 6, 7] / 28)
    assert (first["input"], first["frame"], first["approx_time"], first["seconds"]) == ("talk.mp4", 3, "01:05", 65.9)
    assert (first["subject"], first["track"], first["expression"]) == ("007", 2, "contempt")
    assert np.isnan(first["arousal"])


def test_without_a_face_there_are_the_values_that_py_feat_has(rows, tmp_path):
    table = pd.read_csv(written(rows, tmp_path / "faces.csv"))
    for place in (1, 5):
        assert table.iloc[place][FIRST[:4]].isna().all()
        assert table.iloc[place]["FaceScore"] == 0
        assert table.iloc[place][FIRST[5:14]].isna().all()
    assert np.isnan(table.iloc[4]["FaceScore"]), "nobody searched a file that could not be read"
    assert (table.iloc[1]["frame"], table.iloc[1]["approx_time"]) == (4, "01:06")


def test_pictures_are_numbered_as_frames_over_all_batches(rows, tmp_path):
    table = pd.read_csv(written(rows, tmp_path / "faces.csv"))
    assert table["frame"].tolist() == [3, 4, 0, 0, 1, 2]
    assert table["approx_time"][2:].isna().all()


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_the_other_formats_hold_the_same(rows, tmp_path, suffix):
    path = written(rows, tmp_path / f"faces{suffix}")
    if suffix == ".parquet":
        assert pa.parquet.read_schema(path).names == fex.SCHEMA.names
        return
    with np.load(path) as arrays:
        assert arrays["embedding"].shape == (6, 256)
        np.testing.assert_array_equal(arrays["FaceRectWidth"], np.float32([29.5, np.nan, 29.5, 29.5, np.nan, np.nan]))
        assert arrays["approx_time"].tolist() == ["01:05", "01:06", "", "", "", ""]


def test_a_table_without_rows_has_all_columns(tmp_path):
    path = tmp_path / "faces.csv"
    tables.writer(path)(path, fex.SCHEMA, fex.to_fex(iter([tables.to_batch([], tables.SCHEMA)]), ()))
    assert list(pd.read_csv(path).columns) == fex.SCHEMA.names
