"""The data dictionary beside a table describes every column of every layout."""

import json
import math

import pytest

from tfaffect.contract import Contract
from tfaffect.features import columns, fex, tables
from tfaffect.features.columns import describe
from tfaffect.features.dictionary import dictionary_of, write_dictionary
from tfaffect.features.plan import LAYOUTS

KNOWN = {"tfaffect": (tables.SCHEMA, columns.ROWS), "fex": (fex.SCHEMA, columns.FEX)}
TABLES = {**KNOWN, "windows": (tables.WINDOW_SCHEMA, columns.WINDOWS)}
RUN = {
    **{"model": "abc", "detect_sides": [640, 192], "min_score": 0.6, "smooth": 0.5, "smooth_embeddings": False},
    "abstain": 0.2,
}
CONTRACT = Contract(64, ("expression",), {"fer_plus": "1.0.0"}, "abc", temperature=1.5)


def test_every_layout_is_known():
    assert set(KNOWN) == set(LAYOUTS)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_described_and_no_other(name):
    schema, known = TABLES[name]
    assert [column for column, _ in describe(schema, known, ())] == schema.names
    assert set(known) == set(schema.names)
    for field in schema:
        column = known[field.name]
        assert column.type == {"string": "text", "int64": "integer"}.get(str(field.type), "number"), field.name
        assert column.meaning
        assert (len(column.range) == 2) == (column.type != "text"), field.name


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_the_file_has_a_line_for_each_column(tmp_path, suffix):
    table = tmp_path / f"faces{suffix}"
    schema = tables.with_carried(tables.SCHEMA, ["ü word"])
    write_dictionary(table, schema, columns.ROWS, ["ü word"], CONTRACT, RUN)
    text = dictionary_of(table).read_text(encoding="utf-8")
    found = json.loads(text)
    assert dictionary_of(table).name == f"faces{suffix}.columns.json"
    assert list(found["columns"]) == schema.names
    assert sum(line.startswith("    ") and '"meaning"' in line for line in text.splitlines()) == len(schema)
    assert found["table"] == table.name
    assert "nearly upright on tilted heads" in found["rules"]["landmarks"]
    assert found["columns"]["seconds"] == {
        **{"type": "number", "unit": "second", "range": [0, None], "meaning": "time of the frame", "source": "file"}
    }
    assert found["columns"]["ü word"]["meaning"] == "copied from the table that lists the inputs"
    network = found["sources"]["network"]
    assert network["model"]["corpora"] == {"fer_plus": "1.0.0"}
    assert "temperature 1.5" in network["protocol"]["probabilities"]
    assert "0.5 s" in network["protocol"]["filter"]
    assert network["protocol"]["filter_of_features"] == "none"
    assert {column["source"] for column in found["columns"].values()} == set(found["sources"])
    assert ("arrays" in found) == (suffix == ".npz")
    assert len(text) < 60_000


def test_the_statistics_of_windows_have_their_own_units_and_ranges(tmp_path):
    table = tmp_path / "faces.windows.csv"
    write_dictionary(table, tables.WINDOW_SCHEMA, columns.WINDOWS, (), CONTRACT, RUN)
    found = json.loads(dictionary_of(table).read_text())["columns"]
    assert found["valence_mean"]["range"] == [-1, 1]
    assert found["valence_deviation"]["range"] == [0, 1], "half of the values at each end"
    assert found["expression_fear_deviation"]["range"] == [0, 0.5]
    assert (found["arousal_slope"]["unit"], found["arousal_slope"]["range"]) == ("1 / second", [None, None])
    assert math.isclose(found["face_share"]["range"][1], 1)
    assert dictionary_of(table).name == "faces.windows.csv.columns.json"
