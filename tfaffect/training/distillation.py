"""Distillation: the training faces' classes, mixed with what earlier models say of the same faces."""

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
    """Return the corpora with class distributions of which the config's share is the mean of its teachers' answers.

    Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, with the answers computed once, of each
    face and its mirror image as they are stored. Only training faces that have classes are concerned. The answers stay
    in `folder`/teachers.npz, from which a run goes on without its teachers; `writes` is False in all but one of the
    processes that train together. A teacher that was trained on the same faces has seen their labels, and teaches the
    less the better it knows them. Raises UsageError for a teacher that cannot be opened or never learned classes.
    """
    if not config.teachers:
        return list(corpora)
    path = folder / FILE
    if not path.exists():
        answers = _ask([_open(path) for path in config.teachers], corpora)
        if writes:
            with atomic.write_file(path) as partial:
                np.savez_compressed(partial, **answers)
    else:
        with np.load(path) as stored:
            answers = dict(stored)
    share = config.distillation_weight
    return [replace(corpus, taught=(answers[corpus.name], share)) for corpus in corpora]


def _open(path: str) -> Runtime:
    teacher = open_model(Path(path))
    if "expression" not in teacher.contract.trained:
        raise UsageError(f"A teacher of classes must have learned them. Received: {path}, which did not.")
    return teacher


def _ask(teachers: Sequence[Runtime], corpora: Sequence[Prepared]) -> dict[str, np.ndarray]:
    """Return the teachers' mean distribution of every training face, in the order of the records."""
    return {corpus.name: np.mean([_answers(teacher, corpus) for teacher in teachers], axis=0) for corpus in corpora}


def _answers(teacher: Runtime, corpus: Prepared) -> np.ndarray:
    batches = evaluation_batches(corpus, "train", teacher.contract.input_size, 256)
    asked = [pictures.numpy() for pictures, _ in batches]
    return np.concatenate([(teacher(own).expression + teacher(own[:, :, ::-1]).expression) / 2 for own in asked])
