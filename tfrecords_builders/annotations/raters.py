"""Several raters of one video: one trace of theirs, their votes, and how long they rated."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tfaffect.labels import CLASSES
from tfrecords_builders import traces
from tfrecords_builders.annotations import steps
from tfrecords_builders.annotations.agreement import Agreement
from tfrecords_builders.annotations.labels import Classes
from tfrecords_builders.annotations.rated_row import Labels
from tfrecords_builders.annotations.steps import Part, Steps
from tfrecords_builders.base import Note
from tfrecords_builders.traces import Trace

LONGER = Note("video longer than its ratings: its end has no labels")
SHORTER = Note("video shorter than its ratings: those after its end are left out")
MEAN_OF_SEGMENTS = Note("several raters gave segments or constants: plain mean, as --gold-standard is for traces")


class MixedRatersError(ValueError):
    """Some raters of a dimension gave ratings over time, and others segments or constants."""


def gold(raters: Sequence[Trace], gold_standard: str) -> Trace:
    """Return one trace of one or more raters. Raises MixedRatersError for raters of two kinds."""
    if len(raters) == 1:
        return raters[0]
    segmented = [rater for rater in raters if isinstance(rater, Steps)]
    if not segmented:
        combined = {"mean": traces.mean, "ccc_centred": traces.ccc_centred}[gold_standard](raters)
        windows = [(rater.start, rater.end) if isinstance(rater, Part) else (-np.inf, np.inf) for rater in raters]
        start, end = min(start for start, _ in windows), max(end for _, end in windows)
        return Part(combined.seconds, combined.values, combined.notes, start, end)
    if len(segmented) < len(raters):
        raise MixedRatersError
    mean = steps.mean(segmented)
    return mean if gold_standard == "mean" else Steps(mean.seconds, mean.values, (*mean.notes, MEAN_OF_SEGMENTS))


def votes(classes: Sequence[Classes], times: np.ndarray) -> np.ndarray:
    """Return the vote of each rater at some times, (times, raters, classes), NaN without one.

    A rater who gives several classes at a time has one vote, which they share.
    """
    given = np.zeros((len(times), len(classes), len(CLASSES)))
    for rater, by_class in enumerate(classes):
        for name, segments in by_class.items():
            given[:, rater, CLASSES.index(name)] = ~np.isnan(segments.at(times))
    total = given.sum(axis=2, keepdims=True)
    return np.divide(given, total, out=np.full_like(given, np.nan), where=total > 0)


def compare(agreement: Agreement, labels: Labels, times: np.ndarray) -> None:
    """Add the labels of several raters at some times to an agreement."""
    for dimension, raters in labels.affect.items():
        if len(raters) > 1:
            agreement.add(dimension, np.stack([trace.at(times) for trace in raters], axis=1))
    if len(labels.classes) > 1:
        agreement.add("class", votes(labels.classes, times))


def length_notes(
    affect: Mapping[str, Trace], classes: Sequence[Classes], seconds: float, delay: float, whole: bool
) -> Iterator[Note]:
    """Yield a note for a video that is longer or shorter than its ratings by more than their step and half a second.

    seconds: how long the video is. delay: by how much segments and constants were moved. whole: whether the ratings are
    meant to last until the end of the video.
    """
    segmented = [trace for trace in affect.values() if isinstance(trace, Steps)]
    segmented += [segments for rater in classes for segments in rater.values()]
    live = [trace for trace in affect.values() if trace and not isinstance(trace, Steps)]
    room = max([traces.GAP_SECONDS, *(trace.step for trace in live)])
    last = max((trace.seconds[-1] + trace.step / 2 for trace in live), default=seconds)
    if whole and last < seconds - room:
        yield LONGER
    if max([last, *(trace.seconds[-1] - delay for trace in segmented if trace)]) > seconds + room:
        yield SHORTER
