"""What a build read, kept and skipped, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfaffect.labels import AFFECT, CLASSES, SPLITS
from tfrecords_builders.base import Face, Skip
from tfrecords_builders.record import distribution

LATER_TWIN = Skip("its picture or group is in a later split too", intended=True)


@dataclass
class BuildCounts:
    """What was read, kept and skipped, counted on the way."""

    official: Counter = field(default_factory=Counter)  # annotated per "split" and "split/class", as the corpus has it
    annotated: Counter = field(default_factory=Counter)  # per (split, tag); the tag "" counts faces
    written: Counter = field(default_factory=Counter)
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # per split: class masses, then affect counts
    skipped: Counter = field(default_factory=Counter)
    intended: int = 0  # of those skipped: nothing was lost
    notes: Counter = field(default_factory=Counter)
    done: int = 0  # faces made into records, or not

    def count_official(self, face: Face, expressions: Mapping) -> None:
        """Count an annotation as its owners do: by official split ("all" where there is none), and by its class."""
        split = face.split or "all"
        self.official[split] += 1
        if face.expression is not None and not isinstance(face.expression, dict):
            self.official[f"{split}/{CLASSES[expressions[face.expression]]}"] += 1

    def count(self, counter: Counter, face: Face) -> None:
        """Count a face, and each of its tags, in its split."""
        counter.update((face.split, tag) for tag in ("", *face.tags))

    def settle(self, face: Face, outcome: object, expressions: Mapping) -> None:
        """Count what became of a face: a Skip, or anything else for a record."""
        self.done += 1
        if isinstance(outcome, Skip):
            self.skip(outcome)
            return
        self.count(self.written, face)
        affect = [float(getattr(face, name) is not None) for name in AFFECT]
        masses = np.concatenate([distribution(face.expression, expressions), affect])
        self.labels[face.split] = self.labels.get(face.split, 0) + masses

    def skip(self, skip: Skip) -> None:
        """Count an annotation that gives no record."""
        self.skipped[skip.reason] += 1
        self.intended += skip.intended

    def report(self, published: Mapping[str, int]) -> dict:
        """Return the counts as plain JSON values; `published` are the owners' counts, by the keys of `official`."""
        return {
            "published": {key: {"published": count, "read": self.official[key]} for key, count in published.items()},
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
        lost = self.skipped.total() - self.intended
        read = lost + sum(count for (_, tag), count in self.written.items() if not tag)
        if lost <= max_skipped * read:
            return ""
        lead = f"{lost:,} of {read:,} annotations gave no record, more than --max-skipped {max_skipped:g}."
        return f"{lead}\n{self.reasons()}"

    def reasons(self) -> str:
        """Return the reasons of skips, one a line, most frequent first."""
        return "\n".join(f"  {count:>9,}  {reason}" for reason, count in self.skipped.most_common())
