import pytest

from tfaffect import whole


def write_half(manager):
    with manager as partial:
        (partial / "half" if partial.is_dir() else partial).write_text("ha")
        raise KeyboardInterrupt


def test_a_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole.file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_an_interrupted_file_leaves_the_old_one(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(whole.file(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "stale").write_text("old")
    with whole.folder(path) as new:
        (new / "fresh").write_text("new")
        assert (path / "stale").exists()
    assert [entry.name for entry in path.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "kept").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(whole.folder(path))
    assert [entry.name for entry in path.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [path]


def test_one_process_at_a_time_and_no_lock_is_left(tmp_path):
    with whole.alone(tmp_path / "table.csv"):
        with pytest.raises(BlockingIOError), whole.alone(tmp_path / "table.csv"):
            pass
        with whole.alone(tmp_path / "other.csv"):
            pass
    with whole.alone(tmp_path / "table.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_beforehand(tmp_path):
    whole.probe(tmp_path / "new" / "table.csv")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(OSError, match="File name too long"):
        whole.probe(tmp_path / ("x" * 250))
