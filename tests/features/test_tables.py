import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests import ROOT
from tfaffect.errors import UsageError
from tfaffect.features import tables
from tfaffect.features.row import Row
from tfaffect.features.windows import STATISTICS, Window
from tfaffect.labels import CLASSES

SUFFIXES = (".parquet", ".csv", ".npz")


def face(rng, **facts):
    given = {
        "source": "clips/ü, 1.mp4",
        "frame": 3,
        "seconds": 0.125,
        "face": 0,
        "track": 2,
        "box": (1.5, 2, 30, 40),
        "landmarks": tuple((float(place), place + 0.5) for place in range(5)),
        "score": 0.75,
        "expression": np.eye(8, dtype=np.float32)[4],
        "valence": 0.5,
        "arousal": float("nan"),
        "embedding": rng.uniform(-1, 1, 256).astype(np.float32),
        "carried": {"subject": "007", "word": 'a "b", c'},
    }
    return Row(**{**given, **facts})


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return [face(rng), Row("photo.png", problem="unreadable: no picture"), face(rng, face=1, frame=4, seconds=0.5)]


def write(path, rows, carried=("subject", "word"), batches=2):
    schema = tables.with_carried(tables.SCHEMA, carried)
    parts = [rows[number::batches] for number in range(batches)]
    tables.writer(path)(path, schema, iter([tables.to_batch(part, schema) for part in parts]))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_tables_begin_as_the_original_did_and_read_back(tmp_path, rows, suffix):
    path = write(tmp_path / f"faces{suffix}", rows, batches=1)
    kept_as_text = {"subject": str}
    table = pd.read_csv(path, dtype=kept_as_text) if suffix == ".csv" else pd.read_parquet(path)
    assert list(table.columns[:257]) == ["path", *(f"embedding_{place}" for place in range(256))]
    assert list(table.columns[257:266]) == ["expression", *(f"expression_{name}" for name in CLASSES)]
    assert list(table.columns[-3:]) == ["problem", "subject", "word"]
    assert table["path"].tolist() == ["clips/ü, 1.mp4", "photo.png", "clips/ü, 1.mp4"]
    np.testing.assert_array_equal(table.loc[0, "embedding_0":"embedding_255"].to_numpy(np.float32), rows[0].embedding)
    first = table.iloc[0]
    assert (first["expression"], first["expression_fear"], first["expression_neutral"]) == ("fear", 1, 0)
    assert (first["valence"], first["frame"], first["seconds"], first["track"]) == (0.5, 3, 0.125, 2)
    assert (first["box_left"], first["box_bottom"], first["detection_score"]) == (1.5, 40, 0.75)
    assert (first["right_eye_x"], first["nose_y"], first["mouth_left_y"]) == (0, 2.5, 4.5)
    assert (first["subject"], first["word"]) == ("007", 'a "b", c')
    assert pd.isna(first["arousal"])
    assert pd.isna(first["problem"])
    missing = table.iloc[1]
    assert missing["problem"] == "unreadable: no picture"
    assert missing.drop(["path", "problem"]).isna().all()


def test_npz_holds_arrays_that_numpy_reads_without_pickle(tmp_path, rows):
    with np.load(write(tmp_path / "faces.npz", rows), allow_pickle=False) as arrays:
        order = [0, 2, 1]  # of two batches
        assert arrays["path"].tolist() == [rows[place].source for place in order]
        assert arrays["embedding"].shape == (3, 256)
        assert arrays["embedding"].dtype == np.float32
        np.testing.assert_array_equal(arrays["embedding"][0], rows[0].embedding)
        assert np.isnan(arrays["embedding"][2]).all()
        np.testing.assert_array_equal(arrays["probabilities"][1], np.eye(8)[4])
        assert arrays["classes"].tolist() == list(CLASSES)
        assert arrays["expression"].tolist() == ["fear", "fear", ""]
        np.testing.assert_array_equal(arrays["landmarks"][0], rows[0].landmarks)
        np.testing.assert_array_equal(arrays["box"][0], rows[0].box)
        assert arrays["frame"].tolist() == [3, 4, -1]
        assert arrays["problem"].tolist() == ["", "", "unreadable: no picture"]
        assert arrays["word"].tolist() == ['a "b", c', 'a "b", c', ""]
    assert [path.name for path in tmp_path.iterdir()] == ["faces.npz"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows_has_its_columns(tmp_path, suffix):
    path = tmp_path / f"faces{suffix}"
    tables.writer(path)(path, tables.SCHEMA, iter([]))
    if suffix == ".npz":
        assert np.load(path)["embedding"].shape == (0, 256)
    else:
        table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
        assert list(table.columns) == tables.SCHEMA.names
        assert table.empty


def test_a_parquet_file_says_what_made_it_and_has_few_groups(tmp_path, rows):
    schema = tables.SCHEMA.with_metadata({"tfaffect": '{"model": "abc"}'})
    path = tmp_path / "faces.parquet"
    tables.writer(path)(path, schema, (tables.to_batch(rows, schema) for _ in range(100)))
    file = pa.parquet.ParquetFile(path)
    assert file.schema_arrow.metadata[b"tfaffect"] == b'{"model": "abc"}'
    assert file.metadata.num_rows == 300
    assert file.metadata.num_row_groups == 1


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.parquet, \.csv, \.npz\. Received: .*faces\.xlsx"):
        tables.writer(tmp_path / "faces.xlsx")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_windows_have_a_column_for_every_statistic_of_every_value(tmp_path, suffix):
    statistics = np.arange(5 * 266, dtype=np.float32).reshape(5, 266)
    found = [Window(0.0, 4.0, 2, 20, 15, statistics), Window(1.0, 5.0, None, 20, 0, np.full((5, 266), np.nan))]
    schema = tables.with_carried(tables.WINDOW_SCHEMA, ["label"])
    path = tmp_path / f"windows{suffix}"
    tables.writer(path)(path, schema, iter([tables.to_window_batch(found, "a.mp4", {"label": "yes"}, schema)]))
    if suffix == ".npz":
        arrays = np.load(path)
        np.testing.assert_array_equal(arrays["embedding_mean"][0], statistics[0, 10:])
        np.testing.assert_array_equal(arrays["probabilities_slope"][0], statistics[2, :8])
        assert arrays["track"].tolist() == [2, -1]
        return
    table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    assert len(table.columns) == 7 + 5 * 266 + 1
    first = table.iloc[0]
    assert (first["path"], first["label"], first["track"], first["face_share"]) == ("a.mp4", "yes", 2, 0.75)
    for place, name in enumerate(STATISTICS):
        assert first[f"expression_neutral_{name}"] == statistics[place, 0]
        assert first[f"valence_{name}"] == statistics[place, 8]
        assert first[f"embedding_255_{name}"] == statistics[place, 265]
    assert (table.iloc[1]["face_share"], table.iloc[1]["frames"]) == (0, 20)
    assert pd.isna(table.iloc[1]["track"])
    assert table.iloc[1].filter(like="embedding").isna().all()


def test_writing_a_table_does_not_import_pandas(tmp_path):
    """It takes a quarter of a second, as much as all that a job on a cluster imports of its own."""
    code = "import sys; from pathlib import Path; from tfaffect.features import tables; "
    code += "from tfaffect.features.row import Row; "
    code += "path, schema = Path(sys.argv[1]), tables.SCHEMA; "
    code += "tables.writer(path)(path, schema, [tables.to_batch([Row('a.png', problem='no face')], schema)]); "
    code += "print('pandas' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "faces.parquet")]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "False\n"
    assert pd.read_parquet(tmp_path / "faces.parquet")["problem"].tolist() == ["no face"]
