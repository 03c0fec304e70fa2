"""Label files of every corpus, damaged at random: clear errors or counted skips, nothing else, and nothing outside."""

import warnings
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.test_corpora import CORPORA, LAYOUTS
from tests.mutations import LONG, briefly_and, changes
from tfaffect.errors import UsageError
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.prepare import assign_splits, read_annotations

MEDIA = {".png", ".jpg", ".jpeg", ".avi", ".flv", ".mp4", ".wav", ".mpg"}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """The raw tree of each layout, written once, and the label files in it."""
    written = {}

    def tree(name, write):
        if (name, write) not in written:
            raw = tmp_path_factory.mktemp(name)
            write(raw)
            labels = sorted(path for path in raw.rglob("*") if path.is_file() and path.suffix.lower() not in MEDIA)
            written[name, write] = raw, labels
        return written[name, write]

    return tree


def damaged_labels_are_survived(name, raw, labels, place, damage):
    path = labels[place % len(labels)]
    whole = path.read_bytes()
    counts = BuildCounts()
    try:
        path.write_bytes(damage(whole))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with suppress(UsageError):
                if faces := read_annotations(CORPORA[name](), raw, counts):
                    assign_splits(CORPORA[name](), faces, counts, keep_twins=False)
    finally:
        path.write_bytes(whole)


@briefly_and(LONG)
@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_damaged_labels_cost_a_clear_error_or_some_faces(name, write, thoroughness, trees):
    raw, labels = trees(name, write)
    if not labels:
        pytest.skip("this layout has its labels in the names of its files")
    check = given(place=st.integers(0, 10**6), damage=changes())(
        lambda place, damage: damaged_labels_are_survived(name, raw, labels, place, damage)
    )
    thoroughness(check)()
