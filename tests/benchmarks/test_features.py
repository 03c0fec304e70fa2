"""The benchmark of frozen features, on features that are known by hand."""

import numpy as np
import pytest

from benchmarks.features import CLASSIFIERS, leakage, probe
from tfaffect.labels import CLASSES

PERSONS, EXPRESSIONS = (values.ravel() for values in np.mgrid[0:6, 0:8])


def one_hot(values):
    return np.eye(8)[values]


def noise(count):
    return np.random.default_rng(0).normal(0, 0.01, (count, 8))


def test_features_of_the_person_alone_are_always_closer():
    closer, person, expression = leakage(one_hot(PERSONS) + noise(48), EXPRESSIONS, PERSONS)
    assert (closer, person, expression) == (1, 1, 0)


def test_features_of_the_expression_alone_are_never_closer():
    closer, person, expression = leakage(one_hot(EXPRESSIONS) + noise(48), EXPRESSIONS, PERSONS)
    assert (closer, person, expression) == (0, 0, 1)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_probe_learns_what_the_features_know(kind):
    classes = np.repeat(np.arange(len(CLASSES)), 40)
    known = one_hot(classes) + noise(len(classes))
    assert probe((known, classes, classes), (known, classes, classes), kind, 10, draws=2) == [1, 1]
    unknown = np.random.default_rng(1).normal(size=(len(classes), 8))
    assert np.mean(probe((unknown, classes, classes), (known, classes, classes), kind, 10, draws=5)) < 0.4
