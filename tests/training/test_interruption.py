import os
import signal
import threading

import pytest

from tfaffect.training.interruption import SIGNALS, stop_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_wish_and_the_second_an_end(number, capfd):
    before = [signal.getsignal(name) for name in SIGNALS]
    with stop_signals() as stop_requested:
        assert not stop_requested()
        os.kill(os.getpid(), number)
        assert stop_requested()
        assert "Once more stops at once" in capfd.readouterr().err
        assert [signal.getsignal(name) for name in SIGNALS] == before
    assert [signal.getsignal(name) for name in SIGNALS] == before


def test_without_a_signal_everything_is_as_it_was():
    before = [signal.getsignal(name) for name in SIGNALS]
    with stop_signals() as stop_requested:
        assert [signal.getsignal(name) for name in SIGNALS] != before
    assert not stop_requested()
    assert [signal.getsignal(name) for name in SIGNALS] == before


def test_several_processes_are_stopped_at_once():
    """One of them that waited for its step would let the others wait for it."""
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
