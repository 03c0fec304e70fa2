"""Several jobs fill one folder; merged, it is the table of one machine."""

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests import ROOT, clips
from tfaffect.embed import main
from tfaffect.errors import UsageError
from tfaffect.features.cluster import jobs
from tfaffect.features.cluster import units as cutting
from tfaffect.features.cluster.folder import Folder
from tfaffect.features.cluster.stores import Disk
from tfaffect.features.cluster.units import Task, Unit, parse_shard, tasks, units
from tfaffect.features.embedder import Embedder
from tfaffect.features.sample import Options
from tfaffect.features.source import Source
from tfrecords_builders.synthetic import Synthetic

MICRO = ROOT / "models" / "fer_plus_micro"
FLAGS = {"fps": 12.5, "smooth": 0.4, "smooth_embeddings": True, "window": 1.0, "hop": 0.5, "faces": "largest"}
"""25 frames a second at half the rate. One face of two is used: tracks still depend on both."""

SECOND = 1 / 60
"""The minutes of a piece of one second."""


def room(*placed):
    picture = np.full((240, 400, 3), 128, np.uint8)
    for face, left, side in placed:
        picture[20 : 20 + side, left : left + side] = cv2.resize(face, (side, side))
    return picture


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A labels.csv of pictures, videos of one and of four seconds, a broken video, half a video and a missing file.

    In the long video two people pass each other, the one in front turns away for half a second, and the picture stands
    still from second 1.8 to 2.4.
    """
    folder = tmp_path_factory.mktemp("corpus")
    first, second = (face.image() for face in list(Synthetic(subjects=2, pictures=2).faces(None))[::2])
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), room((first, 60 * number, 150))[..., ::-1])
    cv2.imwrite(str(folder / "empty.png"), room())
    clips.write(folder / "short.mp4", [room((second, 20 + 2 * number, 120)) for number in range(25)])
    frames = [room((second, 240 - 2 * number, 110), (first, 10 + 2 * number, 130)) for number in range(100)]
    frames[30:42] = [room((second, 240 - 2 * number, 110)) for number in range(30, 42)]
    stamps = [40 * number for number in range(100) if not 45 < number < 60]
    clips.write(folder / "long.mp4", [frames[stamp // 40] for stamp in stamps], stamps=stamps)
    (folder / "broken.mp4").write_bytes((folder / "long.mp4").read_bytes()[:900])
    cut = clips.write(folder / "cut.avi", frames[:80], codec="mjpeg", format="yuvj420p")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    names = ["0.png", "long.mp4", "broken.mp4", "1.png", "missing.mp4", "short.mp4", "empty.png", "cut.avi", "2.png"]
    lines = [f"{name},{number}" for number, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join(["path,level", *lines]) + "\n")
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def embed(listed, face_detector):
    return partial(main, (str(listed),), model=MICRO, face_detector=face_detector, **FLAGS)


@pytest.fixture(scope="module")
def whole(embed, tmp_path_factory):
    """The tables of one machine: rows and windows."""
    out = tmp_path_factory.mktemp("whole") / "faces.parquet"
    embed(out=out)
    return out


def tables_of(out):
    return [pd.read_parquet(path) for path in (out, out.with_suffix(".windows.parquet"))]


def assert_same(merged, whole):
    for found, expected in zip(tables_of(merged), tables_of(whole), strict=True):
        assert len(expected) > 8
        pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("shards", "piece_minutes"), [(3, None), (2, SECOND)])
def test_merged_shards_are_the_table_of_one_machine(embed, whole, tmp_path, shards, piece_minutes, capsys):
    out = tmp_path / "out"
    for number in range(shards, 0, -1):
        with pytest.raises(UsageError, match="no output folder" if number == shards else "is not complete"):
            main((), merge=out)
        embed(out=out, shard=f"{number}/{shards}", piece_minutes=piece_minutes)
    assert f"complete: python -m tfaffect embed --merge {out} makes one table of it" in capsys.readouterr().out
    main((), merge=out)
    assert_same(tmp_path / "out.parquet", whole)
    assert list((out / "pieces").glob("*")) == [] if piece_minutes else not (out / "pieces").exists()
    report = json.loads((out / "report.json").read_text())
    assert (report["sources"], report["unreadable"], report["rows"]) == (9, 3, len(tables_of(whole)[0]))
    folders = pd.concat([pd.read_parquet(out / "rows"), pd.read_parquet(out / "rows")]).drop_duplicates()
    assert len(folders) == report["rows"]  # the folder is a table for pandas


def test_both_tables_have_their_dictionary(embed, whole, tmp_path):
    embed(out=tmp_path / "out", shard="1/1")
    main((), merge=tmp_path / "out", out=tmp_path / "faces.csv")
    merged = json.loads((tmp_path / "faces.csv.columns.json").read_text())
    single = json.loads(whole.with_name("faces.parquet.columns.json").read_text())
    assert merged["columns"] == single["columns"]
    assert (merged["table"], merged["missing"]) == ("faces.csv", "an empty cell")
    assert merged["run"] == single["run"] | {"window_seconds": 1.0, "hop_seconds": 0.5, "piece_minutes": None}
    windows = json.loads((tmp_path / "out" / "windows.columns.json").read_text())
    assert windows["table"] == "windows/*.parquet"
    assert list(windows["columns"]) == list(pd.read_csv(tmp_path / "faces.windows.csv").columns)


def test_what_a_killed_job_left_is_done_and_nothing_else(embed, whole, tmp_path):
    out = tmp_path / "out"
    embed(out=out, shard="1/1", piece_minutes=SECOND)
    rows = sorted((out / "rows").iterdir())
    rows[1].unlink()  # of long.mp4, with all its pieces
    rows[5].unlink()
    left = out / "rows" / f".{rows[2].name}-ab12cd_9"  # by a kill between the rename and the removal
    left.mkdir()
    (left / ".writing").touch()
    before = {path: path.stat().st_mtime_ns for path in (out / "rows").glob("[0-9]*")}
    with pytest.raises(UsageError, match=r"has rows of shard 1/1. Add --resume"):
        embed(out=out, shard="1/1", piece_minutes=SECOND)
    with pytest.raises(UsageError, match=r"lacks the rows of the sources 2-2, 6-6\. Run the same jobs again"):
        main((), merge=out)
    embed(out=out, shard="1/1", piece_minutes=SECOND, resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not left.exists()
    main((), merge=out)
    assert_same(tmp_path / "out.parquet", whole)


def test_after_kill_9_the_same_command_makes_the_same_table(embed, whole, listed, face_detector, tmp_path):
    out = tmp_path / "out"
    words = [*("--fps", "12.5", "--smooth", "0.4", "--smooth-embeddings", "--window", "1", "--hop", "0.5")]
    words += ["--faces", "largest", "--model", MICRO, "--face-detector", face_detector, "--shard", "1/1", "--out", out]
    command = [sys.executable, "-m", "tfaffect", "embed", listed, *words, "--piece-minutes", str(SECOND)]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.PIPE)
    while process.poll() is None and not list((out / "rows").glob("0*")):
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 1 <= len(list((out / "rows").glob("0*"))) < 9
    embed(out=out, shard="1/1", piece_minutes=SECOND, resume=True)
    main((), merge=out)
    assert_same(tmp_path / "out.parquet", whole)
    names = {path.name for path in out.rglob("*") if path.is_file() and path.suffix != ".parquet"}
    assert names == {"columns.json", "windows.columns.json", "units.jsonl", "report.json"}


def test_a_video_is_finished_by_the_job_that_writes_its_last_piece(embed, whole, tmp_path, monkeypatch):
    """The job is killed after the last piece; the same command makes the rows of the pieces."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("tfaffect.features.cluster.work.read_video", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            embed(out=out, shard="1/1", piece_minutes=SECOND)
    assert len(list((out / "pieces").iterdir())) == 4
    embed(out=out, shard="1/1", piece_minutes=SECOND, resume=True)
    main((), merge=out)
    assert_same(tmp_path / "out.parquet", whole)


def test_a_job_that_was_killed_at_its_start_goes_on_and_no_other_takes_its_place(tmp_path, monkeypatch):
    """It has written the data dictionary and not the units. Units of other inputs must not get its name."""
    start = partial(jobs.start, tmp_path / "out", embedder=Embedder(MICRO), options=Options(), detect=False)
    start = partial(start, windows=None, piece_minutes=None)
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write_units", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start(named("a.png", "b.png"))
    with pytest.raises(UsageError, match="has rows of other inputs"):
        start(named("c.png"))
    assert Folder(tmp_path / "out").read_units() is None
    _, found = start(named("a.png", "b.png"))
    assert found == [Unit(0, 0), Unit(1, 1)] == Folder(tmp_path / "out").read_units()
    assert [source.name for source in Folder(tmp_path / "out").read_sources()] == ["a.png", "b.png"]


def test_the_job_that_writes_the_last_piece_finds_the_lock_free_or_the_video_written(embed, tmp_path, monkeypatch):
    """Another job writes the last piece while this one looks for it, and then asks for the lock."""
    out, names = tmp_path / "out", Disk.names
    held = []

    def other_job(self, folder):
        found = names(self, folder)
        if folder.name == "pieces" and 0 < len(found) < 4:
            held.append((out / ".000000001-000000001.pieces.lock").exists())
        return found

    monkeypatch.setattr(Disk, "names", other_job)
    embed(out=out, shard="1/1", piece_minutes=SECOND)
    assert len(held) >= 3
    assert not any(held)


def test_reading_a_folder_starts_no_thread_that_holds_its_files(embed, tmp_path):
    """A thread of Arrow that released an open file while Python ended aborted one job of fifty."""
    embed(out=tmp_path / "out", shard="1/1")
    code = "import sys; from pathlib import Path; from tfaffect.features.cluster import merging, report; "
    code += "from tfaffect.features.cluster.folder import Folder; out = Path(sys.argv[1]); folder = Folder(out); "
    code += "tasks = Path('/proc/self/task'); before = len(list(tasks.iterdir())); units = folder.read_units(); "
    code += "report.counts_of(folder, units); merging.merge(out, out / 'faces.parquet', False); "
    code += "print(len(list(tasks.iterdir())) - before)"
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "0\n"


def test_a_folder_of_other_flags_is_refused(embed, tmp_path):
    out = tmp_path / "out"
    embed(out=out, shard="1/2")
    with pytest.raises(UsageError, match=r"Name a new folder. Received: min_score was 0.6, is 0.7\."):
        embed(out=out, shard="2/2", min_score=0.7)
    with pytest.raises(UsageError, match=r"Received: model was \w+, is \w+\."):
        embed(out=out, shard="2/2", model=ROOT / "models" / "fer_plus_small")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(UsageError, match="is not empty, and no output of such a job"):
        embed(out=tmp_path / "other", shard="1/2")


def test_of_two_jobs_on_one_shard_one_works(embed, tmp_path):
    out = tmp_path / "out"
    with (
        Folder(out).lock("shard-1-of-2"),
        pytest.raises(UsageError, match=r"Another process does shard 1/2 of .*out"),
    ):
        embed(out=out, shard="1/2")
    assert not (out / "rows").exists()
    embed(out=out, shard="1/2")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"shard": "0/4"}, "I from 1 to N, such as 3/40. Received: '0/4'"),
        ({"shard": "5/4"}, "Received: '5/4'"),
        ({"shard": "1/2", "out": "faces.csv"}, "--out is a folder that all jobs share. Received: faces.csv"),
        ({"shard": "1/2", "elan": "annotations"}, "--shard and --beam-runner need --out FOLDER, and not"),
        ({"shard": "1/2", "beam_runner": "FnApiRunner"}, "choose one of them"),
        ({"shard": "1/2", "out": "https://h/out"}, "a disk, or one at gs:// or s3://. Received: https://h/out"),
        ({"shard": "1/2", "overwrite": True}, "--shard and --beam-runner need --out FOLDER, and not"),
        ({"piece_minutes": 5.0}, "--piece-minutes and --beam-options need --shard"),
        ({"shard": "1/2", "piece_minutes": 0.0}, "--piece-minutes must be more than 0. Received: 0.0"),
        ({"shard": "1/2", "window": -1.0, "hop": None}, "window must be more than 0 seconds"),
        ({"merge": "out"}, "--merge reads a folder with rows and no inputs"),
    ],
)
def test_wrong_flags_are_refused_before_any_work(embed, tmp_path, flags, expected, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = {"out": "out", **flags}
    flags |= {name: Path(flags[name]) for name in ("out", "elan", "merge") if name in flags}
    with pytest.raises(UsageError, match=expected):
        embed(**flags)
    assert list(tmp_path.iterdir()) == []


def named(*names):
    return [Source(ROOT / name, name) for name in names]


@pytest.mark.parametrize(("folder", "out"), [("out", "https://h/faces.parquet"), ("https://h/out", "faces.csv")])
def test_merging_from_or_to_the_web_is_refused(tmp_path, monkeypatch, folder, out):
    monkeypatch.chdir(tmp_path)
    expected = next(name for name in (folder, out) if "://" in name)
    with pytest.raises(UsageError, match=f"or one at gs:// or s3://. Received: {expected}"):
        main((), merge=Path(folder), out=Path(out))
    assert list(tmp_path.iterdir()) == []


def test_segments_of_one_video_are_videos_of_their_own_on_one_machine_and_in_jobs(listed, tmp_path):
    """The second segment follows the first in time, so nothing but the columns of the list tells them apart."""
    table = tmp_path / "segments.csv"
    table.write_text(f"path,from,to\n{listed.with_name('short.mp4')},0,0.5\n{listed.with_name('short.mp4')},0.6,1\n")
    run = partial(main, (str(table),), model=MICRO, detect=False, fps=10.0, window=4.0)
    run = partial(run, start_column="from", end_column="to")
    run(out=tmp_path / "whole.parquet")
    windows = tables_of(tmp_path / "whole.parquet")[1]
    assert windows[["from", "to", "frames"]].values.tolist() == [["0", "0.5", 5], ["0.6", "1", 4]]
    for number in (1, 2):
        run(out=tmp_path / "out", shard=f"{number}/2")
    main((), merge=tmp_path / "out")
    for found, expected in zip(tables_of(tmp_path / "out.parquet"), tables_of(tmp_path / "whole.parquet"), strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=0, atol=1e-6)


def test_few_sources_are_one_unit_each_and_many_share_units():
    videos = named(*(f"{number}.mp4" for number in range(10_000)))
    assert units(videos[:3], Options(), None) == [Unit(0, 0), Unit(1, 1), Unit(2, 2)]
    assert units(videos, Options(), None) == [*(Unit(first, min(first + 31, 9_999)) for first in range(0, 10_000, 32))]
    mixed = [*named("photo.jpg") * 6_000, *named("talk.mp4") * 2]
    last = units(mixed, Options(), None)[-3:]  # 6,128 / 100: 61 pictures; a video is more, and alone
    assert last == [Unit(5_978, 5_999), Unit(6_000, 6_000), Unit(6_001, 6_001)]


def test_cuts_divide_the_used_time_and_lie_between_sampled_times(monkeypatch):
    monkeypatch.setattr(cutting, "_duration", lambda path: 0 if path.suffix == ".png" else 100.0)
    whole, part, picture = Source(ROOT / "a.mp4", "a"), Source(ROOT / "b.mp4", "b", {}, 10.0, 40.0), *named("c.png")
    minute = cutting.cuts_of([whole, part, picture], Options(), 30.0)
    assert minute == [(25.0, 50.0, 75.0), (), ()]
    halves = cutting.cuts_of([part], Options(), 15.0)
    assert halves == [(25.0,)]
    at_rate = cutting.cuts_of([whole], Options(fps=2.0), 30.0)
    assert at_rate == [(24.75, 49.75, 74.75)]
    assert cutting.piece(part, (25.0,), 1) == Source(ROOT / "b.mp4", "b", {}, 25.0, 40.0)
    assert tasks([Unit(0, 3), Unit(4, 4, (25.0,))]) == [
        Task(Unit(0, 3)),
        Task(Unit(4, 4, (25.0,)), 0),
        Task(Unit(4, 4, (25.0,)), 1),
    ]
    assert parse_shard("3/40") == (3, 40)
