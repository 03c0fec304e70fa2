"""Apache Beam does the tasks of a folder; skipped where it is not installed (requirements-beam.txt)."""

import importlib.util

import pytest

from tests.features.test_cluster import SECOND, assert_same, embed, listed, whole  # noqa: F401
from tfaffect.embed import main
from tfaffect.errors import UsageError
from tfaffect.features.cluster.beam import groups
from tfaffect.features.cluster.units import Task, Unit

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


def test_many_tasks_are_few_groups_and_few_tasks_are_alone():
    tasks = [Task(Unit(number, number)) for number in range(1000)]
    assert groups(tasks[:3]) == [[task] for task in tasks[:3]]
    assert [len(group) for group in groups(tasks)] == [8] * 125
