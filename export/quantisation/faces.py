"""Faces of a run's corpora: to calibrate a file on, and to compare it with its network on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfaffect.config import Config
from tfaffect.labels import AFFECT
from tfaffect.media.faces import decode, letterbox
from tfaffect.prepared import Prepared, open_corpus

CALIBRATION_FACES = 500
"""Training faces over which the ranges of activations are chosen."""

VALIDATION_FACES = 4000
"""Validation faces on which promises are held, or all where there are fewer."""


@dataclass(frozen=True)
class Faces:
    """Crops uint8 (n, size, size, 3), and labels: expression (n, 8), valence and arousal (n,), as in the records."""

    pictures: np.ndarray
    labels: dict[str, np.ndarray]


def read(config: Config, records: Path | None, split: str, most: int) -> Faces:
    """Return at most so many faces of a split of the run's corpora, the same share of each, evenly spaced in it.

    Neighbours in a video are alike, and the first faces of a corpus may be of one person. Raises UsageError for a
    corpus that is not there; one without the split is left out.
    """
    corpora = [open_corpus(records or config.records, name) for name in config.corpora]
    corpora = [corpus for corpus in corpora if corpus.size(split)]
    step = max(1, -(-sum(corpus.size(split) for corpus in corpora) // most))
    drawn = [record for corpus in corpora for record in _every(corpus, split, step)]
    pictures = [letterbox(decode(record["image"].numpy()), config.image_size) for record in drawn]
    labels = {name: np.stack([record[name].numpy() for record in drawn]) for name in ("expression", *AFFECT)}
    return Faces(np.stack(pictures), labels)


def _every(corpus: Prepared, split: str, step: int):
    return corpus.records(split).shard(step, 0)
