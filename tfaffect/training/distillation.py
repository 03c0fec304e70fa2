"""Distillation: the class probabilities of earlier models are mixed into the labels of the training faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.records.batches import evaluation_batches
from tfaffect.records.prepared import Prepared
from tfaffect.runtimes.opening import open_model
from tfaffect.runtimes.runtime import Runtime

FILE = "teachers.npz"


def distil(corpora: Sequence[Prepared], config: Config, folder: Path, writes: bool = True) -> list[Prepared]:
    """Return the corpora with the mean class probabilities of the config's teachers as soft labels.

    Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015. The probabilities are computed once, as
    the mean over the stored face and its mirror image; they only change training faces that have a class label.
    `folder`/teachers.npz stores them, so a resumed run does not need its teachers; `writes` is True in one of the
    processes that train together. A teacher trained on the same faces knows their labels, and adds less the better it
    has learned them. Raises UsageError for a teacher that cannot be opened or has no class head.
    """
    if not config.teachers:
        return list(corpora)
    path, fraction = folder / FILE, config.distillation_weight
    if path.exists():
        with np.load(path) as stored:
            soft_labels = dict(stored)
    else:
        teachers = [_open(teacher) for teacher in config.teachers]
        soft_labels = {corpus.name: _mean_probabilities(teachers, corpus) for corpus in corpora}
        if writes:
            with atomic.write_file(path) as partial:
                np.savez_compressed(partial, **soft_labels)
    return [replace(corpus, soft_labels=(soft_labels[corpus.name], fraction)) for corpus in corpora]


def _open(path: str) -> Runtime:
    teacher = open_model(Path(path))
    if "expression" not in teacher.contract.trained:
        raise UsageError(f"A teacher must have learned classes. Received: {path}, which has not.")
    return teacher


def _mean_probabilities(teachers: Sequence[Runtime], corpus: Prepared) -> np.ndarray:
    """Return the teachers' mean class probabilities (n, 8) of the training faces, in record order."""
    return np.mean([_probabilities(teacher, corpus) for teacher in teachers], axis=0)


def _probabilities(teacher: Runtime, corpus: Prepared) -> np.ndarray:
    batches = evaluation_batches(corpus, "train", teacher.contract.input_size, 256)
    faces = [pictures.numpy() for pictures, _ in batches]
    return np.concatenate([(teacher(own).expression + teacher(own[:, :, ::-1]).expression) / 2 for own in faces])
