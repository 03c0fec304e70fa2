"""A trial is a run of `training.train` in its own process, which can be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfaffect.config import Config
from tfaffect.files import atomic
from tfaffect.tuning import isolation, trial_records
from tfaffect.tuning.trial_records import Record

if TYPE_CHECKING:
    import keras

# TensorFlow is imported where it is used: its import takes seconds, and a new process should handle signals before.


@dataclass(frozen=True)
class Trials:
    """Runs trials in `out`/trials, and keeps a record of each.

    `stop_requested()` is true when the user wants to stop; `tick` is called once a second with the name of the current
    trial. With `isolate` False trials run in this process: then every trial leaks memory (45 MB with the small network
    of the tests, with and without Keras's clear_session), and what kills a trial kills the search.
    """

    out: Path
    objective: str
    backbone: Callable[[int], keras.Model] | None = None
    isolate: bool = True
    stop_requested: Callable[[], bool] = lambda: False
    tick: Callable[[str], None] = lambda trial: None

    def run(self, trial: str, config: Config, until: int | None = None) -> Record:
        """Train a trial to an epoch (by default, the last of its config) and return its record.

        It resumes from its checkpoint, and is not trained again if it has ended. After a crash of its process it is
        restarted, as long as there is progress.
        """
        path, folder = trial_records.record_path(self.out, trial), self.out / "trials" / trial
        until = until or config.epochs
        record = _add_lost_time(trial_records.load(path), folder)
        while not (record.status == "failed" or (record.status == "done" and record.until >= until)):
            checkpoint = max((path.name for path in _checkpoints(folder)), default="")
            if record.is_stuck(checkpoint):
                epoch = int(checkpoint[:6] or 0)
                reason = f"{record.reason or 'it was killed'}, again without getting beyond epoch {epoch}"
                record = replace(record, status="failed", reason=reason)
            else:
                starts = (*record.starts, checkpoint)
                record = replace(record, status="running", until=until, begun=time.time(), starts=starts)
                record = self._start(trial, record, config, folder)
            record.save(path)
        return record

    def _start(self, trial: str, record: Record, config: Config, folder: Path) -> Record:
        """Run the process of a trial once."""
        path, log = trial_records.record_path(self.out, trial), self.out / "tuner" / "logs" / f"{trial}.txt"
        record.save(path)
        start = time.monotonic()  # unlike `record.begun`, it is not affected by changes of the clock
        arguments = (config, folder, self.objective, record.until, self.backbone)
        call = isolation.call if self.isolate else isolation.call_here
        try:
            result = call(train_and_score, arguments, log, self.stop_requested, lambda: self.tick(trial))
        except KeyboardInterrupt:
            record.cancel_start(time.monotonic() - start).save(path)
            raise
        except isolation.DiedError as error:
            crashed = replace(record, reason=str(error), deaths=(*record.deaths, record.starts[-1]))
            return _add_lost_time(crashed, folder)
        except isolation.FailedError as error:
            result = {"status": "failed", "reason": str(error)}
        return replace(record, begun=None, seconds=record.seconds + time.monotonic() - start, **result)


def train_and_score(
    config: Config, folder: Path, objective: str, until: int, backbone: Callable[[int], keras.Model] | None
) -> dict[str, Any]:
    """Train a run folder to an epoch, or resume it, and return the result as fields of Record."""
    from tfaffect.training.training import train
    from tfaffect.tuning.objectives import score

    if "KERASTUNER_ORACLE_IP" in os.environ:  # then each task of a Slurm step is a worker, not a part of one run
        os.environ.pop("SLURM_STEP_NODELIST", None)
    with atomic.locked(folder, wait=True):  # a worker whose chief was restarted may still train this run
        if not (folder / "history.csv").exists() or (folder / "checkpoint").exists():
            resume = (folder / "config.json").exists()
            if not resume:
                atomic.remove_unfinished(folder / "config.json")  # left by a kill during its writing
            train(config, folder, backbone, resume=resume, until=until)
        return {"status": "done", "reason": "", **score(folder, objective)}


def _checkpoints(folder: Path) -> list[Path]:
    return [*(folder / "checkpoint").glob("[0-9]*-[0-9]*")]


def _add_lost_time(record: Record, folder: Path) -> Record:
    """Add the time from a start that crashed to its last checkpoint."""
    if record.begun is None:
        return record
    saved = max((path.stat().st_mtime for path in _checkpoints(folder)), default=0.0)
    return replace(record, begun=None, seconds=record.seconds + max(0.0, saved - record.begun))
