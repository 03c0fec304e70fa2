"""Faces of a run's corpora, for calibrating a file and for comparing it with its network."""

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
"""Training faces for choosing the ranges of activations."""

VALIDATION_FACES = 4000
"""Maximum of validation faces for checking the limits of a recipe."""


@dataclass(frozen=True)
class Faces:
    """Crops uint8 (n, size, size, 3), and labels: expression (n, 8), valence and arousal (n,), as in the records."""

    pictures: np.ndarray
    labels: dict[str, np.ndarray]


def read(config: Config, records: Path | None, split: str, most: int, size: int) -> Faces:
    """Return at most `most` faces of a split: the same share of each corpus of the run, evenly spaced.

    The spacing matters: neighbours in a video are alike, and the first faces of a corpus may show one person. Crops are
    letterboxed to `size` pixels. Raises UsageError for a missing corpus; a corpus without the split is skipped.
    """
    corpora = [open_corpus(records or config.records, name) for name in config.corpora]
    counts = [corpus.size(split) for corpus in corpora]
    step = max(1, -(-sum(counts) // most))
    chosen = [
        record
        for corpus, count in zip(corpora, counts, strict=True)
        if count
        for record in corpus.records(split).shard(step, 0).as_numpy_iterator()
    ]
    if not chosen:
        raise UsageError(f"None of {', '.join(config.corpora)} has a split {split!r} for checking a recipe.")
    pictures = [letterbox(decode(record["image"]), size) for record in chosen]
    labels = {name: np.stack([record[name] for record in chosen]) for name in ("expression", *AFFECT)}
    return Faces(np.stack(pictures), labels)
