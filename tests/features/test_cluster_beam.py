"""Apache Beam does the tasks of a folder; skipped where it is not installed (requirements-beam.txt)."""

import importlib.util
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

from tests.features.test_cluster import MICRO, SECOND, assert_same, embed, listed, whole  # noqa: F401
from tfaffect.embed import main
from tfaffect.errors import UsageError
from tfaffect.features.cluster import beam, jobs, sharing
from tfaffect.features.cluster.beam import Worker, groups
from tfaffect.features.cluster.units import Task, Unit, tasks
from tfaffect.features.embedder import Embedder
from tfaffect.features.sample import Options
from tfaffect.features.source import Source

PROCESSES = ("direct_running_mode=multi_processing", "direct_num_workers=2")


def test_without_beam_the_error_says_what_to_install(embed, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setitem(__import__("sys").modules, "apache_beam", None)
    with pytest.raises(UsageError, match=r"--beam-runner needs apache_beam.*pip install -r requirements-beam\.txt"):
        embed(out=tmp_path / "out", beam_runner="FnApiRunner")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="apache-beam is not installed")
def test_two_processes_make_the_table_of_one_machine_and_resume_it(embed, whole, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"NAME=VALUE, without dashes. Received: '--direct_num_workers=2'"):
        embed(out=out, beam_runner="FnApiRunner", beam_options=("--direct_num_workers=2",))
    job = {"out": out, "beam_runner": "FnApiRunner", "beam_options": PROCESSES, "piece_minutes": SECOND}
    embed(**job)
    rows = sorted((out / "rows").iterdir())
    rows[1].unlink()
    kept = {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    with pytest.raises(UsageError, match="Add --resume"):
        embed(**job)
    embed(**job, resume=True)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    main((), merge=out)
    assert_same(tmp_path / "out.parquet", whole)


opened: list[str] = []


def open_embedder(model):
    opened.append(threading.current_thread().name)
    return Embedder(model)


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A worker as Beam sends it, and the tasks of eight pictures."""
    monkeypatch.setattr(beam, "_ready", {})
    opened.clear()
    names = [f"{number}.png" for number in range(8)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.full((48, 48, 3), 128, np.uint8))
    sources = [Source(tmp_path / name, name) for name in names]
    work, units = jobs.start(tmp_path / "out", sources, Embedder(MICRO), Options(), False, None, None)
    return Worker(replace(work, sources=()), partial(open_embedder, MICRO)), tasks(units)


def test_a_worker_opens_the_model_once_and_does_no_task_twice(started, tmp_path):
    """A group is done again on another worker when the first one was lost, and all threads of a process share it."""
    worker, of_folder = started
    sent = [(pickle.loads(pickle.dumps(worker)), [task]) for task in of_folder]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: pair[0](pair[1]), sent))
    assert len(opened) == 1
    rows = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "rows").iterdir()}
    assert len(rows) == 8
    worker(of_folder)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "rows").iterdir()} == rows
    assert len(opened) == 1


def test_a_worker_with_another_model_is_refused(started):
    worker, of_folder = started
    with pytest.raises(UsageError, match=r"Every worker needs the same model\. Expected: \w+\. Received: \w+\."):
        replace(worker, open_embedder=partial(open_embedder, "small"))(of_folder)


def test_after_ctrl_c_the_tasks_that_lack_are_counted(started, tmp_path, monkeypatch):
    worker, _ = started

    def interrupted(work, left, *others):
        pickle.loads(pickle.dumps(worker))(left[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(beam, "check", lambda given: None)
    monkeypatch.setattr(beam, "run", interrupted)
    how = sharing.Sharing(None, "FnApiRunner", (), None)
    sources = worker.work.folder.read_sources()
    shared = sharing.share(
        how, tmp_path / "out", sources, worker.open_embedder, Options(), False, None, False, lambda count: 1 / 0
    )
    assert (shared.counts.rows, shared.left, shared.is_complete) == (3, 5, False)


def test_many_tasks_are_few_groups_and_few_tasks_are_alone():
    many = [Task(Unit(number, number)) for number in range(1000)]
    assert groups(many[:3]) == [[task] for task in many[:3]]
    assert [len(group) for group in groups(many)] == [8] * 125
