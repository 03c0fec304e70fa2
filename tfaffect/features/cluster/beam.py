"""Does tasks on a cluster with Apache Beam. Only this file of the features imports it.

Beam hands out the numbers of tasks. A worker writes the files of its tasks itself, completely or not at all, so a task
that is done twice, after a worker was lost, leaves the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfaffect.errors import UsageError, missing_extra
from tfaffect.features.cluster.jobs import lacking
from tfaffect.features.cluster.units import Task
from tfaffect.features.cluster.work import Work
from tfaffect.features.embedder import Embedder

LARGEST_GROUP, FEWEST_GROUPS = 8, 32
"""Most tasks in a group, and fewest groups that are made of many tasks."""


@dataclass(frozen=True)
class Worker:
    """Does tasks in any process. It is pickled: sources are read from the folder, and the model is opened, there."""

    work: Work
    open_embedder: Callable[[], Embedder]

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Do the tasks whose files are not there: after a lost worker, some of them are."""
        work, embedder = _opened(self)
        for _ in work.do(lacking(work.folder, tasks), embedder):
            pass
        work.finish_videos(tasks)


_lock = threading.Lock()
_ready: dict[Path, tuple[Work, Embedder]] = {}  # one model in a process: its threads share it


def _opened(worker: Worker) -> tuple[Work, Embedder]:
    folder = worker.work.folder
    with _lock:
        if folder.path not in _ready:
            embedder = worker.open_embedder()
            if worker.work.detect:
                embedder.find_detector()
            expected, received = worker.work.facts["model"], embedder.contract.weights_sha256
            if received != expected:
                raise UsageError(f"Every worker needs the same model. Expected: {expected}. Received: {received}.")
            _ready.clear()
            _ready[folder.path] = replace(worker.work, sources=folder.read_sources()), embedder
        return _ready[folder.path]


def check(given: Sequence[str]) -> None:
    """Raise UsageError without apache-beam, and for options that are not NAME=VALUE."""
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--beam-runner needs {missing_extra('apache_beam')}") from error
    for option in given:
        if option.startswith("-") or "=" not in option:
            raise UsageError(f"--beam-options are NAME=VALUE, without dashes. Received: {option!r}.")


def run(
    work: Work, left: Sequence[Task], open_embedder: Callable[[], Embedder], runner: str, given: Sequence[str]
) -> None:
    """Do tasks, and wait until all are done."""
    if not left:
        return
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    worker = Worker(replace(work, sources=()), open_embedder)  # the description of a pipeline must stay small
    with beam.Pipeline(runner, PipelineOptions([f"--{option}" for option in given])) as pipeline:
        _ = pipeline | beam.Create(groups(left)) | beam.Reshuffle() | beam.Map(worker)


def groups(left: Sequence[Task]) -> list[list[Task]]:
    """Cut tasks into groups. In one group the batches of the network are full across tasks."""
    count = max(1, len(left) // max(1, min(LARGEST_GROUP, len(left) // FEWEST_GROUPS)))
    return [list(left[number::count]) for number in range(count)]
