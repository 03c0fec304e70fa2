import os
import signal
import threading

import pytest

from tfaffect.training.interruption import SIGNALS, stop_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_stops_after_the_step_and_the_second_at_once(number, capfd):
    before = [signal.getsignal(name) for name in SIGNALS]
    with stop_signals() as stop_requested:
        assert not stop_requested()
        os.kill(os.getpid(), number)
        assert stop_requested()
        assert "A second signal stops at once" in capfd.readouterr().err
        assert [signal.getsignal(name) for name in SIGNALS] == before
    assert [signal.getsignal(name) for name in SIGNALS] == before


def test_without_a_signal_everything_is_as_it_was():
    before = [signal.getsignal(name) for name in SIGNALS]
    with stop_signals() as stop_requested:
        assert [signal.getsignal(name) for name in SIGNALS] != before
    assert not stop_requested()
    assert [signal.getsignal(name) for name in SIGNALS] == before


def test_several_processes_are_stopped_at_once():
    """If one of them finished its step first, the others would wait for it."""
    before = [signal.getsignal(name) for name in SIGNALS]
    with stop_signals(enabled=False) as stop_requested:
        assert [signal.getsignal(name) for name in SIGNALS] == before
    assert not stop_requested()


def test_another_thread_can_train_as_well():
    answers = []

    def train():
        with stop_signals() as stop_requested:
            answers.append(stop_requested())

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert answers == [False]
