"""The evaluation protocol: the corpora, split and tag of the scored records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfaffect.errors import UsageError

ALL = "all records"
"""The text in a report if no tag was given. A tag contains no space, so the two cannot be confused."""


@dataclass(frozen=True)
class Protocol:
    """The scored records; can be written to a report as text, and read back.

    corpora: names and versions; split: of each corpus; only: the tag of the records that were kept, "" for all.
    """

    corpora: dict[str, str]
    split: str
    only: str = ""

    def as_text(self) -> dict[str, str]:
        """Return the text for a report."""
        corpora = ", ".join(f"{name} {version}" for name, version in self.corpora.items())
        return {"evaluated on": corpora, "split": self.split, "only": self.only or ALL}

    @classmethod
    def from_text(cls, words: Mapping[str, object]) -> Protocol:
        """Read the text that `as_text` wrote into a report. Raises UsageError for any other text."""
        received = {name: words.get(name) for name in ("evaluated on", "split", "only")}
        evaluated, split, only = (value if isinstance(value, str) else "" for value in received.values())
        parts = [part.split(" ") for part in evaluated.split(", ")]
        corpora = {part[0]: part[1] for part in parts if len(part) == 2 and all(part)}
        if len(corpora) != len(parts) or not (split and only):
            raise UsageError(f"The protocol of the scores cannot be read, so evaluate again. Received: {received}.")
        return cls(corpora, split, "" if only == ALL else only)
