"""What is known of one trial, kept so that a search that was killed knows it again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tfaffect.files import atomic

DEATHS = 2
"""Deaths without getting further after which a trial is given up, where the search saw its process die."""
STARTS = 50
"""Starts without getting further after which it is, where the search itself was killed each time: by whoever sends it
away again and again, or by a trial that takes its memory. Nothing tells these apart, and ten kills at random moments,
all within the first epoch on a machine with other work, were seen."""


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
    deaths: tuple[str, ...] = ()
    """The same of those starts whose process died while the search lived."""

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        with atomic.write_file(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def begin(self, until: int, position: str, now: float) -> Record:
        """Return the record of a trial that starts, or goes on, from a checkpoint."""
        return replace(self, status="running", until=until, begun=now, starts=(*self.starts, position))

    def withdraw(self, seconds: float) -> Record:
        """Return the record without its last start, which the user ended."""
        return replace(self, begun=None, starts=self.starts[:-1], seconds=self.seconds + seconds)

    def die(self, reason: str) -> Record:
        """Return the record of a trial whose process ended without a word."""
        return replace(self, reason=reason, deaths=(*self.deaths, self.starts[-1]))

    def stuck(self, position: str) -> bool:
        """Whether it died, or was begun, too often without getting further than where the trial is."""
        return self.deaths[-DEATHS:] == (position,) * DEATHS or self.starts[-STARTS:] == (position,) * STARTS


def path_of(out: Path, trial: str) -> Path:
    """Return the file of a trial's record in the folder of a search."""
    return out / "tuner" / "records" / f"{trial}.json"


def load(path: Path) -> Record:
    """Read a record, an empty one where there is no file."""
    if not path.exists():
        return Record()
    values = json.loads(path.read_text())
    return Record(**{**values, **{name: tuple(values.get(name, ())) for name in ("starts", "deaths")}})
