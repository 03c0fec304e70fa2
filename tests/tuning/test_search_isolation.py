"""A call in a process of its own, with calls that take no time."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import cycle

import pytest

from tests import ROOT
from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.tuning import isolation, trial_records
from tfaffect.tuning.isolation import DiedError, FailedError, call, describe
from tfaffect.tuning.trial_records import Record
from tfaffect.tuning.trials import Trials


def add(one, other):
    print("adding")
    return one + other, os.getpid()


def fail(error):
    raise error


def kill_itself(number):
    os.kill(os.getpid(), number)


def wait_for_a_signal(path, number):
    """As training does: from its beginning on, the first signal is noted and further ones are ignored."""
    before = signal.signal(number, lambda *_: path.write_text("asked"))
    for _ in range(1500):
        if path.exists():
            signal.signal(number, before)
            time.sleep(1.5)  # another signal comes, from the parent that asks every second
            path.write_text("ended by itself")
            raise KeyboardInterrupt
        time.sleep(0.02)


def test_what_is_returned_comes_back_from_another_process_and_what_is_said_goes_to_the_log(tmp_path, capfd):
    total, process = call(add, (2, 3), tmp_path / "logs" / "log.txt")
    assert total == 5
    assert process != os.getpid()
    assert (tmp_path / "logs" / "log.txt").read_text() == "adding\n"
    assert capfd.readouterr().out == ""


def test_an_exception_is_one_line_here_and_all_of_it_in_the_log(tmp_path):
    with pytest.raises(FailedError, match=r"^ResourceWarning: OOM when allocating a tensor$"):
        call(fail, (ResourceWarning("\nOOM when allocating\ta tensor\n\nHint: and so on"),), tmp_path / "log.txt")
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    assert "Hint: and so on" in (tmp_path / "log.txt").read_text()
    assert describe(UsageError("The loss is nan.")) == "The loss is nan."
    assert describe(ValueError()) == "ValueError"
    assert len(describe(ValueError("x" * 1000))) < 320


def test_a_process_that_is_killed_ends_nothing_else(tmp_path):
    with pytest.raises(DiedError, match="killed by SIGKILL, perhaps for memory"):
        call(kill_itself, (signal.SIGKILL,), tmp_path / "log.txt")
    with pytest.raises(DiedError, match=r"killed by SIGABRT$"):
        call(kill_itself, (signal.SIGABRT,), tmp_path / "log.txt")


def test_a_wish_to_stop_reaches_the_process_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        call(wait_for_a_signal, (tmp_path / "asked", signal.SIGINT), tmp_path / "log.txt", stop_requested=lambda: True)
    assert (tmp_path / "asked").read_text() == "ended by itself"


def test_the_process_ends_with_its_parent(tmp_path):
    """The next search would train the same trial beside it."""
    code = "import sys; from pathlib import Path; from tests.tuning import test_search_isolation as tests\n"
    code += "tests.call(tests.write_for_ever, (Path(sys.argv[1]),), Path(sys.argv[1] + '.log'))"
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path / "pulse"], cwd=ROOT)
    while not (tmp_path / "pulse").exists():
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    time.sleep(0.3)
    before = (tmp_path / "pulse").stat().st_mtime_ns
    time.sleep(0.3)
    assert (tmp_path / "pulse").stat().st_mtime_ns == before


def write_for_ever(path):
    for _ in range(3000):
        path.write_text("alive")
        time.sleep(0.01)


@pytest.fixture
def dying(tmp_path, monkeypatch):
    """Trials whose training dies, each time after as many epochs as the list says."""
    left = []

    def die(function, job, *_):
        if not left:
            return {"status": "done", "score": 0.5, "best_epoch": 1, "epochs": 12}
        folder, epochs = job[1], left.pop(0)
        if epochs is not None:
            (folder / "checkpoint" / f"{epochs:06d}-000000000").mkdir(parents=True, exist_ok=True)
        raise DiedError("the process was killed by SIGKILL, perhaps for memory")

    monkeypatch.setattr(isolation, "call", die)
    return left, Trials(tmp_path, "selection")


def test_a_trial_that_dies_twice_without_getting_further_has_failed(dying, tmp_path):
    left, runs = dying
    left += [None, None, None]
    record = runs.run("0", Config(epochs=12))
    assert record.status == "failed"
    assert record.reason == (
        "the process was killed by SIGKILL, perhaps for memory, again without getting beyond epoch 0"
    )
    assert left == [None]
    assert runs.run("0", Config(epochs=12)) == record == trial_records.load(trial_records.record_path(tmp_path, "0"))


def test_a_trial_that_dies_but_gets_further_each_time_is_gone_on_with(dying):
    left, runs = dying
    left += [None, 1, 1, 3]  # begun at 0, 0, 1, 1: the fourth start began where the third did, and got further
    record = runs.run("0", Config(epochs=12))
    assert record.status == "done"
    assert left == []
    assert record.starts == ("", "", "000001-000000000", "000001-000000000", "000003-000000000")


def test_a_search_that_is_killed_goes_on_but_not_for_ever_with_the_same_trial():
    """Where the kernel kills parent and trial for memory, only the record tells; a user may kill more than once."""
    killed = Record(until=12, starts=("",) * 49, begun=5.0)
    assert not killed.is_stuck("")
    last = replace(killed, starts=("",) * 50)
    assert last.is_stuck("")
    assert not last.is_stuck("000001-000000000")
    assert not last.cancel_start(3.0).is_stuck("")  # Ctrl-C is no death
    assert last.cancel_start(3.0).seconds == 3.0


def test_a_clock_that_jumps_gives_no_trial_a_time_that_it_did_not_take(dying, monkeypatch, tmp_path):
    left, runs = dying
    left += [1]
    moments = cycle([4e9, 1.8e9, 0.0])  # each start begins later than what is looked at after it
    monkeypatch.setattr(time, "time", lambda: next(moments))
    record = runs.run("0", Config(epochs=12))
    assert record.status == "done"
    assert 0 <= record.seconds < 60


def test_records_of_before_are_read(tmp_path):
    (tmp_path / "0.json").write_text('{"status": "running", "starts": [""], "until": 3}')
    assert trial_records.load(tmp_path / "0.json") == Record(until=3, starts=("",))
