"""Inputs and outputs of `embed` at addresses, against servers on this machine: S3 of the package moto, and the web."""

import csv
import io
import logging
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import av
import cv2
import numpy as np
import openpyxl
import pyarrow.parquet as pq
import pytest

from tests import clips
from tfaffect import embed
from tfaffect.embed import Embedder
from tfaffect.errors import UsageError
from tfaffect.features.sources import Search, find_sources
from tfaffect.files import connection, remote
from tfaffect.files.paths import printable
from tfaffect.media import video

MODEL = "fer_plus_micro"
BLOCK_BYTES = 8192
"""Small blocks, so that a small video has 44 of them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures, a video of 3 seconds with its index at the end, and a table of them."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for name in ("face10.jpg", "face2.png"):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (64, 64, 3), np.uint8))
    noise = rng.integers(0, 256, (5, 48, 64, 3), np.uint8)
    options = {"preset": "ultrafast", "qp": "20", "g": "25"}
    clips.write(folder / "noise.mp4", [noise[number % 5] for number in range(75)], options=options)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "no.jpg").write_bytes(b"")
    (folder / "labels.csv").write_text("path;mood;from\nface2.png;gut;\nnoise.mp4;schön;2.8\nmissing.jpg;;\n")
    return folder


@pytest.fixture(scope="module")
def bucket(folder):
    """Yield a client of a server of S3 on this machine, with the files of `folder` in s3://bucket/clips/."""
    pytest.importorskip("flask", reason="needs requirements-dev.txt")
    server = pytest.importorskip("moto.server", reason="needs requirements-dev.txt")
    s3fs = pytest.importorskip("s3fs", reason="needs requirements-storage.txt")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = moto.get_host_and_port()
        urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # servers of one process share their buckets
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        s3fs.S3FileSystem.clear_instance_cache()
        client = s3fs.S3FileSystem()
        client.mkdir("bucket")
        for path in filter(Path.is_file, folder.rglob("*")):
            client.put_file(str(path), f"bucket/clips/{path.relative_to(folder).as_posix()}")
        yield client
        s3fs.S3FileSystem.clear_instance_cache()
    moto.stop()


class PartsHandler(SimpleHTTPRequestHandler):
    """Python's handler, which sends whole files only, with parts of files as the web's servers send them."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path, asked = Path(self.translate_path(self.path)), self.headers.get("Range")
        self.server.asked.append(asked)
        if not (self.server.parts and asked and path.is_file()):
            super().do_GET()
            return
        size = path.stat().st_size
        first, last = asked.removeprefix("bytes=").split("-")
        content = path.read_bytes()[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(content) - 1}/{size}")
        self.send_header("Content-Length", len(content))
        self.end_headers()
        self.server.sent += len(content)
        self.wfile.write(content[:10] if len(self.server.asked) in self.server.broken else content)

    def copyfile(self, source, target):
        try:
            super().copyfile(source, target)
        except ConnectionError:  # the client has enough
            self.close_connection = True


@contextmanager
def serving(folder, parts=True, broken=()):
    """Yield the address of a folder, and its server. The requests with the numbers `broken` break after ten bytes."""
    pytest.importorskip("aiohttp", reason="needs requirements-storage.txt")
    pytest.importorskip("fsspec", reason="needs requirements-storage.txt")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(PartsHandler, directory=str(folder))) as server:
        server.asked, server.sent, server.parts, server.broken = [], 0, parts, broken
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server
        finally:
            server.shutdown()


def names(address, **search):
    return [source.name for source in find_sources([address], io.StringIO(), Search(**search))]


def test_a_table_from_a_bucket_into_a_bucket_equals_the_one_on_this_machine(bucket, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    how = {"model": MODEL, "detect": False, "start_column": "from", "window": 0.1, "batch_size": 1}
    embed.main((str(folder / "labels.csv"),), tmp_path / "rows.parquet", **how)
    embed.main(("s3://bucket/clips/labels.csv",), Path("s3://bucket/out/rows.parquet"), **how)
    for name in ("rows.parquet", "rows.windows.parquet"):
        for file in (name, f"{name}.columns.json"):
            assert bucket.cat_file(f"bucket/out/{file}") == (tmp_path / file).read_bytes()
    rows = pq.read_table(tmp_path / "rows.parquet").select(["path", "seconds", "mood", "problem"]).to_pylist()
    assert [(row["path"], row["seconds"], row["mood"]) for row in rows] == [
        ("face2.png", None, "gut"),
        *(("noise.mp4", pytest.approx(2.8 + number / 25), "schön") for number in range(5)),
        ("missing.jpg", None, ""),
    ]
    assert not list((tmp_path / "cache").rglob("*.parquet")), "nothing stays on this machine"
    assert len(bucket.find("bucket/out")) == 4, "nothing but the tables and their dictionaries is in the bucket"


def test_an_output_in_a_bucket_is_not_replaced_without_permission(bucket, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("rows.csv", "rows.windows.csv"):
        bucket.pipe_file(f"bucket/earlier/{name}", b"old")
    inputs, out = (str(folder / "face2.png"),), Path("s3://bucket/earlier/rows.csv")
    with pytest.raises(UsageError, match=r"s3://bucket/earlier/rows.csv exists already\. .*--overwrite"):
        embed.main(inputs, out, model=MODEL, detect=False)
    with pytest.raises(UsageError, match=r"s3://bucket/earlier/rows.csv is complete"):
        embed.main(inputs, out, model=MODEL, detect=False, resume=True)
    with pytest.raises(UsageError, match=r"s3://none/rows.csv cannot be written: there is no such bucket"):
        embed.main(inputs, Path("s3://none/rows.csv"), model=MODEL, detect=False)
    with pytest.raises(UsageError, match=r"s3://bucket/clips/labels.csv is an input"):
        embed.main(("s3://bucket/clips/labels.csv",), Path("s3:/bucket/clips/labels.csv"), model=MODEL, overwrite=True)
    embed.main(inputs, out, model=MODEL, detect=False, overwrite=True)
    found = sorted(name.rpartition("/")[2] for name in bucket.find("bucket/earlier"))
    assert found == ["rows.csv", "rows.csv.columns.json"], "the windows were those of the earlier run"
    assert len(list(csv.reader(io.StringIO(bucket.cat_file("bucket/earlier/rows.csv").decode())))) == 2


def test_a_folder_in_a_bucket_is_listed_like_one_on_this_machine(bucket, folder):
    addresses = [f"s3://bucket/clips/{Path(name).name}" for name in names(str(folder))]
    assert addresses[0] == "s3://bucket/clips/face2.png", "before face10.jpg"
    search = Search()
    assert [source.name for source in find_sources(["s3://bucket/clips/"], io.StringIO(), search)] == addresses
    assert search.passed_over == {".csv": 1}
    assert names("s3://bucket/clips") == addresses
    rows = list(Embedder(MODEL).rows("s3://bucket/clips/", detect=False, end=0.1))
    assert [row.source for row in rows] == [*addresses[:2], *[addresses[2]] * 3]
    with pytest.raises(UsageError, match="--sequence-fps reads folders of this machine only"):
        names("s3://bucket/clips/", sequences=True)


def test_what_is_not_in_a_bucket_is_said_at_once(bucket, monkeypatch):
    for address in ("s3://bucket/no.jpg", "s3://bucket/no/", "s3://none/a.jpg"):
        with pytest.raises(UsageError, match=rf"There is no picture, .* at '{address}'"):
            names(address)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    type(bucket).clear_instance_cache()
    with pytest.raises(UsageError, match=r"s3://bucket/clips/face2.png cannot be read: NoCredentialsError"):
        names("s3://bucket/clips/face2.png")
    type(bucket).clear_instance_cache()


def test_the_web_lists_and_sends_pictures_tables_and_videos(folder, tmp_path, small_blocks):
    book = openpyxl.Workbook()
    for row in (["path", "mood"], [str(folder / "face2.png"), "gut"]):
        book.active.append(row)
    book.save(tmp_path / "table.xlsx")
    with serving(folder) as (url, _), serving(tmp_path) as (tables, _):
        found = [f"{url}/{name}" for name in ("face2.png", "face10.jpg", "noise.mp4")]
        assert names(f"{url}/") == found
        (tmp_path / "list.txt").write_text("\n".join(found))
        assert names(f"{tables}/list.txt") == names(str(tmp_path / "list.txt")) == found
        (row,) = find_sources([f"{tables}/table.xlsx?key=3"], io.StringIO())
        assert (row.path, row.carried) == (folder / "face2.png", {"mood": "gut"})
        (row,) = Embedder(MODEL).rows(f"{url}/face10.jpg?signature=a/b.c", detect=False)
        (ours,) = Embedder(MODEL).rows(folder / "face10.jpg", detect=False)
        assert np.array_equal(row.embedding, ours.embedding)
        with pytest.raises(UsageError, match="can be written to gs:// and s3://, not to the web"):
            embed.main((f"{url}/face2.png",), Path(f"{url}/rows.csv"), model=MODEL, detect=False)
    with pytest.raises(UsageError, match="cannot be read: ClientConnectorError"):
        names(f"{url}/face2.png")  # the server has ended


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(remote, "BLOCK_BYTES", BLOCK_BYTES)
    monkeypatch.setattr(connection, "PAUSE_SECONDS", 0.01)


def seen(path, **how):
    return [(frame.number, frame.seconds, frame.picture.tobytes()) for frame in video.sample_frames(path, **how)]


@pytest.mark.parametrize(
    ("how", "frames", "share"), [({}, 75, 1.2), ({"end": 0.4}, 10, 0.4), ({"start": 1.0, "end": 1.4}, 10, 0.7)]
)
def test_a_video_is_read_in_blocks_as_far_as_it_is_needed(folder, small_blocks, how, frames, share):
    with serving(folder) as (url, server):
        found = seen(remote.to_path(f"{url}/noise.mp4"), **how)
    assert found == seen(folder / "noise.mp4", **how)
    assert len(found) == frames
    assert server.sent <= share * (folder / "noise.mp4").stat().st_size


def test_a_connection_that_breaks_is_made_again(folder, small_blocks):
    with serving(folder, broken={4, 5, 20}) as (url, server):
        assert seen(remote.to_path(f"{url}/noise.mp4")) == seen(folder / "noise.mp4")
    assert len(server.asked) > 20


def test_a_connection_that_stays_broken_becomes_a_row_after_those_before(folder, small_blocks):
    with serving(folder, broken=range(20, 999)) as (url, server):
        *rows, last = Embedder(MODEL).rows(f"{url}/noise.mp4", detect=False)
    assert len(server.asked) == 19 + connection.ATTEMPTS
    assert 10 < len(rows) < 60
    assert {row.problem for row in rows} == {""}
    assert last.problem.startswith(f"unreadable: {url}/noise.mp4 cannot be read: ClientPayloadError: ")


def test_a_server_without_parts_of_files_sends_no_video(folder, small_blocks):
    with serving(folder, parts=False) as (url, _):
        (row,) = Embedder(MODEL).rows(f"{url}/noise.mp4", detect=False)
        (picture,) = Embedder(MODEL).rows(f"{url}/face2.png", detect=False)
    assert row.problem.endswith("The server does not send parts of files. Download the file, and name the copy.")
    assert picture.problem == ""


def test_annotated_copies_and_links_of_remote_videos(folder, tmp_path, small_blocks):
    (tmp_path / "in").mkdir()
    clip = clips.write_with_sound(tmp_path / "in" / "talk.mp4")
    with serving(clip.parent) as (url, _):
        out, elan = tmp_path / "out" / "rows.csv", tmp_path / "elan"
        embed.main((f"{url}/talk.mp4",), out, model=MODEL, detect=False, annotate=tmp_path / "drawn", elan=elan)
        with pytest.raises(UsageError, match=r"--annotate writes to this machine only. Received: s3://bucket/drawn"):
            embed.main((str(clip),), out, model=MODEL, detect=False, annotate=Path("s3://bucket/drawn"))
    assert video.duration(tmp_path / "drawn" / "talk.mp4") == pytest.approx(2, abs=0.1)
    with av.open(str(tmp_path / "drawn" / "talk.mp4")) as copy:
        assert copy.streams.audio
    assert f'MEDIA_URL="{url}/talk.mp4"' in (elan / "talk.eaf").read_text()


@pytest.mark.parametrize(
    ("name", "missing"), [("s3://b/a.jpg", "s3fs"), ("gs://b/a.jpg", "gcsfs"), ("https://h/a.jpg", "aiohttp")]
)
def test_without_the_extra_the_error_names_it(name, missing, monkeypatch):
    monkeypatch.setattr(remote, "find_spec", lambda package: None if package == missing else True)
    extra = r'needs MISSING, which is not installed\. Install the extra: pip install "tfaffect\[storage\]"'
    with pytest.raises(UsageError, match=extra.replace("MISSING", missing)):
        find_sources([name], io.StringIO())


def test_an_address_survives_in_a_path(monkeypatch):
    monkeypatch.setattr(remote, "find_spec", lambda package: True)
    for name in ("s3://b/x y/ä.jpg", "gs://b/a.mp4", "https://h:80/a.mp4?key=1%2F/2", "http://h/"):
        path = remote.to_path(name)
        assert remote.address(path) == printable(path) == name.rstrip("/")
    for name in ("/tmp/s3:/a", "C:/a.jpg", "photo.jpg", "10:30.mp4", "ftp://h/a.jpg"):
        assert remote.address(name) is None
    folder = remote.to_path("s3://b/lists/new/")
    joined = {"a/b.jpg": "s3://b/lists/new/a/b.jpg", "../a.jpg": "s3://b/lists/a.jpg", "gs://c/d.jpg": "gs://c/d.jpg"}
    assert {name: remote.address(remote.join(folder, name)) for name in joined} == joined
    assert remote.join(folder, "/data/a.jpg") == Path("/data/a.jpg")
    assert remote.address(remote.join(Path("/data"), "s3://b/a.jpg")) == "s3://b/a.jpg"
    for name in ("s3://b//a.jpg", "https://h/a/./b.jpg"):
        with pytest.raises(UsageError, match=f"empty part or a dot cannot be read: rename them. Received: {name}"):
            remote.to_path(name)
    with pytest.raises(UsageError, match="https://h was given with a user or a password") as error:
        remote.to_path("https://me:secret@h/a.jpg")
    assert "secret" not in str(error.value)
