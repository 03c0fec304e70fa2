import math

import numpy as np
import pytest

from tfaffect.errors import UsageError
from tfaffect.features.smoothing import Smoother


def smoothed(time_constant, seconds, values, track=0):
    """The averages of one track, a row a frame."""
    smoother = Smoother(time_constant)
    return np.array([smoother.smooth(track, *frame) for frame in zip(seconds, values, strict=True)])


def test_the_first_value_is_its_own_average():
    np.testing.assert_array_equal(Smoother(0.5).smooth(3, 7.0, np.array([0.25, -1.0])), [0.25, -1.0])


def test_uneven_steps_by_hand():
    # tau = 1 / ln 2, so that half of the old value is left a second: after 1 s half, after 2 s a quarter, after 0.5 s
    # the root of a half.
    found = smoothed(1 / math.log(2), [10, 11, 13, 13.5], np.array([[8.0], [0.0], [12.0], [0.0]]))
    assert found[:, 0] == pytest.approx([8, 4, 10, 10 / math.sqrt(2)])


def test_a_step_is_followed_to_63_percent_after_the_time_constant_however_densely_it_is_sampled():
    for steps in (1, 3, 1000):
        times = np.concatenate([[0], np.linspace(0, 0.5, steps + 1)[1:]])
        found = smoothed(0.5, times, np.array([[0.0]] + [[1.0]] * steps))
        assert found[-1, 0] == pytest.approx(1 - 1 / math.e)


@pytest.mark.parametrize("step", [0.001, 0.04, 1.0])
def test_a_slope_lags_by_what_the_documentation_says(step):
    times = np.arange(0, 30, step)
    found = smoothed(0.5, times, times[:, None])
    assert times[-1] - found[-1, 0] == pytest.approx(step / math.expm1(step / 0.5))


def test_the_cut_off_frequency_comes_through_at_0_71():
    times = np.arange(0, 20, 0.001)
    wave = np.sin(times / 0.5)  # 1 / (2 pi tau) Hz
    found = smoothed(0.5, times, wave[:, None])[10_000:]
    assert found.max() == pytest.approx(math.sqrt(0.5), abs=0.002)


def test_probabilities_stay_a_distribution():
    rng = np.random.default_rng(0)
    values = rng.dirichlet(np.full(8, 0.2), 500).astype(np.float32)
    found = smoothed(0.3, np.cumsum(rng.exponential(0.1, 500)), values)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert np.abs(np.diff(found, axis=0)).sum() < np.abs(np.diff(values, axis=0)).sum() / 2


def test_what_comes_later_changes_nothing_before():
    times, values = np.arange(10) / 5, np.random.default_rng(0).random((10, 3))
    other = values.copy()
    other[6:] = 9
    np.testing.assert_array_equal(smoothed(0.5, times, values)[:6], smoothed(0.5, times, other)[:6])


@pytest.mark.parametrize("gap", [5, 10, 20, 49, 51, 1e6])
def test_after_a_long_gap_the_new_value_counts_almost_alone(gap):
    found = smoothed(1.0, [0, gap], np.array([[1.0], [3.0]]))
    assert found[1, 0] == pytest.approx(3 - 2 * math.exp(-gap), rel=1e-12)


def test_tracks_do_not_mix():
    smoother = Smoother(0.5)
    smoother.smooth(0, 0.0, np.array([1.0]))
    assert smoother.smooth(1, 0.1, np.array([5.0])) == [5]
    assert smoother.smooth(0, 0.1, np.array([1.0])) == [1]


def test_a_nan_stays_and_is_left_out_component_by_component():
    nan = math.nan
    found = smoothed(1 / math.log(2), [0, 1, 2], np.array([[8.0, nan, nan], [nan, 4.0, nan], [0.0, 0.0, nan]]))
    np.testing.assert_array_equal(np.isnan(found), [[False, True, True], [True, False, True], [False, False, True]])
    assert found[2, 0] == pytest.approx(2)  # two seconds after the 8
    assert found[[1, 2], 1] == pytest.approx([4, 2])  # one second after the 4


@pytest.mark.parametrize("later", [5.0, 4.0])
def test_at_a_time_that_does_not_grow_the_average_stands_still(later):
    found = smoothed(1 / math.log(2), [5, later, 6], np.array([[8.0], [0.0], [0.0]]))
    assert found[:, 0] == pytest.approx([8, 8, 4])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_floating_type_is_kept_and_the_input_is_not_touched(kind):
    smoother, values = Smoother(0.5), np.array([1, 2], kind)
    smoother.smooth(0, 0.0, values)
    found = smoother.smooth(0, 0.1, values + 1)
    assert found.dtype == kind
    found[:] = 77
    assert values.tolist() == [1, 2]
    assert smoother.smooth(0, 0.2, values).max() < 3


def test_an_endless_video_does_not_fill_the_memory():
    smoother = Smoother(0.1)
    for number in range(1000):
        smoother.smooth(number, number / 10, np.zeros(2))
    assert len(smoother._tracks) <= 51  # a track every time constant, forgotten after 50


def test_a_track_that_is_seen_is_not_forgotten():
    smoother = Smoother(1.0)
    for number in range(200):
        smoother.smooth(0, number, np.array([1.0]))
        smoother.smooth(number + 1, number, np.array([1.0]))
    assert smoother.smooth(0, 199.0, np.array([5.0])) == [1]  # of no weight at the same time
    assert len(smoother._tracks) <= 52  # and keeps no other in memory


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_time_constant_that_is_none_is_refused(value):
    with pytest.raises(UsageError, match=f"positive number of seconds.*Received: {value}"):
        Smoother(value)
