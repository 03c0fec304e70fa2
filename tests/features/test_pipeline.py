"""From sources to rows, with a detector that sees one face in every frame and a network that says how bright it is."""

import threading
import time

import cv2
import numpy as np
import pytest

from tfaffect.contract import Contract
from tfaffect.features import pipeline
from tfaffect.features.pipeline import describe
from tfaffect.features.sample import Options
from tfaffect.features.sources import Source
from tfaffect.labels import HEADS
from tfaffect.media.detector import Detection
from tfaffect.runtimes.runtime import Outputs


class Brightness:
    """A network whose valence and embedding are the mean of the picture; it notes the size of every batch."""

    batch_size = 4

    def __init__(self, meet=None, fail=False):
        self.contract = Contract(input_size=16, trained=HEADS, corpora={})
        self.sizes, self.meet, self.fail = [], meet, fail

    def __call__(self, pictures):
        self.sizes.append(len(pictures))
        if self.fail:
            raise RuntimeError("the network failed")
        if self.meet:
            self.meet.wait(20)
        mean = pictures.mean((1, 2, 3), dtype=np.float32)
        return Outputs(np.full((len(mean), 8), 0.125, np.float32), mean, mean, np.tile(mean[:, None], 256))


class Everywhere:
    """A detector that takes every picture for a face; it notes how many it saw."""

    def __init__(self):
        self.seen = 0

    def __call__(self, picture, most):
        self.seen += 1
        return [Detection((0, 0, 48, 48), 1.0)] if picture.mean() > 5 else []


def film(path, count, rate=10):
    """Write a clip whose frame k is grey of value 10 k, up to 250."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (48, 48))
    for number in range(count):
        writer.write(np.full((48, 48, 3), min(10 * number, 250), np.uint8))
    writer.release()
    return [(0, Source(path, "clip"))]


def test_a_frame_that_stays_on_screen_is_looked_at_once_and_has_its_rows_at_every_time(tmp_path):
    network, detector = Brightness(), Everywhere()
    samples = list(describe(film(tmp_path / "clip.avi", 10), network, detector, Options(fps=25)))
    assert [sample.seconds for sample in samples] == [k / 25 for k in range(25)]
    assert detector.seen == 10
    assert sum(network.sizes) == 9  # frame 0 is dark: nobody is there
    rows = [row for sample in samples for row in sample.rows]
    assert [row.frame for row in rows] == [2 * k // 5 for k in range(25)]
    assert [row.seconds for row in rows] == [k / 25 for k in range(25)]
    assert [row.problem for row in rows[:4]] == ["no face", "no face", "no face", ""]
    assert [round(row.valence / 10) for row in rows[3:]] == [2 * k // 5 for k in range(3, 25)]
    assert {row.track for row in rows[3:]} == {0}


def test_a_filter_follows_a_frame_as_long_as_it_stays(tmp_path):
    clip = film(tmp_path / "clip.avi", 4)
    raw, smooth = (
        [row for sample in describe(clip, Brightness(), None, options) for row in sample.rows]
        for options in (Options(fps=20), Options(fps=20, smooth=0.1))
    )
    assert [row.frame for row in raw] == [0, 0, 1, 1, 2, 2, 3, 3]
    state = raw[0].valence
    for row, filtered in zip(raw, smooth, strict=True):
        state += (1 - np.exp(-0.05 / 0.1)) * (row.valence - state)
        assert filtered.valence == pytest.approx(state, abs=1e-4)


def test_a_picture_that_is_kept_is_there_at_every_time(tmp_path):
    samples = list(describe(film(tmp_path / "clip.avi", 4), Brightness(), Everywhere(), Options(fps=20), True))
    assert [round(sample.picture.mean() / 10) for sample in samples] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_two_batches_are_in_the_network_at_once_and_rows_stay_in_order(tmp_path):
    network = Brightness(meet=threading.Barrier(2))  # a batch that is alone waits for another, and fails in the end
    samples = list(describe(film(tmp_path / "clip.avi", 24), network, None, Options()))
    assert network.sizes == [4] * 6
    assert [round(sample.rows[0].valence / 10) for sample in samples] == list(range(24))


def test_few_pictures_wait_for_a_slow_caller(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "BYTES_AHEAD", 2 * 48 * 48 * 3)
    detector = Everywhere()
    samples = describe(film(tmp_path / "clip.avi", 200), Brightness(), detector, Options(), keep_pictures=True)
    next(samples)
    time.sleep(0.5)
    # of batches of 2: one with the caller, one ready, one that waits for its place, one being filled
    assert detector.seen <= 4 * 2 + 4 + 2 * pipeline.WORKERS + 2
    samples.close()


def test_an_error_of_the_network_reaches_the_caller_and_leaves_no_thread(tmp_path):
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the network failed"):
        list(describe(film(tmp_path / "clip.avi", 200), Brightness(fail=True), None, Options()))
    assert threading.active_count() == before


def test_a_caller_that_stops_early_leaves_no_thread(tmp_path):
    before = threading.active_count()
    samples = describe(film(tmp_path / "clip.avi", 200), Brightness(), Everywhere(), Options())
    assert [next(samples).frame for _ in range(5)] == list(range(5))
    samples.close()
    assert threading.active_count() == before
