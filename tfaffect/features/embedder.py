"""The network and the face detector together, for programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.features import pipeline
from tfaffect.features.pipeline import Options, Sample
from tfaffect.features.row import Row
from tfaffect.features.sources import Source, find_sources
from tfaffect.media.detector import SIDES, FaceDetector, find_weights
from tfaffect.media.faces import letterbox
from tfaffect.runtimes.opening import open_model
from tfaffect.runtimes.runtime import Outputs
from tfaffect.runtimes.shipped import default_model

LARGEST_SIDE = 4096
"""Longest side in pixels at which pictures are searched at most: memory grows with its square."""


class Embedder:
    """Affect features of faces: 256 numbers each, with class probabilities, valence and arousal.

        embedder = Embedder("exports/model.tflite")
        outputs = embedder(crops)                      # arrays of face crops
        for row in embedder.rows("interview.mp4"): ... # faces found in a picture or a video

    Safe to use from several threads at once. `contract` says what the network was trained on and how well it does.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        face_detector: str | Path | None = None,
        detect_side: int = SIDES[0],
        batch_size: int | None = None,
    ) -> None:
        """Open the model: a run folder, `.keras`, SavedModel, `.tflite` or `.onnx` with its model.json.

        model: None for the best of those that come with the project. face_detector: weights of YuNet; otherwise what
        TFAFFECT_FACE_DETECTOR names, otherwise downloaded once, when first needed. detect_side: longest side in pixels
        at which pictures are searched for faces; more finds smaller faces in large pictures, for more time. batch_size:
        faces that go through the network at once; by default what was measured to be fastest for its format and input
        size. Raises UsageError for what is no such model.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch_size must be at least 1. Received: batch_size={batch_size}.")
        if not 32 <= detect_side <= LARGEST_SIDE:
            raise UsageError(f"detect_side must be 32 to {LARGEST_SIDE} pixels. Received: detect_side={detect_side}.")
        self._network = open_model(Path(model or default_model()), batch_size)
        self._face_detector = face_detector
        self.detect_sides = (detect_side, *(side for side in SIDES if side < detect_side))
        self._detector: FaceDetector | None = None

    @property
    def contract(self) -> Contract:
        """What the model promises: names, input, training corpora, scores."""
        return self._network.contract

    @property
    def batch_size(self) -> int:
        """Faces that go through the network at once."""
        return self._network.batch_size

    def __call__(self, images: np.ndarray | Sequence[np.ndarray]) -> Outputs:
        """Return what the network says of face crops, as arrays with one entry each.

        images: uint8 RGB, (n, height, width, 3) or n arrays (height, width, 3) of any sizes, each a face cut out with
        the contract's `crop_margin`; they are letterboxed here. No face is looked for: `rows` does that. Raises
        ValueError for other shapes and types.
        """
        size = self.contract.input_size
        crops = [letterbox(_checked(image), size) for image in images]
        return self._network(np.stack(crops) if crops else np.zeros((0, size, size, 3), np.uint8))

    def rows(
        self,
        path: str | Path,
        *,
        faces: int | None = None,
        detect: bool = True,
        fps: float | None = None,
        every: int = 1,
        smooth: float | None = None,
        smooth_embeddings: bool = False,
        abstain: float = 0.0,
    ) -> Iterator[Row]:
        """Yield a row for every face of a picture or video, frame by frame, as the video is read.

        Of a folder, those of all pictures and videos below it, as the command takes them; a UsageError where there are
        none, or it cannot be read.

        faces: how many of the largest of a picture; None for all. detect: False takes the picture or frame as a face
        crop. fps: pictures a second of a video that are looked at, None for all; every: or each so many-th frame.
        smooth: time constant in seconds of the filter on the outputs of a person's track, None for none. abstain: the
        probability that a row's `top_class` must reach to be named. A picture or frame without a face, or one that
        cannot be read, is a row whose `problem` says so; nothing is raised for it.
        """
        options = Options(faces, fps, every, smooth, smooth_embeddings, abstain)
        named = find_sources([str(path)], StringIO()) if os.path.isdir(path) else [Source(Path(path), str(path))]
        with_rows = self.describe(list(enumerate(named)), options, detect)
        return (row for sample in with_rows for row in sample.rows)

    def describe(
        self,
        sources: Sequence[tuple[int, Source]],
        options: Options,
        detect: bool = True,
        keep_pictures: bool = False,
    ) -> Iterator[Sample]:
        """Yield every picture and frame of several sources with its rows, see `pipeline.describe`."""
        detector = self.find_detector() if detect else None
        return pipeline.describe(sources, self._network, detector, options, keep_pictures)

    def find_detector(self) -> FaceDetector:
        """Return the face detector. Raises UsageError when its weights cannot be had."""
        if self._detector is None:
            weights = find_weights(Path(self._face_detector) if self._face_detector else None)
            self._detector = FaceDetector(weights, sides=self.detect_sides)
        return self._detector


def _checked(image: np.ndarray) -> np.ndarray:
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        received = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"A face crop is an array of uint8 RGB, (height, width, 3). Received: {received}.")
    if 0 in image.shape:
        raise ValueError(f"A face crop has pixels. Received: {image.shape}.")
    return image
