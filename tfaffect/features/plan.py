"""What a run of the command is to write, and whether it can: names, options, and nothing of value replaced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from importlib.util import find_spec
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features import tables
from tfaffect.features.annotated import AnnotatedFiles, shortened
from tfaffect.features.parts import Parts
from tfaffect.features.pipeline import Options
from tfaffect.features.sources import Source, resolved
from tfaffect.files import atomic


@dataclass(frozen=True)
class Plan:
    """What the command makes of its sources.

    out: the table, one row per face. detect: look for faces. windows: their length and hop in seconds, in a table
    beside `out`. annotate: folder of annotated pictures and videos. timeline: PNG, one for each video. inputs: the
    files and folders that named the sources.
    """

    sources: Sequence[Source]
    out: Path
    options: Options
    detect: bool = True
    windows: tuple[float, float] | None = None
    annotate: Path | None = None
    timeline: Path | None = None
    inputs: Sequence[Path] = ()

    @property
    def carried(self) -> tuple[str, ...]:
        """The further columns that sources bring along."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.carried))

    @property
    def windows_out(self) -> Path:
        """The table of windows: `faces.windows.csv` beside `faces.csv`."""
        return self.out.with_suffix(f".windows{self.out.suffix}")

    def check(self, resume: bool, overwrite: bool) -> None:
        """Raise UsageError for what would fail later, or would replace what is there."""
        tables.writer(self.out)
        self._check_options(resume, overwrite)
        if self.annotate:
            AnnotatedFiles(self.annotate, self.sources).check(resume or overwrite)
        used = {resolved(path) for path in (*(source.path for source in self.sources), *self.inputs)}
        for path in (self.out, self.windows_out, *self.timelines(1)):
            if path.is_dir():
                raise UsageError(f"{path} is a folder. Name a file.")
            if resolved(path) in used:
                raise UsageError(f"{path} is read, and would be overwritten. Name another file.")
            try:
                atomic.check_writable(path)
            except OSError as error:
                raise UsageError(f"{path} cannot be written: {error.strerror}. Name another file.") from error
        for path in filter(None, (self.annotate, self.timeline)):
            for folder in filter(Path.is_dir, self.inputs):
                if resolved(path).is_relative_to(resolved(folder)):
                    raise UsageError(f"{path} lies in {folder}, where it would be taken for an input. Name another.")
        if not (overwrite or resume):
            self._check_nothing_is_there()

    def _check_options(self, resume: bool, overwrite: bool) -> None:
        for name, value in zip(("window", "hop"), self.windows or (), strict=False):
            if not 0 < value < math.inf:
                raise UsageError(f"{name} must be more than 0 seconds. Received: {name}={value}.")
        if resume and overwrite:
            raise UsageError("--resume goes on and --overwrite begins anew: name one of them.")
        if self.timeline and self.timeline.suffix.lower() != ".png":
            raise UsageError(f"--timeline writes PNG. Received: {self.timeline}.")
        if self.timeline and find_spec("matplotlib") is None:
            raise UsageError("--timeline needs matplotlib, which is not installed: pip install matplotlib.")

    def _check_nothing_is_there(self) -> None:
        if Parts(self.out, tables.SCHEMA).exist():
            raise UsageError(f"A run into {self.out} was interrupted. Go on with --resume, or begin with --overwrite.")
        drawn = self.timeline.parent.glob(f"{escape(self.timeline.stem)}-*.png") if self.timeline else ()
        for path in (self.out, self.windows_out, *self.timelines(1), *drawn):
            if path.exists():
                raise UsageError(f"{path} exists already. Name another file, or replace it with --overwrite.")

    def timelines(self, count: int, names: Sequence[str] = ("",)) -> list[Path]:
        """Return the plots of `count` videos; the name of one of several has its number and its own name."""
        if self.timeline is None or count == 0:
            return []
        if count == 1:
            return [self.timeline]
        stem = self.timeline.stem
        several = (shortened(f"{stem}-{number}-{name}.png") for number, name in enumerate(names, start=1))
        return [self.timeline.with_name(name) for name in several]
