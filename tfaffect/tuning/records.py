"""What is known of one trial, kept so that a search that was killed knows it again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tfaffect import whole


@dataclass(frozen=True)
class Record:
    """A trial: how it ended, and how often it was begun."""

    status: str = "running"
    """running, done or failed; a trial that Hyperband lets go on is running again."""
    reason: str = ""
    """Why it failed, in one line."""
    until: int = 0
    """Epochs that it was given, all in all."""
    score: float | None = None
    best_epoch: int | None = None
    epochs: int = 0
    """Epochs that were trained."""
    seconds: float = 0.0
    """Time in training, of work that was kept."""
    begun: float | None = None
    """When the start under way was, in seconds since 1970; None when none is."""
    starts: tuple[str, ...] = ()
    """The checkpoint from which each start went on, "" without one."""

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        with whole.file(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def begin(self, until: int, position: str, now: float) -> Record:
        """Return the record of a trial that starts, or goes on, from a checkpoint."""
        return replace(self, status="running", until=until, begun=now, starts=(*self.starts, position))

    def withdraw(self, seconds: float) -> Record:
        """Return the record without its last start, which the user ended."""
        return replace(self, begun=None, starts=self.starts[:-1], seconds=self.seconds + seconds)

    def stuck(self, position: str) -> bool:
        """Whether two starts came no further than where the trial is."""
        return self.starts[-2:] == (position, position)


def path_of(out: Path, trial: str) -> Path:
    """Return the file of a trial's record in the folder of a search."""
    return out / "tuner" / "records" / f"{trial}.json"


def load(path: Path) -> Record:
    """Read a record, an empty one where there is no file."""
    if not path.exists():
        return Record()
    values = json.loads(path.read_text())
    return Record(**{**values, "starts": tuple(values["starts"])})
