"""Counts of what a build read, kept and skipped, and why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfaffect.labels import AFFECT, CLASSES, SPLITS, Expression
from tfrecords_builders.base import Face, Skip
from tfrecords_builders.record import distribution

ATTRIBUTES = ("sex", "age", "ethnicity")

LISTED = 50
"""Values of an attribute that a report lists. An age that was computed from a date may have a value for each face."""


@dataclass
class BuildCounts:
    """What was read, kept and skipped, counted during a build."""

    official: Counter = field(default_factory=Counter)  # annotated, by "split" and "split/class" of the corpus
    annotated: Counter = field(default_factory=Counter)  # by (split, tag); the tag "" counts faces
    written: Counter = field(default_factory=Counter)
    grey: Counter = field(default_factory=Counter)  # written faces without colour, by split
    labels: dict[str | None, np.ndarray] = field(default_factory=dict)  # by split: class masses, then affect counts
    skipped: Counter = field(default_factory=Counter)  # by reason
    decisions: Counter = field(default_factory=Counter)  # those of `skipped` that the protocol or an option leaves out
    notes: Counter = field(default_factory=Counter)
    attributes: dict[str, Counter] = field(default_factory=lambda: {name: Counter() for name in ATTRIBUTES})

    def count_official(self, face: Face, expressions: Mapping[Any, Expression]) -> None:
        """Count an annotation as its owners do: by official split ("all" where there is none) and by class."""
        split = face.split or "all"
        self.official[split] += 1
        if face.expression is not None and not isinstance(face.expression, dict):
            self.official[f"{split}/{CLASSES[expressions[face.expression]]}"] += 1

    def count(self, counter: Counter, face: Face) -> None:
        """Count a face, and each of its tags, in its split."""
        counter.update((face.split, tag) for tag in ("", *face.tags))

    def count_outcome(self, face: Face, outcome: object, expressions: Mapping[Any, Expression]) -> None:
        """Count a face by its outcome: a Skip, or anything else for a record."""
        if isinstance(outcome, Skip):
            self.skip(outcome)
            return
        self.count(self.written, face)
        for name, values in self.attributes.items():
            values.update(filter(None, [getattr(face, name)]))
        affect = [float(getattr(face, name) is not None) for name in AFFECT]
        masses = np.concatenate([distribution(face.expression, expressions), affect])
        self.labels[face.split] = self.labels.get(face.split, 0) + masses

    def skip(self, skip: Skip) -> None:
        """Count an annotation that gives no record."""
        self.skipped[skip.reason] += 1
        if skip.intended:
            self.decisions[skip.reason] += 1

    def report(self, published: Mapping[str, int]) -> dict[str, Any]:
        """Return the counts as plain JSON values. `published` has the owners' counts by the keys of `official`."""
        return {
            "published": {key: {"published": count, "read": self.official[key]} for key, count in published.items()},
            "splits": {split: self._split_report(split) for split in SPLITS if self.written[split, ""]},
            "skipped": dict(self.skipped.most_common()),
            "decisions": dict(self.decisions.most_common()),
            "notes": dict(self.notes.most_common()),
            "attributes": {name: _most_frequent(values) for name, values in self.attributes.items() if values},
        }

    def _split_report(self, split: str) -> dict[str, Any]:
        masses = [round(float(mass), 3) for mass in self.labels[split]]
        return {
            "annotated": self.annotated[split, ""],
            "records": self.written[split, ""],
            "grey": self.grey[split],
            "annotated_tags": {tag: n for (of, tag), n in sorted(self.annotated.items()) if of == split and tag},
            "tags": {tag: n for (of, tag), n in sorted(self.written.items()) if of == split and tag},
            "expression": dict(zip(CLASSES, masses, strict=False)),
            **dict(zip(AFFECT, map(int, masses[len(CLASSES) :]), strict=True)),
        }

    def failure(self, max_skipped: float) -> str:
        """Return why the build must fail, or an empty text.

        It fails when more than a share `max_skipped` of the annotations could not be read or matched. What the protocol
        leaves out is in neither of the two numbers.
        """
        left_out = self.decisions.total()
        lost = self.skipped.total() - left_out
        read = lost + sum(count for (_, tag), count in self.written.items() if not tag)
        if lost <= max_skipped * read:
            return ""
        return (
            f"{lost:,} of {read:,} annotations could not be read or matched, more than --max-skipped {max_skipped:g}. "
            f"The protocol or an option left out {left_out:,} more, which do not count.\n{self.reasons()}"
        )

    def reasons(self) -> str:
        """Return the reasons of skips by kind, and the notes, one a line, most frequent first."""
        kinds = {
            "Not read or matched:": self.skipped - self.decisions,
            "Left out by the protocol:": self.decisions,
            "Notes:": self.notes,
        }
        lines = []
        for kind, reasons in kinds.items():
            lines += [kind] * bool(reasons) + [f"  {count:>9,}  {reason}" for reason, count in reasons.most_common()]
        return "\n".join(lines)


def _most_frequent(values: Counter) -> dict[str, int]:
    """The most frequent values with their counts, and the sum of the others under "other values"."""
    listed = dict(values.most_common(LISTED))
    others = values.total() - sum(listed.values())
    return listed | ({"other values": others} if others else {})
