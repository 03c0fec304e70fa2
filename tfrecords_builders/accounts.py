"""What a build read, kept and skipped, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tfaffect.labels import AFFECT, CLASSES, SPLITS
from tfrecords_builders.base import Face

LATER_TWIN = "its picture or group is in a later split too"


@dataclass
class Accounts:
    """What was read, kept and skipped, counted on the way."""

    annotated: Counter = field(default_factory=Counter)  # per (split, tag); the tag "" counts faces
    written: Counter = field(default_factory=Counter)
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # per split: class masses, then affect counts
    skipped: Counter = field(default_factory=Counter)
    notes: Counter = field(default_factory=Counter)
    done: int = 0  # faces made into records, or not

    def count(self, counter: Counter, face: Face) -> None:
        """Count a face, and each of its tags, in its split."""
        counter.update((face.split, tag) for tag in ("", *face.tags))

    def count_labels(self, split: str, record: dict) -> None:
        """Add one record's labels to the sums of its split."""
        affect = [float(np.isfinite(record[name])) for name in AFFECT]
        self.labels[split] = self.labels.get(split, 0) + np.concatenate([record["expression"], affect])

    def report(self) -> dict:
        """Return the counts as plain JSON values."""
        return {
            "splits": {split: self._split_report(split) for split in SPLITS if self.written[split, ""]},
            "skipped": dict(self.skipped.most_common()),
            "notes": dict(self.notes.most_common()),
        }

    def _split_report(self, split: str) -> dict:
        masses = [round(float(mass), 3) for mass in self.labels[split]]
        return {
            "annotated": self.annotated[split, ""],
            "records": self.written[split, ""],
            "annotated_tags": {tag: n for (of, tag), n in sorted(self.annotated.items()) if of == split and tag},
            "tags": {tag: n for (of, tag), n in sorted(self.written.items()) if of == split and tag},
            "expression": dict(zip(CLASSES, masses, strict=False)),
            **dict(zip(AFFECT, map(int, masses[len(CLASSES) :]), strict=True)),
        }

    def refused(self, max_skipped: float) -> str:
        """Return why the build must fail, or nothing when at most a share `max_skipped` gave no record."""
        lost = sum(count for reason, count in self.skipped.items() if reason != LATER_TWIN)
        read = lost + sum(count for (_, tag), count in self.written.items() if not tag)
        if lost <= max_skipped * read:
            return ""
        lead = f"{lost:,} of {read:,} annotations gave no record, more than --max-skipped {max_skipped:g}."
        return f"{lead}\n{self.reasons()}"

    def reasons(self) -> str:
        """Return the reasons of skips, one a line, most frequent first."""
        return "\n".join(f"  {count:>9,}  {reason}" for reason, count in self.skipped.most_common())
