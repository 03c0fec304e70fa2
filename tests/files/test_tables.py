"""Tables as people keep them, read by `embed` and by the builder `folder` alike."""

import io
import logging
from datetime import date, datetime, time, timedelta
from zipfile import ZipFile

import openpyxl
import pytest

from tfaffect.errors import UsageError
from tfaffect.features.sources import Search, find_sources
from tfaffect.files.tables import open_table
from tfaffect.files.workbooks import as_text
from tfrecords_builders.base import Face, Note
from tfrecords_builders.folder import Folder

NO_BOXES = "no boxes: the complete picture is the face; add --detect for photos"
NO_GROUP = "no column group: a picture is a group, so the same person may be in several splits"
PLAIN = "path,class,valence,group\nä 1.jpg,happy,0.5,Zoë\nb.jpg,,-1,7\n"
SEMICOLONS = "path;class;valence;group\nä 1.jpg;happy;0,5;Zoë\nb.jpg;;-1;7\n"
TABS = PLAIN.replace(",", "\t")
WRITTEN = {
    "plain": PLAIN.encode(),
    "mark of UTF-8": PLAIN.encode("utf-8-sig"),
    "Windows line ends": PLAIN.replace("\n", "\r\n").encode(),
    "old Mac line ends": PLAIN.replace("\n", "\r").encode(),
    "no last line end": PLAIN.strip().encode(),
    "names in capitals": PLAIN.replace("path,class,valence,group", "PATH,Class,VALENCE,Group").encode(),
    "blanks": b" path , class ,valence , group \n" + " ä 1.jpg ,happy , 0.5, Zoë\n b.jpg,, -1\t, 7 \n".encode(),
    "quotes": '"path","class","valence","group"\n"ä 1.jpg","happy","0.5","Zoë"\n"b.jpg","","-1","7"\n'.encode(),
    "quotes after blanks": 'path, "class", "valence","group"\n"ä 1.jpg", "happy", "0.5", "Zoë"\nb.jpg,,-1,7'.encode(),
    "empty lines": b"\n\n" + PLAIN.replace("\n", "\n\n,,,\n").encode(),
    "empty columns": PLAIN.replace("\n", ",,\n").encode(),
    "empty columns of the header only": PLAIN.replace("group\n", "group,,\n").encode(),
    "semicolons and decimal commas": SEMICOLONS.encode(),
    "a line that names the separator": b"sep=;\r\n" + SEMICOLONS.encode(),
    "the same in UTF-8 with mark": ("SEP=;\r\n" + SEMICOLONS).encode("utf-8-sig"),
    "tabs": TABS.encode(),
    "a line that names the tab": b"sep=\t\n" + TABS.encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "UTF-16": TABS.encode("utf-16"),
    "UTF-16, the other order": b"\xfe\xff" + SEMICOLONS.encode("utf-16-be"),
    "cp1252": PLAIN.encode("cp1252"),
    "cp1252 and semicolons": SEMICOLONS.encode("cp1252"),
}


def workbook(path, rows, sheets=1):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for number in range(1, sheets):
        book.create_sheet(f"more {number}").append(["path"])
    book.save(path)
    return path


def carried(path):
    return [(source.name, source.carried) for source in find_sources([str(path)], io.StringIO())]


def faces(root, **options):
    """The faces that `folder` reads, by key, and its notes."""
    items = list(Folder(**options).faces(root))
    return (
        {item.key: item for item in items if isinstance(item, Face)},
        [item.defect for item in items if isinstance(item, Note)],
    )


def as_folder_reads(root, table):
    found, _ = faces(root, table=table)
    return [(face.key, face.expression, face.valence, face.group) for face in found.values()]


EXPECTED = [("b.jpg", None, -1.0, "7"), ("ä 1.jpg", "happiness", 0.5, "Zoë")]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_both_programs_read_a_table_however_it_was_written(tmp_path, written, suffix):
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(WRITTEN[written])
    assert as_folder_reads(tmp_path, path.name) == EXPECTED
    half = "0,5" if b";" in WRITTEN[written].replace(b"\0", b"") else "0.5"
    assert [(name, list(cells.values())) for name, cells in carried(path)] == [
        ("ä 1.jpg", ["happy", half, "Zoë"]),
        ("b.jpg", ["", "-1", "7"]),
    ]


def test_both_programs_read_a_workbook(tmp_path):
    rows = [["Path", " class", "valence", "group", None], ["ä 1.jpg", "happy", 0.5, "Zoë"], [], ["b.jpg", None, -1, 7]]
    path = workbook(tmp_path / "labels.xlsx", rows)
    assert as_folder_reads(tmp_path, path.name) == EXPECTED
    assert carried(path) == [
        ("ä 1.jpg", {"class": "happy", "valence": "0.5", "group": "Zoë"}),
        ("b.jpg", {"class": "", "valence": "-1", "group": "7"}),
    ]


def test_carried_columns_keep_their_own_names_and_texts(tmp_path):
    (tmp_path / "list.csv").write_text("Subject ID; PATH ;Note;'odd'\n 007 ;a.jpg; 'x, y' 0,50 ;'z'\n")
    assert carried(tmp_path / "list.csv") == [("a.jpg", {"Subject ID": "007", "Note": "'x, y' 0,50", "'odd'": "'z'"})]


def test_numbers_between_commas_are_never_changed(tmp_path):
    (tmp_path / "labels.csv").write_text('path,valence\na.jpg,"0,5"\n')
    with pytest.raises(UsageError, match=r"valence must be a number. Received: '0,5'"):
        faces(tmp_path)
    (tmp_path / "labels.csv").write_text("path,valence\na.jpg,0,5\n")
    with pytest.raises(UsageError, match=r"Row 2 of .* has 3 cells, but there are 2 columns"):
        faces(tmp_path)
    (tmp_path / "labels.csv").write_text("path\tvalence\na.jpg\t1,234\n")
    with pytest.raises(UsageError, match=r"valence must be a number. Received: '1,234'"):
        faces(tmp_path)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("0,5", 0.5), ("-,25", -0.25), ("1e-1", 0.1), ("2,5E-1", 0.25), ("0.5", 0.5), ("1.234,5", None), ("1,2,3", None)],
)
def test_a_decimal_comma_beside_semicolons(tmp_path, cell, number):
    path = tmp_path / "labels.csv"
    path.write_text(f"path;valence\na.jpg;{cell}\n")
    table = open_table(path)
    ((_, cells),) = table.rows
    assert table.number(cells[1]) == number


def test_times_of_a_list_may_have_decimal_commas(tmp_path):
    (tmp_path / "list.csv").write_text("path;From;to\na.mp4;1,5;2,25\nb.mp4;;3\n")
    found = find_sources([str(tmp_path / "list.csv")], io.StringIO(), Search((), "from", "to"))
    assert [(source.start, source.end) for source in found] == [(1.5, 2.25), (None, 3)]
    assert found[0].carried == {"From": "1,5", "to": "2,25"}


def test_cp1252_is_said_by_both_programs(tmp_path, caplog):
    (tmp_path / "labels.csv").write_bytes(WRITTEN["cp1252"])
    _, notes = faces(tmp_path)
    missing = "pictures not found: b.jpg, ä 1.jpg"
    assert notes == [
        "not UTF-8, so read as cp1252, the encoding of Windows: check letters with accents",
        NO_BOXES,
        missing,
    ]
    carried(tmp_path / "labels.csv")
    (record,) = caplog.records
    assert record.getMessage() == f"{tmp_path}/labels.csv: {notes[0]}."
    assert record.levelno == logging.WARNING, "without a set-up of logging, Python prints it to standard error"
    caplog.clear()
    (tmp_path / "labels.csv").write_bytes(WRITTEN["plain"])
    assert faces(tmp_path)[1] == [NO_BOXES, missing]
    carried(tmp_path / "labels.csv")
    assert not caplog.records


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TABS.encode("utf-16")[:-1], "is not text in complete UTF-16 .*truncated.*Save it with the encoding UTF-8"),
        (b"\xef\xbb\xbf" + PLAIN.encode("cp1252"), "is not text in complete UTF-8 "),
        (b"path\n\x81\xe4\xfc.jpg\n", "is not text in UTF-8, UTF-16 or cp1252"),
        (PLAIN.encode("utf-16-le"), "its first line has null characters"),
        (PLAIN.encode("utf-32"), "null characters"),
        (b"sep=", r"Received: \[\]"),
        (b"sep=;\n", r"Received: \[\]"),
        (b"sep=#\npath#valence\n", r"Received: \['path#valence'\]"),
        (b"path\n" + b"a" * 200_000 + b"\n", "cannot be read as a table: field larger than field limit"),
        (b'path\n"' + b"a\n" * 200_000, "cannot be read as a table: field larger than field limit"),
    ],
)
def test_what_is_no_table_is_refused_by_both_programs(tmp_path, content, reason):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    for read in (carried, lambda path: faces(path.parent)):
        with pytest.raises(UsageError, match=reason) as error:
            read(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["image", "IMG", "File", "filename", "pth"])
def test_another_name_stands_for_path_and_is_said(tmp_path, caplog, name):
    (tmp_path / "labels.csv").write_text(f"class,{name}\nfear,a.jpg\n")
    found, notes = faces(tmp_path)
    assert notes == [f"column {name!r} is read as path", NO_GROUP, NO_BOXES, "pictures not found: a.jpg"]
    assert found["a.jpg"].expression == "fear"
    assert carried(tmp_path / "labels.csv") == [("a.jpg", {"class": "fear"})]
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path}/labels.csv: {notes[0]}."]


def test_path_itself_comes_before_other_names(tmp_path, caplog):
    (tmp_path / "labels.csv").write_text("image,Path,file\nx.jpg,a.jpg,y.jpg\n")
    assert list(faces(tmp_path)[0]) == ["a.jpg"]
    assert carried(tmp_path / "labels.csv") == [("a.jpg", {"image": "x.jpg", "file": "y.jpg"})]
    assert not caplog.records


def test_two_columns_that_may_be_the_path_are_an_error_that_names_both(tmp_path):
    (tmp_path / "labels.csv").write_text("Image,file\nx.jpg,y.jpg\n")
    for read in (carried, lambda path: faces(path.parent)):
        with pytest.raises(UsageError, match=r"has the columns 'Image' and 'file'. Only one column may be path"):
            read(tmp_path / "labels.csv")


def test_a_workbook_of_several_sheets_gives_the_first_and_says_so(tmp_path, caplog):
    path = workbook(tmp_path / "labels.xlsx", [["path"], ["a.jpg"]], sheets=3)
    assert carried(path) == [("a.jpg", {})]
    _, notes = faces(tmp_path)
    assert "only the first of 3 sheets is read: 'Sheet'" in notes
    assert f"{path}: {notes[0]}." in caplog.text


def test_a_formula_without_a_value_is_named(tmp_path):
    rows = [["path", "valence"], ["a.jpg", 0.5], ["b.jpg", "=B2*2"]]
    path = workbook(tmp_path / "labels.xlsx", rows)
    for read in (carried, lambda path: faces(path.parent)):
        with pytest.raises(UsageError, match=r"Cell B3 of .*labels\.xlsx has a formula without a value: =B2\*2"):
            read(path)


def test_a_formula_with_a_value_is_its_value(tmp_path):
    path = workbook(tmp_path / "list.xlsx", [["path", "age"], ["a.jpg", "=40+2"]])
    with ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b"<f>40+2</f><v" in parts[sheet]
    parts[sheet] = parts[sheet].replace(b"<v></v>", b"<v>42</v>").replace(b"<v />", b"<v>42</v>")
    with ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert carried(path) == [("a.jpg", {"age": "42"})]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("007", "007"),
        (7, "7"),
        (7.0, "7"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (True, "TRUE"),
        (datetime(2026, 11, 30), "2026-11-30"),
        (datetime(2026, 11, 30, 10, 15), "2026-11-30 10:15:00"),
        (date(2026, 11, 30), "2026-11-30"),
        (time(10, 15), "10:15:00"),
        (timedelta(hours=30, seconds=5), "30:00:05"),
        (timedelta(minutes=-30), "-0:30:00"),
        ("#N/A", "#N/A"),
    ],
)
def test_cells_of_a_workbook_become_texts(value, text):
    assert as_text(value) == text


def test_values_come_back_from_a_workbook_as_texts(tmp_path):
    path = workbook(tmp_path / "list.xlsx", [["path", "day", "seen"], ["a.jpg", date(2026, 11, 30), False]])
    assert carried(path) == [("a.jpg", {"day": "2026-11-30", "seen": "FALSE"})]


def test_a_workbook_needs_an_extra_that_is_named(tmp_path, monkeypatch):
    path = workbook(tmp_path / "labels.xlsx", [["path"], ["a.jpg"]])
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    for read in (carried, lambda path: faces(path.parent)):
        with pytest.raises(UsageError, match=r'openpyxl, which is not .* pip install "tfaffect\[excel\]"'):
            read(path)


@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsb", ".numbers"])
def test_other_workbooks_are_refused_with_what_to_do(tmp_path, suffix):
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    for read in (carried, lambda path: faces(path.parent, table=path.name)):
        with pytest.raises(UsageError, match=r"cannot be read. Save it as \.xlsx or \.csv"):
            read(path)


def test_a_file_that_is_no_workbook_is_refused(tmp_path):
    (tmp_path / "labels.xlsx").write_bytes(PLAIN.encode())
    with pytest.raises(UsageError, match="is not an Excel workbook, is damaged, or has a password"):
        carried(tmp_path / "labels.xlsx")


def test_a_row_far_below_all_others_does_not_take_forever(tmp_path):
    row = "99999999999"
    path = workbook(tmp_path / "list.xlsx", [["path"], ["a.jpg"]])
    with ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = (
        parts[sheet].replace(b'<row r="2"', f'<row r="{row}"'.encode()).replace(b'r="A2"', f'r="A{row}"'.encode())
    )
    with ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(UsageError, match="more than 1,048,576 rows"):
        carried(path)


def test_rows_are_read_one_by_one(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("path\n" + "a.jpg\n" * 100_000 + '"' + "x" * 200_000)
    rows = open_table(path).rows
    assert next(rows) == (2, ["a.jpg"])
    with pytest.raises(UsageError, match="field limit"):
        list(rows)
