"""Pieces of a long video on disk: the memory to join them does not grow with their number."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tfaffect.features.cluster.pieces import read_video, write_piece
from tfaffect.features.row import Row
from tfaffect.features.sample import Options, Sample
from tfaffect.features.source import Source
from tfaffect.media.detector import Detection

SOURCE = Source(Path("talk.mp4"), "talk.mp4")
FRAMES = 1500
"""Frames of a piece: more than LINES."""


def samples(piece):
    for number in range(piece * FRAMES, (piece + 1) * FRAMES):
        sample = Sample(0, SOURCE, None, number, number / 25)
        sample.size = (480, 640)
        sample.detections = [Detection((10.0, 20.0, 110.0, 120.0), 0.9, ((1.0, 2.0),) * 5)]
        sample.rows = [Row("talk.mp4", number, number / 25, face=0, embedding=np.zeros(256, np.float32))]
        yield sample


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    paths = [folder / f"{piece}.arrow" for piece in range(4)]
    for piece, path in enumerate(paths):
        write_piece(path, samples(piece))
    return paths


def peak(paths):
    tracemalloc.start()
    frames = [sample.frame for sample in read_video(paths, SOURCE, Options(), lambda path: path.open("rb"))]
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frames == list(range(len(paths) * FRAMES))
    return highest


def test_four_pieces_need_no_more_memory_than_one(pieces):
    peak(pieces[:1])  # imports
    assert peak(pieces) < 1.1 * peak(pieces[:1])
