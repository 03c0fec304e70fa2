"""Label tables of corpora, as the owners ship them and as people saved them again."""

import pytest

from tfaffect.errors import UsageError
from tfrecords_builders.tables import number, rows

COLUMNS = ("name", "Usage", "valence")


def write(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize(
    "content",
    [
        "name,Usage,valence\na 1.png,train,0.5\nb.png,,-1\n",
        "NAME , usage,Valence\r\n a 1.png,train ,0.5\r\nb.png,,-1\r\n",
        "name;Usage;valence\na 1.png;train;0,5\nb.png;;-1\n",
        "sep=;\nname;Usage;valence\na 1.png;train;0,5\nb.png;;-1\n",
        "'name'\t\"Usage\"\t'valence'\n'a 1.png'\ttrain\t0.5\nb.png\t\t-1",
        "name|Usage|valence||\na 1.png|train|0.5||\nb.png||-1||\n",
        "a 1.png,train,0.5\nb.png,,-1\n",
        "'a 1.png';train;0,5\n'b.png';;-1\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_under_the_names_that_are_asked_for(tmp_path, content, encoding):
    path = write(tmp_path, content, encoding)
    assert list(rows(path, header=COLUMNS)) == [
        {"name": "a 1.png", "Usage": "train", "valence": "0.5"},
        {"name": "b.png", "Usage": "", "valence": "-1"},
    ]
    if content.lower().lstrip("'sep=;\n").startswith("name"):
        assert list(rows(path, required=COLUMNS)) == list(rows(path, header=COLUMNS))


def test_a_short_row_lacks_its_last_columns(tmp_path):
    assert list(rows(write(tmp_path, "name,Usage,valence\na.png\n"))) == [{"name": "a.png"}]


def test_numbers_between_commas_and_other_texts_beside_semicolons_are_not_changed(tmp_path):
    (row,) = rows(write(tmp_path, 'name,valence\na.png,"0,5"\n'))
    assert row["valence"] == "0,5"
    (row,) = rows(write(tmp_path, "name;box;landmarks\n1,2 a.png;(0, 0, 48, 48);1.5,2\n"))
    assert list(row.values()) == ["1,2 a.png", "(0, 0, 48, 48)", "1.5,2"]


def test_a_table_in_the_encoding_of_windows_is_read_and_said(tmp_path, caplog):
    path = write(tmp_path, "name\nZoë.png\n", "cp1252")
    assert list(rows(path)) == [{"name": "Zoë.png"}]
    assert f"{path}: not UTF-8, so read as cp1252" in caplog.text


def test_a_column_that_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"lacks the columns \['valence'\]\. Received: \['name', 'x'\]"):
        list(rows(write(tmp_path, "Name,x\na,b\n"), required=("name", "valence")))


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), (" -1e-3 ", -0.001), ("0,5", None), ("", None), (None, None), ("nan", None), ("inf", None)],
)
def test_numbers(text, value):
    assert number(text) == value
