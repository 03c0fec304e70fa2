"""Name the first cases of a kind in a build report, and count the others."""

from collections import defaultdict
from dataclasses import dataclass, field

SHOWN = 3
OTHERS = "other files"


@dataclass
class FirstFew:
    """The names of the first cases, by kind. The report counts equal texts, so it stays short with many cases."""

    shown: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def name(self, kind: str, name: str) -> str:
        """Return the name for one of the first three names of a kind, and "other files" for all later ones."""
        names = self.shown[kind]
        if name not in names and len(names) < SHOWN:
            names.append(name)
        return name if name in names else OTHERS
