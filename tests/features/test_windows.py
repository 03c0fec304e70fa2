import itertools
import math

import numpy as np
import pytest

from tfaffect.errors import UsageError
from tfaffect.features.windows import STATISTICS, describe, windows


def steady(count, rate=10, begin=0.0, track=0):
    """Frames of one track whose value is the frame's number."""
    return [(begin + number / rate, {track: np.array([number], np.float32)}) for number in range(count)]


def cut(frames, seconds, hop, size=1):
    return list(windows(frames, seconds, hop, size))


def begins(found):
    return [window.begin_seconds for window in found]


def statistic(window, name):
    return window.statistics[STATISTICS.index(name)].tolist()


def test_a_window_by_hand():
    frames = [(0.0, {3: np.array([1, 5])}), (0.5, {3: np.array([2, 5])}), (1.0, {}), (1.5, {3: np.array([6, 5])})]
    (window,) = cut(frames, 2, 2, size=2)
    assert (window.begin_seconds, window.end_seconds, window.track) == (0, 2, 3)
    assert (window.frames, window.faces, window.share) == (4, 3, 0.75)
    assert (window.statistics.shape, window.statistics.dtype) == ((5, 2), np.float32)
    assert statistic(window, "mean") == [3, 5]
    assert statistic(window, "deviation") == pytest.approx([math.sqrt((4 + 1 + 9) / 3), 0])
    # times from their mean -2/3, -1/6, 5/6; values from theirs -2, -1, 3: (4/3 + 1/6 + 5/2) / (4/9 + 1/36 + 25/36)
    assert statistic(window, "slope") == pytest.approx([4 / (42 / 36), 0])
    assert statistic(window, "minimum") == [1, 5]
    assert statistic(window, "maximum") == [6, 5]


def test_windows_overlap_and_hold_what_is_in_them_but_not_their_end():
    found = cut(steady(60), 4, 1)
    assert [(w.begin_seconds, w.end_seconds, w.frames) for w in found] == [(0, 4, 40), (1, 5, 40), (2, 6, 40)]
    assert [statistic(w, "minimum") + statistic(w, "maximum") for w in found] == [[0, 39], [10, 49], [20, 59]]
    assert [statistic(w, "slope") for w in found] == [pytest.approx([10])] * 3


@pytest.mark.parametrize(("count", "expected"), [(59, [0, 1]), (60, [0, 1, 2]), (61, [0, 1, 2]), (70, [0, 1, 2, 3])])
def test_only_windows_that_end_within_the_video_are_yielded(count, expected):
    assert begins(cut(steady(count), 4, 1)) == expected


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60])
def test_time_stamps_in_whole_milliseconds_do_not_cost_a_window(rate):
    for rounded in (math.floor, round):
        frames = [(rounded(1000 * number / rate) / 1000, {}) for number in range(10 * rate)]
        assert begins(cut(frames, 4, 2)) == [0, 2, 4, 6]


@pytest.mark.parametrize("count", [1, 2, 39])
def test_a_clip_shorter_than_a_window_gives_one_row(count):
    (window,) = cut(steady(count), 4, 1)
    assert (window.begin_seconds, window.end_seconds, window.frames) == (0, 4, count)


def test_a_video_without_frames_gives_none():
    assert cut([], 4, 1) == []


def test_windows_begin_at_the_multiple_of_the_hop_before_the_first_frame():
    assert begins(cut(steady(70, begin=1.4), 4, 1)) == [1, 2, 3, 4]  # it ends at 8.4
    assert begins(cut(steady(70, begin=2.9999999), 4, 1))[0] == 3
    assert begins(cut(steady(30, begin=-0.5), 2, 0.5)) == [-0.5, 0, 0.5]


def test_a_hop_beyond_the_window_leaves_frames_out():
    found = cut(steady(100), 2, 5)
    assert [(w.begin_seconds, w.end_seconds, w.frames) for w in found] == [(0, 2, 20), (5, 7, 20)]
    assert [statistic(w, "mean") for w in found] == [[9.5], [59.5]]


def test_fractions_of_a_second_put_every_frame_where_it_belongs():
    found = cut(steady(1000), 0.1, 0.1)
    assert [w.frames for w in found] == [1] * 1000
    assert begins(found) == [number / 10 for number in range(1000)]
    assert [w.end_seconds for w in found] == [number / 10 for number in range(1, 1001)]
    assert [statistic(w, "mean")[0] for w in found] == list(range(1000))
    assert [w.frames for w in cut(steady(1000), 0.2, 0.1)] == [2] * 999


def test_every_track_has_its_window_in_order_and_a_window_without_a_face_has_one_too():
    here, there = np.array([1.0]), np.array([2.0])
    frames = [(0.0, {7: here}), (0.5, {7: here, 2: there}), (1.0, {}), (1.5, {}), (2.0, {2: there}), (2.5, {})]
    found = cut(frames, 1, 1)
    assert [(w.begin_seconds, w.track, w.frames, w.faces) for w in found] == [
        (0, 2, 2, 1),
        (0, 7, 2, 2),
        (1, None, 2, 0),
        (2, 2, 2, 1),
    ]
    assert [w.share for w in found] == [0.5, 1, 0, 0.5]
    assert found[2].statistics.shape == (5, 1)
    assert np.isnan(found[2].statistics).all()


def test_a_pause_in_the_video_keeps_the_series_regular():
    found = cut([*steady(10), *steady(10, begin=3.0)], 1, 1)
    assert [(w.begin_seconds, w.track, w.frames, w.share) for w in found] == [
        (0, 0, 10, 1),
        (1, None, 0, 0),
        (2, None, 0, 0),
        (3, 0, 10, 1),
    ]


def test_nan_is_left_out_component_by_component():
    nan = math.nan
    values = np.array([[1, nan, nan], [nan, 4, nan], [3, nan, nan]], np.float32)
    found = describe(np.array([0.0, 1.0, 2.0]), values)
    expected = [[2, 4, nan], [1, 0, nan], [1, nan, nan], [1, 4, nan], [3, 4, nan]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isnan(values).sum() == 6  # the caller's array is as it was


def test_one_frame_has_no_slope_and_no_deviation():
    found = describe(np.array([5.0]), np.array([[0.5]]))
    np.testing.assert_array_equal(found[:, 0], [0.5, 0, np.nan, 0.5, 0.5])


def test_frames_at_one_time_all_count_and_have_no_slope():
    frames = [(0.3, {0: np.array([value, math.nan])}) for value in (1.0, 2.0, 3.0)]
    (window,) = cut(frames, 1, 1, size=2)
    assert (window.frames, window.faces) == (3, 3)
    assert statistic(window, "mean") == [2, pytest.approx(math.nan, nan_ok=True)]
    assert np.isnan(statistic(window, "slope")).all()
    later = describe(np.array([0, 0.1, 0.1, 0.1]), np.array([[math.nan], [1], [2], [3]]))
    assert np.isnan(later[STATISTICS.index("slope")])


def test_a_time_that_falls_counts_as_the_time_before_it():
    frames = [(0.0, {}), (0.9, {0: np.array([1])}), (0.2, {0: np.array([3])}), (1.0, {0: np.array([9])}), (1.9, {})]
    found = cut(frames, 1, 1)
    assert [(w.begin_seconds, w.frames, w.faces) for w in found] == [(0, 3, 2), (1, 2, 1)]
    assert np.isnan(statistic(found[0], "slope"))  # both at 0.9 s


def test_repeated_time_stamps_do_not_shorten_the_video():
    frames = [(number // 2 / 10, {}) for number in range(40)]
    assert begins(cut(frames, 1, 1)) == [0, 1]


def test_statistics_keep_their_digits_late_and_far_from_zero():
    rng = np.random.default_rng(0)
    late, small = 1.7e9 + np.arange(100) / 25, rng.normal(size=(100, 1)) * 1e-3
    found = describe(late, small + 1000)
    slope = np.polyfit(np.arange(100) / 25, small[:, 0], 1)[0]
    assert found[STATISTICS.index("slope"), 0] == pytest.approx(slope, rel=1e-5)
    assert found[STATISTICS.index("deviation"), 0] == pytest.approx(small.std(), rel=1e-5)


def test_random_gaps_agree_with_a_plain_loop():
    rng = np.random.default_rng(1)
    times, values = np.cumsum(rng.exponential(0.1, 80)), rng.normal(size=(80, 6))
    values[rng.random(values.shape) < 0.5] = np.nan
    found = describe(times, values)
    for column, (mean, deviation, slope, minimum, maximum) in zip(values.T, found.T, strict=True):
        known = column[~np.isnan(column)]
        assert [mean, deviation] == pytest.approx([known.mean(), known.std()], rel=1e-5)
        assert slope == pytest.approx(np.polyfit(times[~np.isnan(column)], known, 1)[0], rel=1e-4)
        assert [minimum, maximum] == pytest.approx([known.min(), known.max()])


def test_windows_come_while_the_video_still_runs_and_old_frames_are_dropped():
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield number / 10, {0: np.array([number])}

    running = windows(endless(), 2, 1, size=1)
    assert next(running).end_seconds == 2
    assert len(taken) == 21
    for _ in range(50):
        next(running)
    assert len(running.gi_frame.f_locals["buffer"]) <= 20


@pytest.mark.parametrize("value", [0, -4, math.nan, math.inf])
def test_lengths_that_are_none_are_refused_at_once(value):
    with pytest.raises(UsageError, match=f"The window must be.*Received: {value}"):
        windows([], value, 1)
    with pytest.raises(UsageError, match=f"The hop must be.*Received: {value}"):
        windows([], 4, value)


def test_faces_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"Received: \(1,\), size=266"):
        list(windows(steady(5), 4, 1))
