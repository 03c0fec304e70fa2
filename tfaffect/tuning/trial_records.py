"""The state of every trial on disk, so that a search that was killed can resume, and trials.csv, its table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tfaffect.files import atomic

TABLE = "trials.csv"
COLUMNS = ("trial", "status", "reason", "score", "best_epoch", "epochs", "seconds", "seed")
"""The columns of trials.csv before those of the knobs."""
MAX_CRASHES = 2
"""A trial has failed when its process crashed this often from the same checkpoint."""
MAX_STARTS = 50
"""A trial has also failed when it started this often from the same checkpoint, and the search itself was killed each
time. The cause may be the user, or a trial that uses all memory: they look the same. The limit is high, because ten
kills within the first epoch were seen on a busy machine."""


@dataclass(frozen=True)
class Record:
    """How a trial ended, and how often it was started."""

    status: str = "running"
    """running, done or failed; a trial that Hyperband promotes is running again."""
    reason: str = ""
    """Why it failed, in one line."""
    until: int = 0
    """Epochs that it was given in total."""
    score: float | None = None
    best_epoch: int | None = None
    epochs: int = 0
    """Epochs that were trained."""
    seconds: float = 0.0
    """Training time, without work that was lost."""
    begun: float | None = None
    """When the current start happened, in seconds since 1970; None when the trial does not run."""
    starts: tuple[str, ...] = ()
    """The checkpoint of each start, "" without one."""
    deaths: tuple[str, ...] = ()
    """The checkpoints of the starts whose process crashed while the search was alive."""

    def save(self, path: Path) -> None:
        """Write the record as JSON."""
        with atomic.write_file(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def cancel_start(self, seconds: float) -> Record:
        """Return the record without its last start, which the user interrupted."""
        return replace(self, begun=None, starts=self.starts[:-1], seconds=self.seconds + seconds)

    def is_stuck(self, checkpoint: str) -> bool:
        """Whether it crashed, or was started, too often without progress beyond this checkpoint."""
        crashed = self.deaths[-MAX_CRASHES:] == (checkpoint,) * MAX_CRASHES
        return crashed or self.starts[-MAX_STARTS:] == (checkpoint,) * MAX_STARTS


def record_path(out: Path, trial: str) -> Path:
    """Return the file of a trial's record in the folder of a search."""
    return out / "tuner" / "records" / f"{trial}.json"


def load(path: Path) -> Record:
    """Read a record; without a file it is empty."""
    values = json.loads(path.read_text()) if path.exists() else {}
    return Record(**{**values, **{name: tuple(values.get(name, ())) for name in ("starts", "deaths")}})


def make_row(out: Path, trial: str, status: str, seed: int) -> dict[str, Any]:
    """Return the COLUMNS of a trial.

    Only a trial that is done has a score. When Hyperband promotes it, it has none until it is done again.
    """
    record = load(record_path(out, trial))
    row = {column: getattr(record, column, None) for column in COLUMNS}
    row |= {"trial": trial, "status": status, "seed": seed, "seconds": round(record.seconds, 1)}
    return row if status == "done" else row | {"score": None, "best_epoch": None}
