"""Faces of a run's corpora: to calibrate a file on, and to compare it with its network on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT
from tfaffect.media.faces import decode, letterbox
from tfaffect.records.prepared import open_corpus

CALIBRATION_FACES = 500
"""Training faces over which the ranges of activations are chosen."""

VALIDATION_FACES = 4000
"""Validation faces on which promises are held, or all where there are fewer."""


@dataclass(frozen=True)
class Faces:
    """Crops uint8 (n, size, size, 3), and labels: expression (n, 8), valence and arousal (n,), as in the records."""

    pictures: np.ndarray
    labels: dict[str, np.ndarray]


def read(config: Config, records: Path | None, split: str, most: int, size: int) -> Faces:
    """Return at most so many faces of a split of the run's corpora, the same share of each, evenly spaced in it.

    Neighbours in a video are alike, and the first faces of a corpus may be of one person. Crops are letterboxed to
    `size` pixels. Raises UsageError for a corpus that is not there; one without the split is left out.
    """
    corpora = [open_corpus(records or config.records, name) for name in config.corpora]
    counts = [corpus.size(split) for corpus in corpora]
    step = max(1, -(-sum(counts) // most))
    drawn = [
        record
        for corpus, count in zip(corpora, counts, strict=True)
        if count
        for record in corpus.records(split).shard(step, 0).as_numpy_iterator()
    ]
    if not drawn:
        raise UsageError(f"None of {', '.join(config.corpora)} has a split {split!r} to check a recipe on.")
    pictures = [letterbox(decode(record["image"]), size) for record in drawn]
    labels = {name: np.stack([record[name] for record in drawn]) for name in ("expression", *AFFECT)}
    return Faces(np.stack(pictures), labels)
