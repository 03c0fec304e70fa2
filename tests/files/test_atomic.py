import subprocess
import sys
import threading

import pytest

from tests import ROOT
from tfaffect.files import atomic


def write_half(manager):
    with manager as partial:
        (partial / "half" if partial.is_dir() else partial).write_text("ha")
        raise KeyboardInterrupt


def test_a_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic.write_file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_an_interrupted_file_leaves_the_old_one(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(atomic.write_file(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "stale").write_text("old")
    with atomic.write_folder(path) as new:
        (new / "fresh").write_text("new")
        assert (path / "stale").exists()
    assert [entry.name for entry in path.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "kept").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(atomic.write_folder(path))
    assert [entry.name for entry in path.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from tfaffect.files import atomic
with atomic.{kind}(Path(sys.argv[1])) as partial:
    (partial / "half" if partial.is_dir() else partial).write_text("ha")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["write_file", "write_folder"])
def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path, kind):
    path = tmp_path / "out"
    subprocess.run([sys.executable, "-c", KILLED.format(kind=kind), path], cwd=ROOT, check=False)
    assert [entry.name[:5] for entry in tmp_path.iterdir()] == [".out-"]
    with atomic.write_file(path) as partial:
        partial.write_text("whole")
        atomic.remove_unfinished(path)
        assert partial.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_folder_sweeps_for_itself(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED.format(kind="write_folder"), tmp_path / "out"], cwd=ROOT, check=False)
    with atomic.write_folder(tmp_path / "out"):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_writer_killed_between_the_two_renames_had_finished(tmp_path):
    (tmp_path / ".out-x" / atomic.REPLACED).mkdir(parents=True)
    (tmp_path / ".out-x" / "out").mkdir()
    (tmp_path / ".out-x" / "out" / "fresh").write_text("new")
    (tmp_path / ".out-x" / atomic.LOCK).touch()
    atomic.remove_unfinished(tmp_path / "out")
    assert (tmp_path / "out" / "fresh").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_one_process_at_a_time_and_no_lock_is_left(tmp_path):
    with atomic.locked(tmp_path / "table.csv"):
        with pytest.raises(BlockingIOError), atomic.locked(tmp_path / "table.csv"):
            pass
        with atomic.locked(tmp_path / "other.csv"):
            pass
    with atomic.locked(tmp_path / "table.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_a_lock_gets_it_when_it_is_free(tmp_path):
    entered = threading.Event()

    def work():
        with atomic.locked(tmp_path / "table.csv", wait=True):
            entered.set()

    waiting = threading.Thread(target=work)
    with atomic.locked(tmp_path / "table.csv"):
        waiting.start()
        assert not entered.wait(0.3)
    waiting.join(timeout=30)
    assert entered.is_set()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_beforehand(tmp_path):
    atomic.check_writable(tmp_path / "new" / "table.csv")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(OSError, match="File name too long"):
        atomic.check_writable(tmp_path / ("x" * 250))
