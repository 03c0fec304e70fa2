import io
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests import ROOT
from tfaffect.errors import UsageError
from tfaffect.features.sources import Search, Source, find_sources, kind


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to type names in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "wb"):
            pass


def found(*inputs, stdin="", reserved=()):
    return find_sources(inputs, io.StringIO(stdin), Search(reserved))


def names(*inputs, **how):
    return [source.name for source in found(*inputs, **how)]


def test_files_stay_as_they_are_typed_in_order_and_as_often():
    touch("b.jpg", "a.mp4", "notes")
    assert names("b.jpg", "./a.mp4", "b.jpg", "notes") == ["b.jpg", "./a.mp4", "b.jpg", "notes"]


def test_a_folder_gives_its_pictures_and_videos_with_numbers_in_order():
    touch("f/face10.png", "f/face2.png", "f/Face1.JPG", "f/day10/a.mkv", "f/day9/b.webm", "f/day9/read.me", "f/x.csv")
    assert names("f") == ["f/day9/b.webm", "f/day10/a.mkv", "f/Face1.JPG", "f/face2.png", "f/face10.png"]
    assert names("f/") == names("f")
    assert all(source.path.is_file() for source in found("f"))


def test_hidden_files_and_folders_are_left_out():
    touch("f/a.jpg", "f/.b.jpg", "f/._a.jpg", "f/.cache/c.jpg")
    assert names("f") == ["f/a.jpg"]


@pytest.mark.parametrize("suffix", ["heic", "HEIF", "avif", "gif", "bmp", "tif", "webp", "mov", "avi", "m4v"])
def test_folders_are_searched_for_every_usual_suffix(suffix):
    touch(f"f/a.{suffix}")
    assert names("f") == [f"f/a.{suffix}"]


def test_links_are_followed_and_loops_end():
    touch("f/b/1.jpg", "f/c/2.jpg", "elsewhere/3.jpg")
    os.symlink("..", "f/a")  # up to f itself
    os.symlink("b", "f/again")
    os.symlink("../b", "f/c/again")
    os.symlink("self", "f/self")
    os.symlink("../elsewhere", "f/far")
    os.symlink("b/1.jpg", "f/linked.jpg")
    assert names("f") == ["f/b/1.jpg", "f/c/2.jpg", "f/far/3.jpg", "f/linked.jpg"]


def test_a_link_in_a_folder_that_leads_nowhere_is_a_source_that_cannot_be_read():
    os.mkdir("f")
    os.symlink("gone.jpg", "f/a.jpg")
    (source,) = found("f")
    assert source.name == "f/a.jpg"
    with pytest.raises(FileNotFoundError):
        kind(source.path)


def test_a_folder_that_is_typed_twice_is_there_twice():
    touch("f/a.jpg")
    assert names("f", "f") == ["f/a.jpg", "f/a.jpg"]


def test_a_table_names_paths_relative_to_itself_and_carries_its_other_columns(folder):
    touch("t/in.jpg")
    with open("t/list.csv", "w", encoding="utf-8") as file:
        file.write('subject,path,note\n7,in.jpg,"a, ü"\n8,missing/clip.mp4,\n\n9,/away/x.png,two\n')
    listed = found("t/list.csv")
    assert [source.name for source in listed] == ["in.jpg", "missing/clip.mp4", "/away/x.png"]
    assert [str(source.path) for source in listed] == ["t/in.jpg", "t/missing/clip.mp4", "/away/x.png"]
    assert [source.carried for source in listed] == [
        {"subject": "7", "note": "a, ü"},
        {"subject": "8", "note": ""},
        {"subject": "9", "note": "two"},
    ]


@pytest.mark.parametrize(
    "content", ["path,age\r\na.jpg,1\r\n", "path;age\na.jpg;1\n", 'age\t"path"\n1\ta.jpg', "path , age\na.jpg,1\n"]
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_are_read_as_spreadsheets_write_them(folder, content, mark):
    (folder / "list.CSV").write_text(mark + content, encoding="utf-8", newline="")
    assert [(source.name, source.carried) for source in found("list.CSV")] == [("a.jpg", {"age": "1"})]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"photo,age\na.jpg,1\n", r"list\.csv has no column named path\. Received: \['photo', 'age'\]\.$"),
        (b"", r"has no column named path\. Received: \[\]"),
        (b"path,age\na.jpg,1\nb.jpg\n", "Line 3 of list.csv has 1 cells, but the header has 2"),
        (b"path,age\na.jpg,1,2\n", "Line 2 of list.csv has 3 cells, but the header has 2"),
        (b"path,age\n,1\n", "Line 2 of list.csv has no path"),
        (b"path,age,age\na.jpg,1,2\n", r"same name: \['age'\]"),
        (b"path,valence,age\na.jpg,1,2\n", r"too: \['valence'\]. Rename or remove"),
        (b"path\n\x81.jpg\n", "is not text in UTF-8, UTF-16 or cp1252"),
        (b"path\n" + b"a" * 200_000 + b"\n", "cannot be read as a table"),
        (b"path\n", "Name pictures"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(folder, content, complaint):
    (folder / "list.csv").write_bytes(content)
    with pytest.raises(UsageError, match=complaint):
        found("list.csv", reserved={"path", "valence"})


def test_a_table_without_paths_shows_its_first_columns_and_says_how_many_there_are(folder):
    (folder / "list.csv").write_text(",".join(f"column_{number}" for number in range(431)) + "\n")
    with pytest.raises(UsageError) as error:
        found("list.csv")
    shown = ", ".join(f"'column_{number}'" for number in range(10))
    assert str(error.value) == (f"list.csv has no column named path. Received: [{shown}], the first 10 of 431 columns.")


def test_a_table_in_the_encoding_of_windows_names_its_files(folder, caplog):
    (folder / "list.csv").write_bytes("path\nü.jpg\n".encode("cp1252"))
    assert names("list.csv") == ["ü.jpg"]
    assert "list.csv: not UTF-8, so read as cp1252" in caplog.text


def test_the_command_says_on_standard_error_how_a_table_was_read(folder):
    (folder / "list.csv").write_bytes("image;label\nü.jpg;1\n".encode("cp1252"))
    command = [sys.executable, "-m", "tfaffect", "embed", "list.csv", "--model", "missing"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    said = [line for line in done.stderr.splitlines() if line.startswith("list.csv")]
    assert said == [
        "list.csv: not UTF-8, so read as cp1252, the encoding of Windows: check letters with accents.",
        "list.csv: column 'image' is read as path.",
    ]


def test_a_table_of_videos_for_the_builder_is_read_too(folder, caplog):
    (folder / "list.csv").write_text("Video,group\na.mp4,anna\n")
    assert [(source.name, source.carried) for source in found("list.csv")] == [("a.mp4", {"group": "anna"})]
    assert "list.csv: column 'Video' is read as path." in caplog.text
    (folder / "list.csv").write_text("video,file\nclip 1,a.jpg\n")
    assert [(source.name, source.carried) for source in found("list.csv")] == [("a.jpg", {"video": "clip 1"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_file_is_a_list_of_paths(folder, encoding):
    touch("t/in ü, 1.jpg")
    content = '\nin ü, 1.jpg\n  missing; or not.mp4 \r\n"C:\\faces\\a.jpg"\n\n/away/x.png'
    (folder / "t" / "list.txt").write_bytes(content.encode(encoding))
    listed = found("t/list.txt")
    assert [source.name for source in listed] == [
        "in ü, 1.jpg",
        "missing; or not.mp4",
        r"C:\faces\a.jpg",
        "/away/x.png",
    ]
    assert [str(source.path) for source in listed[:2]] == ["t/in ü, 1.jpg", "t/missing; or not.mp4"]
    assert listed[0].path.is_file()
    assert not any(source.carried for source in listed)


def test_a_text_file_with_a_line_of_names_is_a_table(folder):
    (folder / "list.TXT").write_text("Path\tage\na, 1.jpg\t7\n")
    (folder / "one.txt").write_text("path\na, 1.jpg\n")
    assert [(source.name, source.carried) for source in found("list.TXT", "one.txt")] == [
        ("a, 1.jpg", {"age": "7"}),
        ("a, 1.jpg", {}),
    ]


def test_a_text_file_without_a_path_is_no_source_at_all(folder):
    (folder / "list.txt").write_text("\n \n")
    with pytest.raises(UsageError, match="Name pictures"):
        found("list.txt")


def test_a_list_on_standard_input_names_whatever_can_be_typed(folder):
    touch("f/1.jpg", "ü 顔.mp4")
    (folder / "list.csv").write_text("path,age\nb.jpg,3\n")
    typed = "f\n\nü 顔.mp4\r\n  \nmissing.jpg\nlist.csv\n-\nno final newline.png"
    assert found("-", stdin="\ufeff" + typed) == [
        Source(Path("f/1.jpg"), "f/1.jpg"),
        Source(Path("ü 顔.mp4"), "ü 顔.mp4"),
        Source(Path("missing.jpg"), "missing.jpg"),
        Source(Path("b.jpg"), "b.jpg", {"age": "3"}),
        Source(Path("-"), "-"),
        Source(Path("no final newline.png"), "no final newline.png"),
    ]


def test_everything_can_be_mixed_in_order(folder):
    touch("f/1.jpg", "z.mp4")
    (folder / "list.csv").write_text("path\nb.jpg\n")
    assert names("z.mp4", "list.csv", "-", "f", stdin="q.jpg\n") == ["z.mp4", "b.jpg", "q.jpg", "f/1.jpg"]


@pytest.mark.parametrize("typed", ["missing.jpg", "missing.csv", "*.jpg", "", "a\0b"])
def test_a_name_that_does_not_exist_is_refused_when_it_is_typed(typed):
    touch("a.jpg")
    with pytest.raises(UsageError, match="There is no picture, video, folder, table or list"):
        found("a.jpg", typed)


@pytest.mark.parametrize("inputs", [(), ("-",), ("f",), ("f", "-")])
def test_no_source_at_all_is_refused(inputs):
    touch("f/read.me")
    with pytest.raises(UsageError, match="Name pictures"):
        found(*inputs, stdin="\n\n")


def test_names_that_are_not_utf8_can_be_stored_and_their_files_still_open(folder):
    os.makedirs(b"f")
    with open(b"f/caf\xe9.jpg", "wb") as file:
        file.write(b"\xff\xd8\xff\xe0")
    stdin = io.TextIOWrapper(io.BytesIO(b"f/caf\xe9.jpg\nf/\xc3\xbc.mp4\n"), encoding="utf-8")
    for source in (found("f")[0], found(os.fsdecode(b"f/caf\xe9.jpg"))[0], find_sources(["-"], stdin)[0]):
        assert source.name == r"f/caf\xe9.jpg"
        assert source.name.encode()
        assert kind(source.path) == "picture"
        assert source.path.is_file()


def content(format):
    """The bytes of a small file of a format."""
    file = io.BytesIO()
    if format not in ("mp4", "mov", "avi", "matroska", "webm", "asf", "flv", "mpeg"):
        Image.new("RGB", (16, 16)).save(file, format=format)
        return file.getvalue()
    codec = {"webm": "libvpx", "flv": "flv1", "mpeg": "mpeg1video"}.get(format, "mpeg4")
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM"])
def test_a_picture_is_one_under_any_suffix(folder, format):
    (folder / "a.mp4").write_bytes(content(format))
    assert kind(folder / "a.mp4") == "picture"


@pytest.mark.parametrize("format", ["mp4", "mov", "avi", "matroska", "webm", "asf", "flv", "mpeg"])
def test_a_video_is_one_under_any_suffix(folder, format):
    (folder / "a.jpg").write_bytes(content(format))
    assert kind(folder / "a.jpg") == "video"


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif"])
def test_pictures_in_the_boxes_of_mp4_are_pictures(folder, brand):
    (folder / "a.mp4").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(16))
    assert kind(folder / "a.mp4") == "picture"


@pytest.mark.parametrize(
    ("name", "expected"), [("a.MP4", "video"), ("a.mkv", "video"), ("a.jpg", "picture"), ("a", "picture")]
)
@pytest.mark.parametrize("content", [b"", b"text"])
def test_where_content_says_nothing_the_suffix_does(folder, name, expected, content):
    (folder / name).write_bytes(content)
    assert kind(folder / name) == expected


def test_what_cannot_be_read_raises_an_os_error_and_is_not_waited_for(folder):
    os.mkfifo("pipe.mp4")
    os.mkdir("folder.jpg")
    for name in ("missing.jpg", "pipe.mp4", "folder.jpg", "a\0b", "n" * 300):
        with pytest.raises(OSError, match=r".") as raised:
            kind(folder / name)
        assert raised.value.strerror
