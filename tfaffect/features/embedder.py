"""The Python API: network and face detector in one class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.features import pipeline
from tfaffect.features.ordered import Stream
from tfaffect.features.row import Row
from tfaffect.features.sample import Options, Sample
from tfaffect.features.sources import Source, find_sources
from tfaffect.files import remote
from tfaffect.media.detector import MIN_SCORE, SIDES, FaceDetector, find_weights
from tfaffect.media.faces import letterbox
from tfaffect.runtimes.opening import open_model
from tfaffect.runtimes.runtime import Outputs
from tfaffect.runtimes.shipped import default_model

LARGEST_SIDE = 4096
"""Upper limit of `detect_side` in pixels: memory grows with its square."""


class Embedder:
    """Affect features of faces: 256 numbers per face, with class probabilities, valence and arousal.

        embedder = Embedder("exports/model.tflite")
        outputs = embedder(crops)                      # arrays of face crops
        for row in embedder.rows("interview.mp4"): ... # faces found in a picture or a video

    Several threads can use it at once. `contract` has the training corpora and the scores of the network.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        face_detector: str | Path | None = None,
        detect_side: int = SIDES[0],
        min_score: float = MIN_SCORE,
        batch_size: int | None = None,
    ) -> None:
        """Open a model: a run folder, `.keras`, SavedModel, `.tflite` or `.onnx` with its model.json.

        model: None for the most accurate model that is installed. face_detector: weights of YuNet; by default the file
        in TFAFFECT_FACE_DETECTOR, or else a download when first needed, once. detect_side: longest side in pixels to
        which pictures are scaled for the search; a larger one finds smaller faces but takes longer. min_score: lowest
        confidence of the detector, from 0 to 1, at which a face is used. batch_size: faces that the network processes
        at once; by default the fastest number measured for its format and input size. Raises UsageError if this is not
        a model.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch_size must be at least 1. Received: batch_size={batch_size}.")
        if not 32 <= detect_side <= LARGEST_SIDE:
            raise UsageError(f"detect_side must be 32 to {LARGEST_SIDE} pixels. Received: detect_side={detect_side}.")
        if not 0 < min_score < 1:
            raise UsageError(f"min_score must be between 0 and 1. Received: min_score={min_score}.")
        self._network = open_model(Path(model or default_model()), batch_size)
        self._face_detector = face_detector
        self.detect_sides = (detect_side, *(side for side in SIDES if side < detect_side))
        self.min_score = min_score
        self._detector: FaceDetector | None = None

    @property
    def contract(self) -> Contract:
        """The model's contract (model.json): names, input, training corpora, scores."""
        return self._network.contract

    @property
    def batch_size(self) -> int:
        """Faces that the network processes at once."""
        return self._network.batch_size

    def __call__(self, images: np.ndarray | Sequence[np.ndarray]) -> Outputs:
        """Return the network's outputs for face crops, as arrays with one entry per crop.

        images: uint8 RGB, (n, height, width, 3) or n arrays (height, width, 3) of any sizes, each a face cropped with
        the contract's `crop_margin`. They are letterboxed here, but not searched for faces: use `rows` for that. Raises
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
        key_frames: bool = False,
        start: float = 0.0,
        end: float | None = None,
        stream: int = 0,
        smooth: float | None = None,
        smooth_embeddings: bool = False,
        abstain: float = 0.0,
    ) -> Iterator[Row]:
        """Yield a row for every face of a picture or video, frame by frame, while the video is read.

        A folder gives the rows of all pictures and videos in it and its subfolders. Raises UsageError if it has none or
        cannot be read. The path may be an address such as https://example.org/talk.mp4; a folder's ends with a slash. A
        picture or frame without a face, or an unreadable one, raises nothing: it is a row with the reason in `problem`.

        faces: number of largest faces per picture; None for all. detect: False takes the picture or frame as a face
        crop. fps: frames per second of a video, None for all; every: every N-th frame instead; key_frames: only frames
        that are coded without others. start, end: seconds between which frames are used; stream: number of the video
        stream in the file. smooth: time constant in seconds of the filter on the outputs of a person's track, None for
        no filter; smooth_embeddings: filter the embeddings too. abstain: lowest probability at which a row's
        `top_class` is named.
        """
        options = Options(faces, fps, every, smooth, smooth_embeddings, abstain, key_frames, start, end, stream)
        is_folder = os.path.isdir(path) or (remote.address(path) and str(path).endswith("/"))
        sources = find_sources([str(path)], StringIO()) if is_folder else [Source(remote.to_path(str(path)), str(path))]
        samples = self.describe(list(enumerate(sources)), options, detect)
        return (row for sample in samples for row in sample.rows)

    def describe(
        self, sources: Sequence[tuple[int, Source]], options: Options, detect: bool = True, keep_pictures: bool = False
    ) -> Stream[Sample]:
        """Yield every picture and frame of several sources with its rows, see `pipeline.describe`."""
        detector = self.find_detector() if detect else None
        return pipeline.describe(sources, self._network, detector, options, keep_pictures)

    def find_detector(self) -> FaceDetector:
        """Return the face detector. Raises UsageError when its weights are missing, wrong or cannot be downloaded."""
        if self._detector is None:
            weights = find_weights(Path(self._face_detector) if self._face_detector else None)
            self._detector = FaceDetector(weights, self.min_score, self.detect_sides)
        return self._detector


def _checked(image: np.ndarray) -> np.ndarray:
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        received = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"A face crop must be an array of uint8 RGB, (height, width, 3). Received: {received}.")
    if 0 in image.shape:
        raise ValueError(f"A face crop must have pixels. Received: {image.shape}.")
    return image
