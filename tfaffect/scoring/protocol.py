"""The records that figures are about: corpora, split and tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfaffect.errors import UsageError

ALL = "all records"
"""What a report says where no tag was asked for. No tag has a blank in it."""


@dataclass(frozen=True)
class Protocol:
    """The records that figures are about, as words for a report and back.

    corpora: names and versions; split: of each of them; only: the tag of the records that were kept, "" for all.
    """

    corpora: dict[str, str]
    split: str
    only: str = ""

    def words(self) -> dict[str, str]:
        """Return what a report says of it."""
        corpora = ", ".join(f"{name} {version}" for name, version in self.corpora.items())
        return {"evaluated on": corpora, "split": self.split, "only": self.only or ALL}

    @classmethod
    def parse(cls, words: Mapping[str, object]) -> Protocol:
        """Return what `words` wrote into the protocol of a report. Raises UsageError for anything else."""
        evaluated, split, only = (words.get(name) for name in ("evaluated on", "split", "only"))
        parts = [part.split(" ") for part in evaluated.split(", ")] if isinstance(evaluated, str) else [[]]
        corpora = {part[0]: part[1] for part in parts if len(part) == 2 and all(part)}
        if len(corpora) != len(parts) or not all(isinstance(word, str) and word for word in (split, only)):
            received = {"evaluated on": evaluated, "split": split, "only": only}
            raise UsageError(f"The protocol of some figures cannot be read, so evaluate again. Received: {received}.")
        return cls(corpora, split, "" if only == ALL else only)
