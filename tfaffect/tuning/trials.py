"""A trial is a run: `training.train` in a process of its own, begun, gone on with, or found finished."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfaffect.config import Config
from tfaffect.files import atomic
from tfaffect.tuning import isolation, records
from tfaffect.tuning.records import Record

if TYPE_CHECKING:
    import keras

# TensorFlow is imported where it is used: a new process should catch signals before seconds of imports.


@dataclass(frozen=True)
class Trials:
    """Runs trials into `out`/trials, each with its record.

    `stop_requested()` is true when the user wants to stop; `tick` is called once a second with the name of the current
    trial. With `isolate` False trials run in this process. There, even the small network of the tests leaves
    45 MB behind with every trial, with Keras's clear_session as without, and what kills a trial kills the search.
    """

    out: Path
    objective: str
    backbone: Callable[[int], keras.Model] | None = None
    isolate: bool = True
    stop_requested: Callable[[], bool] = lambda: False
    tick: Callable[[str], None] = lambda trial: None

    def run(self, trial: str, config: Config, until: int | None = None) -> Record:
        """Train a trial until that many epochs, all of the config's without, and return its record.

        What it has trained before counts. One that ended is not trained again. A trial whose process is killed is
        started anew as long as that brings it further.
        """
        path, folder = records.path_of(self.out, trial), self.out / "trials" / trial
        until = until or config.epochs
        record = _settle(records.load(path), folder)
        while not (record.status == "failed" or (record.status == "done" and record.until >= until)):
            position = _position(folder)
            if record.stuck(position):
                where = f"without getting beyond epoch {int(position[:6] or 0)}"
                record = replace(record, status="failed", reason=f"{record.reason or 'it was killed'}, again {where}")
            else:
                record = self._start(trial, record.begin(until, position, time.time()), config, folder)
            record.save(path)
        return record

    def _start(self, trial: str, record: Record, config: Config, folder: Path) -> Record:
        """Start the process of a trial once."""
        path, log = records.path_of(self.out, trial), self.out / "tuner" / "logs" / f"{trial}.txt"
        record.save(path)
        begun = time.monotonic()  # `record.begun` is for whoever finds the record later; clocks are set back and forth
        job = (config, folder, self.objective, record.until, self.backbone)
        call = isolation.call if self.isolate else isolation.call_here
        try:
            found = call(train_and_score, job, log, self.stop_requested, lambda: self.tick(trial))
        except KeyboardInterrupt:
            record.withdraw(time.monotonic() - begun).save(path)
            raise
        except isolation.DiedError as error:
            return _settle(record.die(str(error)), folder)
        except isolation.FailedError as error:
            found = {"status": "failed", "reason": str(error)}
        return replace(record, begun=None, seconds=record.seconds + time.monotonic() - begun, **found)


def train_and_score(
    config: Config, folder: Path, objective: str, until: int, backbone: Callable[[int], keras.Model] | None
) -> dict[str, Any]:
    """Train a run folder until an epoch, or go on with it, and return how it ended, as fields of Record."""
    from tfaffect.training.training import train
    from tfaffect.tuning.objectives import score

    if "KERASTUNER_ORACLE_IP" in os.environ:  # the tasks of a Slurm step are workers then, not parts of one run
        os.environ.pop("SLURM_STEP_NODELIST", None)
    with _in_turn(folder):
        if not _finished(folder):
            begun = (folder / "config.json").exists()
            if not begun:
                atomic.remove_unfinished(folder / "config.json")  # a kill amid its writing left a folder
            train(config, folder, backbone, resume=begun, until=until)
        return {"status": "done", "reason": "", **asdict(score(folder, objective))}


def _finished(folder: Path) -> bool:
    return (folder / "history.csv").exists() and not (folder / "checkpoint").exists()


def _position(folder: Path) -> str:
    """The newest checkpoint of a run."""
    return max((path.name for path in (folder / "checkpoint").glob("[0-9]*-[0-9]*")), default="")


def _settle(record: Record, folder: Path) -> Record:
    """Count the time of a start that ended without a word, until it last saved something."""
    if record.begun is None:
        return record
    saved = [path.stat().st_mtime for path in (folder / "checkpoint").glob("[0-9]*-[0-9]*")]
    return replace(record, begun=None, seconds=record.seconds + max(0.0, max(saved, default=0.0) - record.begun))


@contextmanager
def _in_turn(folder: Path) -> Iterator[None]:
    """Wait for another process that trains this run, such as that of a worker whose chief was started anew."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(atomic.locked(folder))
                break
            except BlockingIOError:
                time.sleep(1)
        yield
