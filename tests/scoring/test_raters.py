"""The line that people reach: what another panel of raters would score."""

import numpy as np
import pytest

from tfaffect.scoring import raters


def test_raters_who_never_differ_always_agree():
    labels = np.eye(8)[[0, 1, 1, 3]]
    np.testing.assert_allclose(raters.agreement(labels, 10), 1, atol=0.02)


def test_what_is_not_annotated_has_no_agreement():
    shares = raters.agreement(np.concatenate([np.eye(8), np.zeros((1, 8))]), 10)
    assert np.isnan(shares).tolist() == [False] * 8 + [True]
    assert np.isnan(raters.agreement(np.zeros((2, 8)), 10)).all()


def test_of_two_classes_that_everybody_draws_by_a_coin_half_agree():
    votes = np.random.default_rng(0).multinomial(11, [0.5, 0.5, 0, 0, 0, 0, 0, 0], 2000)
    assert raters.agreement(votes / 11, 11).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_two_panels_that_draw_from_the_same_opinions(spread):
    rng = np.random.default_rng(1)
    opinions = rng.dirichlet(spread * np.array([0.5, 0.4, 0.12, 0.12, 0.05, 0.03, 0.1, 0.03]), 3000)
    first, second = rng.multinomial(10, opinions), rng.multinomial(10, opinions)
    really = (first.argmax(axis=1) == second.argmax(axis=1)).mean()
    said = raters.agreement(first / 10, 10)
    assert said.mean() == pytest.approx(really, abs=0.02)
    sure = first.max(axis=1) == 10
    assert said[sure].mean() > said[~sure].mean()


def test_the_same_seed_gives_the_same_line():
    labels = np.random.default_rng(0).dirichlet(np.ones(8), 50)
    np.testing.assert_array_equal(raters.agreement(labels, 10, seed=3), raters.agreement(labels, 10, seed=3))
