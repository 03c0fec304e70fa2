import threading
import time

import pytest

from tfaffect.features.ordered import ordered_map


def test_results_come_in_the_order_of_the_items_whichever_is_done_first():
    def work(number):
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    assert list(ordered_map(work, iter_of(20), workers=4, results_ahead=6)) == [number * number for number in range(20)]


def iter_of(count, drawn=None):
    for number in range(count):
        if drawn is not None:
            drawn.append(number)
        yield number


def test_few_items_are_drawn_ahead_of_a_slow_caller():
    drawn = []
    results = ordered_map(lambda number: number, iter_of(1000, drawn), workers=2, results_ahead=4)
    assert next(results) == 0
    time.sleep(0.2)
    assert len(drawn) <= 12
    results.close()


def test_few_items_wait_for_slow_work():
    """Pictures are large: what is drawn and not worked on must not pile up, however many results may wait."""
    drawn, free = [], threading.Event()
    results = ordered_map(lambda number: free.wait(10), iter_of(1000, drawn), workers=2, results_ahead=500)
    starter = threading.Thread(target=lambda: next(results))
    starter.start()
    time.sleep(0.2)
    assert len(drawn) <= 6
    free.set()
    starter.join()
    results.close()


@pytest.mark.parametrize("where", ["items", "work"])
def test_an_error_is_raised_at_its_place(where):
    def items():
        yield from range(3)
        if where == "items":
            raise KeyError("third")
        yield 3

    def work(number):
        if number == 3:
            raise KeyError("third")
        return number

    results = ordered_map(work, items(), workers=2, results_ahead=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="third"):
        next(results)


def test_a_caller_that_stops_early_leaves_no_thread_and_closes_the_items():
    closed = []

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.append(threading.current_thread())

    before = threading.active_count()
    results = ordered_map(lambda number: number, items(), workers=3, results_ahead=2)
    assert [next(results) for _ in range(5)] == list(range(5))
    results.close()
    assert len(closed) == 1
    assert closed[0] is not threading.current_thread()
    assert threading.active_count() == before
