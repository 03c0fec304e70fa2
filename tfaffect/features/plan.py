"""The outputs of the command `embed`, and checks before it starts: options, file names, nothing overwritten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from importlib.util import find_spec
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features import elan, nova, tables
from tfaffect.features.annotated import AnnotatedFiles, shortened
from tfaffect.features.dictionary import dictionary_of
from tfaffect.features.parts import Parts
from tfaffect.features.sample import Options
from tfaffect.features.sources import Source, resolved
from tfaffect.features.video_names import VideoNames
from tfaffect.files import atomic

LAYOUTS = ("tfaffect", "fex")
"""Layouts of the table of rows: our columns, and those of Py-Feat's class Fex."""


@dataclass(frozen=True)
class Plan:
    """What the command writes for its sources.

    out: the table, one row per face. detect: search for faces. windows: length and hop in seconds, for a table beside
    `out`. annotate: folder for annotated pictures and videos. timeline: PNG, one per video. inputs: the files and
    folders from which the sources were found. blur: make faces in annotated copies unrecognisable. layout: one of
    LAYOUTS. nova, elan: folders for annotations of the videos in the formats of these tools.
    """

    sources: Sequence[Source]
    out: Path
    options: Options
    detect: bool = True
    windows: tuple[float, float] | None = None
    annotate: Path | None = None
    timeline: Path | None = None
    inputs: Sequence[Path] = ()
    blur: bool = False
    layout: str = LAYOUTS[0]
    nova: Path | None = None
    elan: Path | None = None

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns of CSV inputs that are copied to the output."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.carried))

    @property
    def windows_out(self) -> Path:
        """The table of windows: `faces.windows.csv` beside `faces.csv`."""
        return self.out.with_suffix(f".windows{self.out.suffix}")

    @property
    def files(self) -> list[Path]:
        """All files beside each other that a run may write: tables with their data dictionaries, and plots."""
        return [*self.tables, *self.timelines(1)]

    @property
    def tables(self) -> list[Path]:
        """The table of rows, that of windows, and their data dictionaries."""
        tables_out = (self.out, self.windows_out)
        return [*tables_out, *map(dictionary_of, tables_out)]

    @property
    def is_started(self) -> bool:
        """Whether a run to the same table was interrupted."""
        return Parts(self.out, tables.SCHEMA).exist()

    @property
    def nova_names(self) -> VideoNames | None:
        """The names of the annotations for NOVA."""
        return VideoNames("--nova", self.nova, self.sources, nova.ENDINGS) if self.nova else None

    @property
    def elan_names(self) -> VideoNames | None:
        """The names of the annotations for ELAN."""
        return VideoNames("--elan", self.elan, self.sources, elan.ENDINGS) if self.elan else None

    def check(self, resume: bool, overwrite: bool) -> None:
        """Raise UsageError for what would fail later, or would overwrite a file."""
        tables.writer(self.out)
        self._check_options(resume, overwrite)
        self._check_outputs()
        if not (overwrite or resume) and self.is_started:  # first: its other files exist too
            raise UsageError(f"A run to {self.out} was interrupted. Add --resume to continue, or --overwrite.")
        if self.annotate:
            AnnotatedFiles(self.annotate, self.sources).check(resume or overwrite)
        for names in filter(None, (self.nova_names, self.elan_names)):
            names.check(resume or overwrite, [*self.files, *self.inputs])
        if not (overwrite or resume):
            self._check_nothing_exists()

    def _check_outputs(self) -> None:
        parts = Parts(self.out, tables.SCHEMA)
        used = {resolved(path) for path in (*(source.path for source in self.sources), *self.inputs)}
        for path in self.files:
            if path.is_dir():
                raise UsageError(f"{path} is a folder. Name a file.")
            if resolved(path) in used:
                raise UsageError(f"{path} is an input and would be overwritten. Name another file.")
            try:
                atomic.check_writable(path)
                atomic.check_writable(parts.removed)  # the longest name that is made beside the table
            except OSError as error:
                raise UsageError(f"{path} cannot be written: {error.strerror}. Name another file.") from error
        for path in filter(None, (self.annotate, self.timeline, self.nova, self.elan)):
            for folder in filter(Path.is_dir, self.inputs):
                if resolved(path).is_relative_to(resolved(folder)):
                    raise UsageError(f"{path} is inside the input folder {folder}. Name a place outside it.")

    def _check_options(self, resume: bool, overwrite: bool) -> None:
        for name, value in zip(("window", "hop"), self.windows or (), strict=False):
            if not 0 < value < math.inf:
                raise UsageError(f"{name} must be more than 0 seconds. Received: {name}={value}.")
        if self.layout not in LAYOUTS:
            raise UsageError(f"--layout must be {' or '.join(LAYOUTS)}. Received: {self.layout}.")
        if resume and overwrite:
            raise UsageError("--resume continues a run and --overwrite starts again: choose one of them.")
        if self.timeline and self.timeline.suffix.lower() != ".png":
            raise UsageError(f"--timeline must be a .png file. Received: {self.timeline}.")
        if self.timeline and find_spec("matplotlib") is None:
            raise UsageError('--timeline needs matplotlib. Install the extra: pip install "tfaffect[train]".')

    def _check_nothing_exists(self) -> None:
        plots = self.timeline.parent.glob(f"{escape(self.timeline.stem)}-*.png") if self.timeline else ()
        for path in (*self.files, *plots):
            if path.exists():
                raise UsageError(f"{path} exists already. Name another file, or replace it with --overwrite.")

    def timelines(self, count: int, names: Sequence[str] = ("",)) -> list[Path]:
        """Return the plot files of `count` videos. With several videos, number and name are added to the file name."""
        if self.timeline is None or count == 0:
            return []
        if count == 1:
            return [self.timeline]
        stem = self.timeline.stem
        files = (shortened(f"{stem}-{number}-{name}.png") for number, name in enumerate(names, start=1))
        return [self.timeline.with_name(name) for name in files]
