"""The state of one trial on disk, so that a search that was killed can resume it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tfaffect.files import atomic

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

    def start(self, until: int, checkpoint: str, now: float) -> Record:
        """Return the record of a trial that starts, or resumes, from a checkpoint."""
        return replace(self, status="running", until=until, begun=now, starts=(*self.starts, checkpoint))

    def cancel_start(self, seconds: float) -> Record:
        """Return the record without its last start, which the user interrupted."""
        return replace(self, begun=None, starts=self.starts[:-1], seconds=self.seconds + seconds)

    def crash(self, reason: str) -> Record:
        """Return the record of a trial whose process crashed."""
        return replace(self, reason=reason, deaths=(*self.deaths, self.starts[-1]))

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
